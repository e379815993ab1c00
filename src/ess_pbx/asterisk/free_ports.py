"""Ports that nobody uses, so that any number of centres run side by side on one machine."""

from __future__ import annotations

import random
import socket

from ess_pbx.errors import PortTakenError

RTP_PORTS = 400
"""A hundred calls of two legs, two ports each."""
_RTP_LOWEST, _RTP_HIGHEST = 20_000, 32_000
_LOWEST, _HIGHEST = 12_000, _RTP_LOWEST
_TRIES = 200
_given: set[int] = set()


def free_port(kind: socket.SocketKind, host: str = "127.0.0.1") -> int:
    """A port that is free for ``SOCK_DGRAM`` or ``SOCK_STREAM`` at this moment.

    It stays so until it is used, as far as can be: the kernel gives none below the ephemeral ones
    to who asks for any, this program gives none twice, and others that ask choose at random too.
    Raises PortTakenError when there is none.
    """
    for _ in range(_TRIES):
        port = random.randrange(_LOWEST, _HIGHEST)  # noqa: S311 - no secret
        if port not in _given and _is_free(port, host, kind):
            _given.add(port)
            return port
    raise PortTakenError(
        f"no free port between {_LOWEST} and {_HIGHEST} on {host}; stop programs that use them"
    )


def free_rtp_range(count: int = RTP_PORTS, host: str = "127.0.0.1") -> tuple[int, int]:
    """First and last of ``count`` UDP ports below the ephemeral ones, all free at this moment.

    The start is random, so that two programs asking at once rarely get the same. Raises
    PortTakenError when there is no such range.
    """
    for _ in range(_TRIES):
        first = random.randrange(_RTP_LOWEST, _RTP_HIGHEST - count, 2)  # noqa: S311 - no secret
        if all(_is_free(port, host) for port in range(first, first + count)):
            return first, first + count - 1
    raise PortTakenError(
        f"no {count} free UDP ports in a row between {_RTP_LOWEST} and {_RTP_HIGHEST} on {host}; "
        "stop programs that use them"
    )


def _is_free(port: int, host: str, kind: socket.SocketKind = socket.SOCK_DGRAM) -> bool:
    with socket.socket(socket.AF_INET, kind) as probe:
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
