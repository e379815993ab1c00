"""One Asterisk process: started in the foreground of its own process group, watched, ended."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path

from ess_pbx.asterisk.render import AsteriskFolders
from ess_pbx.errors import PortTakenError, RuntimeMissingError
from ess_pbx.runtime import Runtime
from ess_pbx.settings.model import Asterisk

START_SECONDS = 30.0
STOP_SECONDS = 10.0
_POLL = 0.02


class AsteriskServer:
    """An Asterisk that belongs to this program and ends with it."""

    def __init__(self, runtime: Runtime, folders: AsteriskFolders) -> None:
        self._runtime = runtime
        self.folders = folders
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """The process id; raises RuntimeError when it does not run."""
        if self._process is None:
            raise RuntimeError("Asterisk was not started")
        return self._process.pid

    @property
    def log_file(self) -> Path:
        """Asterisk's own log."""
        return self.folders.log / "asterisk.log"

    @property
    def security_log(self) -> Path:
        """Who was refused, and why (``res_security_log``)."""
        return self.folders.log / "security.log"

    async def start(self) -> None:
        """Start and wait until Asterisk says that it is fully booted.

        Raises RuntimeMissingError, naming the log, when it does not come up.
        """
        output = self.folders.log / "asterisk.out"
        with output.open("wb") as file:
            self._process = await asyncio.create_subprocess_exec(
                *self._runtime.command("asterisk"),
                *("-C", str(self.folders.etc / "asterisk.conf"), "-f", "-n"),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
                env={**os.environ, **self._runtime.environment("asterisk")},
            )
        loop = asyncio.get_running_loop()
        deadline = loop.time() + START_SECONDS
        while b"Asterisk Ready" not in output.read_bytes():
            if self._process.returncode is not None:
                raise RuntimeMissingError(
                    f"Asterisk ended with {self._process.returncode} while starting; see {output}"
                )
            if loop.time() > deadline:
                await self.stop()
                raise RuntimeMissingError(
                    f"Asterisk was not ready within {START_SECONDS:.0f} s; see {output}"
                )
            await asyncio.sleep(_POLL)

    async def wait(self) -> int:
        """Wait until the process ends; returns its exit code."""
        if self._process is None:
            raise RuntimeError("Asterisk was not started")
        return await self._process.wait()

    async def stop(self) -> None:
        """End the process: asked first, then forced. A second call does nothing."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        self._signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except TimeoutError:
            self._signal(signal.SIGKILL)
            await process.wait()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            os.killpg(self._process.pid, number)


def require_free_ports(asterisk: Asterisk) -> None:
    """Raise PortTakenError, naming the port and its setting, when Asterisk could not bind."""
    wanted = (
        ("[asterisk] sip_port", asterisk.sip_host, asterisk.sip_port, socket.SOCK_DGRAM),
        ("[asterisk] ari_port", asterisk.ari_host, asterisk.ari_port, socket.SOCK_STREAM),
    )
    for setting, host, port, kind in wanted:
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                raise PortTakenError(
                    f"{setting}: {host}:{port} cannot be used ({error.strerror}); stop the program "
                    "that has it, or set another port"
                ) from error
