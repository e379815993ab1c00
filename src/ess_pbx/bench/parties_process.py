"""The process of ``sip_parties``, started and asked by the benchmark."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from ess_pbx.bench import BenchError
from ess_pbx.bench.sip_parties import DEADLINE_SECONDS, Outcome, Setup

_ANSWER_SECONDS = 3 * DEADLINE_SECONDS
"""The process gives up by itself well before."""


class PartiesProcess:
    """A telco and an operator's phone, outside the engine's process; see ``started``."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def ring(self, trunk: str) -> int:
        """Place one call from a trunk; nanoseconds until the phone rang. Raises BenchError."""
        return (await self._ask(trunk.encode())).ns

    async def _ask(self, line: bytes) -> Outcome:
        assert self._process.stdin is not None  # noqa: S101 - made with pipes
        assert self._process.stdout is not None  # noqa: S101
        self._process.stdin.write(line + b"\n")
        try:
            answer = await asyncio.wait_for(self._process.stdout.readline(), _ANSWER_SECONDS)
        except TimeoutError:
            raise BenchError(f"the SIP parties said nothing for {_ANSWER_SECONDS:.0f} s") from None
        if not answer:
            raise BenchError("the process of the SIP parties ended; see what it wrote above")
        outcome = msgspec.json.decode(answer, type=Outcome)
        if outcome.error:
            raise BenchError(f"a call did not go as it must: {outcome.error}")
        return outcome


@asynccontextmanager
async def started(setup: Setup) -> AsyncIterator[PartiesProcess]:
    """Start the parties and register the phone; ended on leaving. Raises BenchError."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ess_pbx.bench.sip_parties"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        parties = PartiesProcess(process)
        # Not as an argument: it holds the phone's password.
        await parties._ask(msgspec.json.encode(setup))
        yield parties
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
