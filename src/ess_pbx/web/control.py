"""The command line's end of the control socket."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from ess_pbx.errors import ControlError
from ess_pbx.settings.model import Settings
from ess_pbx.unix_socket import within_reach
from ess_pbx.web.models import Error
from ess_pbx.web.table import PREFIX

SOCKET_NAME = "control.sock"
WITHIN = 10.0
"""Seconds; a service that lives answers in milliseconds."""


def control_socket(settings: Settings) -> Path:
    """Where the command line finds the service."""
    return settings.folders.state / SOCKET_NAME


class Control:
    """Asks a running service through its socket. Nothing is kept open between two questions."""

    def __init__(self, path: Path) -> None:
        self.path = path

    async def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """The answer, out of its JSON. Raises ControlError, which says what to do."""
        content = b"" if body is None else msgspec.json.encode(body)
        try:
            with within_reach(self.path) as reachable:
                status, answer = await _exchange(reachable, method, PREFIX + path, content)
        except (TimeoutError, OSError, aiohttp.ClientError) as error:
            raise ControlError(f"{self.path}: {_why(error)}") from error
        if status >= 400:
            why = msgspec.json.decode(answer, type=Error)
            expected = f"; expected {why.expected}" if why.expected else ""
            raise ControlError(f"{why.code}: {why.message}{expected}")
        return msgspec.json.decode(answer)


async def _exchange(socket: str, method: str, path: str, content: bytes) -> tuple[int, bytes]:
    limits = aiohttp.ClientTimeout(total=WITHIN)
    connector = aiohttp.UnixConnector(socket)
    async with (
        aiohttp.ClientSession(connector=connector, timeout=limits) as session,
        session.request(method, f"http://ess-pbx{path}", data=content) as response,
    ):
        return response.status, await response.read()


def _why(error: Exception) -> str:
    cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
    if isinstance(cause, FileNotFoundError | ConnectionRefusedError):
        return (
            "the service does not run, or keeps its state elsewhere; start it (ess-pbx serve "
            "SETTINGS), or name the settings file that it was started with"
        )
    if isinstance(cause, PermissionError):
        return "not yours to open; run this as the user that the service runs as"
    if isinstance(error, TimeoutError):
        return f"no answer within {WITHIN:.0f} s; see the service's log"
    return f"{error}; see the service's log"
