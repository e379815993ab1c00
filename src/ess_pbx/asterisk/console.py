"""Asterisk's own control socket: for what ARI cannot ask, which is little.

Whoever may write into Asterisk's run folder may ask; no password, no port.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import ClassVar

from ess_pbx.errors import EssPbxError
from ess_pbx.runtime import Runtime

WITHIN = 5.0
"""Seconds; an answer takes about 10 ms."""


class ConsoleError(EssPbxError):
    """Asterisk did not do what it was asked over its control socket."""

    code: ClassVar[str] = "asterisk-console"
    http_status: ClassVar[int] = 502


class Console:
    """The control socket of the Asterisk that a configuration file (``asterisk.conf``) is for."""

    def __init__(self, config_file: Path, runtime: Runtime | None = None) -> None:
        self._config_file = config_file
        self._runtime = runtime

    async def ask(self, command: str) -> str:
        """What Asterisk says to a command of its CLI. Raises ConsoleError when it says nothing."""
        runtime = self._runtime = self._runtime or Runtime.find()
        asked = await asyncio.create_subprocess_exec(
            *runtime.command("asterisk"),
            *("-C", str(self._config_file), "-rx", command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, **runtime.environment("asterisk")},
        )
        try:
            said, _ = await asyncio.wait_for(asked.communicate(), WITHIN)
        except TimeoutError:
            asked.kill()
            await asked.wait()
            raise ConsoleError(
                f"Asterisk ({self._config_file}) did not answer {command!r} within {WITHIN:.0f} s"
            ) from None
        words = said.decode(errors="replace").strip()
        if asked.returncode != 0:
            raise ConsoleError(f"{command!r}: Asterisk ({self._config_file}) said: {words}")
        return words
