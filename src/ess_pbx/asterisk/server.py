"""One Asterisk process, in a session of its own so that it outlives the engine that started it.

The next engine finds it by its command line, which names the configuration file of this state
folder, and goes on with it. ``configuration`` beside it says by which configuration it was started.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import re
import signal
import socket
from pathlib import Path

from ess_pbx.asterisk.console import Console, ConsoleError
from ess_pbx.asterisk.render import AsteriskFolders
from ess_pbx.errors import PortTakenError, RuntimeMissingError
from ess_pbx.runtime import Runtime
from ess_pbx.settings.model import Asterisk

START_SECONDS = 30.0
STOP_SECONDS = 10.0
_POLL = 0.02
_WATCH = 0.2


class AsteriskServer:
    """The Asterisk of one state folder."""

    def __init__(self, runtime: Runtime, folders: AsteriskFolders) -> None:
        self._runtime = runtime
        self.folders = folders
        self._pid: int | None = None
        self._child: asyncio.subprocess.Process | None = None
        """Unset when another engine's process was its parent."""
        self.wanted = False
        """Whether it is to run: an end that nobody asked for is followed by a new start."""

    @property
    def pid(self) -> int:
        """The process id; raises RuntimeError when it does not run."""
        if self._pid is None:
            raise RuntimeError("Asterisk was not started")
        return self._pid

    @property
    def running(self) -> bool:
        """Whether the process that was started or found is alive."""
        return self._pid is not None and is_alive(self._pid)

    @property
    def config_file(self) -> Path:
        """The file that names all of its folders."""
        return self.folders.config_file

    @property
    def same_configuration(self) -> bool:
        """Whether what runs was started by the configuration that lies there now."""
        try:
            return self._started_by.read_text() == self._fingerprint()
        except OSError:
            return False

    @property
    def _started_by(self) -> Path:
        return self.folders.run / "configuration"

    @property
    def _output(self) -> Path:
        return self.folders.log / "asterisk.out"

    @property
    def log_file(self) -> Path:
        """Asterisk's own log."""
        return self.folders.log / "asterisk.log"

    @property
    def security_log(self) -> Path:
        """Who was refused, and why (``res_security_log``)."""
        return self.folders.log / "security.log"

    def find(self) -> bool:
        """Look for the Asterisk of this state folder, whoever started it; True when it runs."""
        self._pid, self._child = find_process(self.config_file), None
        return self._pid is not None

    async def attach(self) -> None:
        """Go on with the Asterisk that ``find`` found. Raises as ``start``."""
        self.wanted = True
        await self._booted()

    async def start(self) -> None:
        """Start and wait until Asterisk says that it is fully booted.

        Raises RuntimeMissingError, naming the log, when it does not come up.
        """
        self.wanted = True
        self._started_by.write_text(self._fingerprint())
        with self._output.open("wb") as file:
            self._child = await asyncio.create_subprocess_exec(
                *self._runtime.command("asterisk"),
                *("-C", str(self.config_file), "-f", "-n"),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
                env={**os.environ, **self._runtime.environment("asterisk")},
            )
        self._pid = self._child.pid
        await self._booted()

    async def _booted(self) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + START_SECONDS
        while b"Asterisk Ready" not in self._output.read_bytes():
            if not self.running:
                raise RuntimeMissingError(f"Asterisk ended while starting; see {self._output}")
            if loop.time() > deadline:
                await self.stop()
                raise RuntimeMissingError(
                    f"Asterisk was not ready within {START_SECONDS:.0f} s; see {self._output}"
                )
            await asyncio.sleep(_POLL)

    async def wait(self) -> None:
        """Wait until the process ends."""
        pid = self.pid
        if self._child is not None:
            await self._child.wait()
            return
        while is_alive(pid):  # noqa: ASYNC110 - it is not our child: nobody tells
            await asyncio.sleep(_WATCH)

    async def stop(self) -> None:
        """End the process: asked first, then forced. A second call does nothing."""
        self.wanted = False
        if not self.running:
            return
        for number, within in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, STOP_SECONDS)):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)
            try:
                await asyncio.wait_for(self.wait(), within)
            except TimeoutError:
                continue
            return

    def leave(self) -> None:
        """Let it go on without this program: the next engine goes on with its calls."""
        self.wanted = False

    async def calls(self) -> int:
        """How many calls it holds; 0 when it does not say."""
        console = Console(self.config_file, self._runtime)
        try:
            said = await console.ask("core show channels count")
        except ConsoleError:
            return 0
        found = re.search(r"(\d+) active channel", said)
        return int(found.group(1)) if found else 0

    def _fingerprint(self) -> str:
        """Of all that Asterisk reads when it starts, and of the program itself."""
        digest = hashlib.sha256(" ".join(self._runtime.command("asterisk")).encode())
        for path in sorted(self.folders.etc.glob("*.conf")):
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
        return digest.hexdigest()


def find_process(config_file: Path) -> int | None:
    """The Asterisk that was started by this configuration file, which nobody else has."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:  # it ended just now
            continue
        if os.fsencode(config_file) in words and b"-f" in words and is_alive(int(process.name)):
            return int(process.name)
    return None


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that ended and was not reaped yet (state Z) does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0]
    except OSError:
        return False
    return state not in (b"Z", b"X")


def require_free_ports(asterisk: Asterisk, *, synthetic: bool) -> None:
    """Raise PortTakenError, naming the port and its setting, when Asterisk could not bind.

    ``synthetic``: whether a centre calls itself, for which Asterisk has a port more.
    """
    wanted = [
        ("[asterisk] sip_port", asterisk.sip_host, asterisk.sip_port, socket.SOCK_DGRAM),
        ("[asterisk] ari_port", asterisk.ari_host, asterisk.ari_port, socket.SOCK_STREAM),
    ]
    if synthetic:
        setting = "[asterisk] synthetic_port"
        wanted.append((setting, asterisk.sip_host, asterisk.synthetic_port, socket.SOCK_DGRAM))
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
