"""One SIPp process, its scenario and its log folder.

How a call is steered: each scenario waits with an optional ``<recv request="HANGUP">`` (and
``ANSWER``) beside the SIP that may come. Those are no SIP methods: a datagram with that word and
the call's Call-ID, sent to SIPp's own port, is taken by SIPp as a message of that call (it matches
by Call-ID alone, and keeps the peer it has), and the scenario goes on to BYE, CANCEL or 200.
What a scenario reports with ``<log>`` comes through a pipe, so nothing polls.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ess_pbx.asterisk.free_ports import free_port
from ess_pbx.phones import PhoneError, PhoneTimeoutError
from ess_pbx.runtime import Runtime

SCENARIOS = Path(__file__).parent / "scenarios"
_READ_BYTES = 65536
_START_SECONDS = 10.0
_ERROR_LINES = 6

Address = tuple[str, int]
Report = Callable[[list[str]], None]


class SippProcess:
    """SIPp with one scenario; ``report`` gets the words of each line that the scenario logs.

    ``rows`` become the scenario's [field0], [field1]…, one row a call. The folder gets
    ``messages.log`` (each SIP message), ``errors.log``, ``steps.log`` and ``stderr.log``.
    """

    def __init__(
        self,
        scenario: str,
        folder: Path,
        *,
        local: Address = ("127.0.0.1", 0),
        report: Report,
        ended: Callable[[str], None],
    ) -> None:
        self.scenario = scenario
        self.folder = folder
        self.local = local if local[1] else (local[0], free_port(socket.SOCK_DGRAM, local[0]))
        self._report = report
        self._ended = ended
        self._process: asyncio.subprocess.Process | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._trigger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    async def start(
        self, rows: Sequence[Sequence[str]], options: Sequence[str], target: Address | None = None
    ) -> None:
        """Start SIPp; returns when it has its port.

        Raises RuntimeMissingError without SIPp, PhoneError with SIPp's words when it does not
        start, or for a value that SIPp's files of fields cannot hold.
        """
        file = SCENARIOS / f"{self.scenario}.xml"
        if not file.is_file():
            known = ", ".join(sorted(f.stem for f in SCENARIOS.glob("*.xml")))
            raise PhoneError(f"no SIPp scenario {self.scenario!r}; there are: {known}")
        self.folder.mkdir(parents=True, exist_ok=True)
        fields = self.folder / "calls.csv"
        fields.write_text("SEQUENTIAL\n" + "".join(f"{_row(row)}\n" for row in rows))
        steps, steps_of_sipp = os.pipe()
        host, port = self.local
        runtime = Runtime.find()
        try:
            with (self.folder / "stderr.log").open("wb") as errors:
                self._process = await asyncio.create_subprocess_exec(
                    *runtime.command("sipp"),
                    *([f"{target[0]}:{target[1]}"] if target else []),
                    *("-sf", str(file), "-inf", str(fields)),
                    *("-i", host, "-p", str(port), "-mi", host, "-ci", host, "-t", "u1"),
                    # One message a cycle: a second one would find its call between two steps, where
                    # nothing is expected, and SIPp would abort the call.
                    *("-max_recv_loops", "1"),
                    *("-nostdin", "-trace_err", "-error_file", str(self.folder / "errors.log")),
                    *("-trace_msg", "-message_file", str(self.folder / "messages.log")),
                    *("-trace_logs", "-log_file", f"/dev/fd/{steps_of_sipp}"),
                    *options,
                    cwd=self.folder,
                    env={**os.environ, **runtime.environment("sipp")},
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=errors,
                    pass_fds=(steps_of_sipp,),
                    start_new_session=True,
                )
        except BaseException:
            os.close(steps)
            raise
        finally:
            os.close(steps_of_sipp)
        self._tasks = [asyncio.create_task(self._follow(steps), name=f"sipp-{self.scenario}")]
        await self._wait_for_port()

    def tell(self, word: str, call_id: str) -> None:
        """Steer a call: ``word`` is HANGUP or ANSWER."""
        host, port = self.local
        lines = (
            f"{word} sip:{host}:{port} SIP/2.0",
            f"Via: SIP/2.0/UDP {host}:9;branch=z9hG4bK-{word}",
            f"From: <sip:driver@{host}>;tag=driver",
            f"To: <sip:{host}:{port}>",
            f"Call-ID: {call_id}",
            f"CSeq: 1 {word}",
            "Content-Length: 0",
        )
        self._trigger.sendto("".join(f"{line}\r\n" for line in (*lines, "")).encode(), self.local)

    async def finished(self, within: float) -> None:
        """Wait until SIPp has made all its calls and left.

        Raises PhoneError with SIPp's own words when a call failed, PhoneTimeoutError when it is
        still at work.
        """
        if self._process is None:
            raise PhoneError(f"SIPp {self.scenario} was not started")
        try:
            code = await asyncio.wait_for(self._process.wait(), within)
        except TimeoutError:
            raise PhoneTimeoutError(
                f"SIPp {self.scenario} did not finish within {within} s; see {self.folder}"
            ) from None
        await asyncio.wait(self._tasks)
        if code != 0:
            raise PhoneError(self.reason(code))

    def reason(self, code: int) -> str:
        """Why SIPp failed, from its own logs."""
        for log in ("errors.log", "stderr.log"):
            with contextlib.suppress(FileNotFoundError):
                lines = (self.folder / log).read_text(errors="replace").split("\n")
                words = " ".join(line.strip() for line in lines[:_ERROR_LINES] if line.strip())
                if words:
                    return f"SIPp {self.scenario} ended with {code}: {words} (see {self.folder})"
        return f"SIPp {self.scenario} ended with {code} (see {self.folder})"

    async def close(self) -> None:
        """End SIPp at once, with whatever calls it has. Idempotent."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._trigger.close()

    async def _follow(self, steps: int) -> None:
        """Hand on what the scenario logs until SIPp is gone."""
        # Not connect_read_pipe: uvloop closes a pipe's number twice, and the second time it may
        # be another's by then.
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        os.set_blocking(steps, False)

        def readable() -> None:
            if data := os.read(steps, _READ_BYTES):
                reader.feed_data(data)
            else:
                loop.remove_reader(steps)
                reader.feed_eof()

        loop.add_reader(steps, readable)
        try:
            with (self.folder / "steps.log").open("a", encoding="utf-8") as log:
                while line := (await reader.readline()).decode(errors="replace").strip():
                    log.write(f"{time.monotonic():.6f} {line}\n")
                    self._report(line.split())
        finally:
            loop.remove_reader(steps)
            os.close(steps)
        assert self._process is not None  # noqa: S101 - it is what wrote to the pipe
        self._ended(self.reason(await self._process.wait()))

    async def _wait_for_port(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        assert self._process is not None  # noqa: S101 - started just before
        while not _has_udp_port(self._process.pid, self.local):
            if self._process.returncode is not None:
                # A single fast call may be over before anybody looked.
                if self._process.returncode != 0:
                    raise PhoneError(self.reason(self._process.returncode))
                return
            if time.monotonic() > deadline:
                raise PhoneTimeoutError(
                    f"SIPp {self.scenario} did not open {self.local[0]}:{self.local[1]} "
                    f"within {_START_SECONDS} s; see {self.folder}"
                )
            await asyncio.sleep(0.005)


def _row(values: Sequence[str]) -> str:
    for value in values:
        if ";" in value or "\n" in value or "\r" in value:
            raise PhoneError(f"SIPp cannot be given {value!r}: expected no semicolon, no new line")
    return ";".join(values)


def _has_udp_port(pid: int, local: Address) -> bool:
    """Whether that very process holds the port; to try to bind it could take it from SIPp."""
    host, port = local
    wanted = f"{int.from_bytes(socket.inet_aton(host), 'little'):08X}:{port:04X}"
    anywhere = f"00000000:{port:04X}"
    with contextlib.suppress(OSError):
        table = Path(f"/proc/{pid}/net/udp").read_text().splitlines()[1:]
        inodes = {row[9] for row in map(str.split, table) if row[1] in (wanted, anywhere)}
        held = {str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir()}
        return any(f"socket:[{inode}]" in held for inode in inodes)
    return False
