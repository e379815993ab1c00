"""Asks a phone whether it is there, over a socket of its own.

Asterisk's own OPTIONS (``qualify``) come each few seconds and wait for seconds. A connected socket
also hears what Asterisk's cannot: that the phone's machine says nothing listens there.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket

from ess_pbx.domain.phone_pulse import Reply
from ess_pbx.sip.options import Target, answers, request

PATIENCE = 0.45
"""Seconds for an answer."""
SENDS = 3
"""Of the same request (RFC 3261 §17.1.2, in a hurry), so that a lost one is no dead phone."""
_LARGEST = 65535


async def ask(target: Target) -> Reply:
    """Ask once. Never raises: what cannot be asked does not answer."""
    family = socket.AF_INET6 if ":" in target.host else socket.AF_INET
    branch = f"z9hG4bK{secrets.token_hex(12)}"
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as line:
            line.setblocking(False)
            line.connect((target.host, target.port))
            datagram = request(target, line.getsockname()[:2], branch)
            return await _send_until_heard(line, datagram, branch)
    except ConnectionRefusedError:
        return Reply.REFUSED
    except OSError:
        return Reply.NOTHING


async def _send_until_heard(line: socket.socket, datagram: bytes, branch: str) -> Reply:
    loop, readable = asyncio.get_running_loop(), asyncio.Event()
    # Not sock_recv: what it has read is gone when the time runs out in the same round.
    loop.add_reader(line, readable.set)
    try:
        for _ in range(SENDS):
            line.send(datagram)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE / SENDS):
                    while True:
                        await readable.wait()
                        readable.clear()
                        if _heard(line, branch):
                            return Reply.ANSWERED
    finally:
        loop.remove_reader(line)
    # The loop may have been busy elsewhere until the time was over.
    return Reply.ANSWERED if _heard(line, branch) else Reply.NOTHING


def _heard(line: socket.socket, branch: str) -> bool:
    while True:
        try:
            if answers(line.recv(_LARGEST), branch):
                return True
        except BlockingIOError:
            return False
