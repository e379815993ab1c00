"""UNIX sockets in a state folder, however deep it lies."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LONGEST_SOCKET_PATH = 107
"""Bytes (unix(7))."""


@contextmanager
def within_reach(path: Path) -> Iterator[str]:
    """A name for a socket's path that is short enough for unix(7), for as long as it is needed."""
    if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def bound(path: Path) -> socket.socket:
    """A socket with this name, of its owner alone; one that a killed process left is replaced.

    Raises OSError. Nobody can connect before it listens.
    """
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with within_reach(path) as reachable:
            listener.bind(reachable)
        path.chmod(0o600)
    except OSError:
        listener.close()
        raise
    return listener
