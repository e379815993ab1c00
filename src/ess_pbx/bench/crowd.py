"""Many callers at once on few operators: is anybody dropped, is the order right, is there silence?

Every caller and operator has real SIP and RTP; callers leave once they have talked, operators take
the next. What is judged is what the callers' side saw and heard, not what the engine says of it;
only the order of service is read from the facts.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import time as time_of_day
from pathlib import Path

import msgspec
from msgspec.structs import replace

from ess_pbx.asterisk.free_ports import free_rtp_range
from ess_pbx.bench import BenchError
from ess_pbx.demo.stage import HOST, loopback, operator_tone, register_operators, sample
from ess_pbx.domain.config import Operator, Policy, Shift
from ess_pbx.domain.facts import Fact, FactKind
from ess_pbx.engine.service import Engine
from ess_pbx.installation import Installation, Progress
from ess_pbx.phones import PhoneError, audio
from ess_pbx.phones.rtp import RtpParty, tone
from ess_pbx.phones.sipp import Invite, SippCallers
from ess_pbx.phones.sipp_call import SippCall
from ess_pbx.phones.softphone import Answer, SoftPhone
from ess_pbx.settings.model import Settings

PHONES_A_PROCESS = 4
"""pjsua has four calls at once."""
PICK_UP_SECONDS = 0.5
WRAP_UP_SECONDS = 1.0
RELEASED_SECONDS = 10.0
"""After the last BYE everything must be gone from Asterisk."""
PORTS_A_LEG, SPARE_PORTS = 2, 100
CALLER_TONE = 1250
FIRST_EXTENSION = 2000
HEARD_DBOV = -25.0


class Crowd(msgspec.Struct, frozen=True, kw_only=True):
    """One run. Seconds are the callers' own clock, from the INVITE unless said otherwise."""

    callers: int
    operators: int
    per_second: float
    talk_seconds: float
    refused: int
    """Callers who got anything but 200 OK."""
    dropped: int
    """Callers whose call the other side ended, or that failed."""
    talked: int
    """Callers who heard an operator's tone."""
    out_of_order: int
    """Callers who waited while one was offered who called later; all have the same priority."""
    longest_silence: float
    """The longest of any caller, from the answer to the hang-up."""
    wait_p50: float
    wait_p95: float
    wait_max: float
    """Until the operator picked up."""
    seconds: float
    """From the first INVITE to the last BYE."""
    leftover_channels: int
    leftover_bridges: int


@dataclass
class _Caller:
    """One of the crowd, and what became of them."""

    call: SippCall
    rtp: RtpParty
    taken: asyncio.Event = field(default_factory=asyncio.Event)
    taken_at: float | None = None
    left_at: float | None = None
    dropped: bool = False


class _Service:
    """What became of calls, told by the facts."""

    def __init__(self) -> None:
        self.callers: dict[str, _Caller] = {}
        self._numbers: dict[str, str] = {}
        self.facts: list[Fact] = []

    def told(self, fact: Fact) -> None:
        """A fact."""
        if fact.call is None:
            return
        self.facts.append(fact)
        if fact.kind == FactKind.CALL_ARRIVED:
            self._numbers[fact.call] = str(fact.data["caller_e164"])
        elif fact.kind == FactKind.OPERATOR_ANSWERED:
            caller = self.callers[self._numbers[fact.call]]
            caller.taken_at = time.monotonic()
            caller.taken.set()


async def run_crowd(
    callers: int,
    operators: int,
    per_second: float,
    talk_seconds: float,
    folder: Path,
    progress: Progress,
) -> Crowd:
    """Let ``callers`` call, ``per_second`` of them a second, on an installation of its own.

    Raises BenchError when it cannot be set up, and whatever ``Installation.start`` raises.
    """
    settings = _settings(folder / "state", callers, operators)
    service = _Service()
    installation = Installation(settings, progress)
    async with contextlib.AsyncExitStack() as closing:
        closing.push_async_callback(installation.stop)
        engine = await installation.start(service.told)
        await _operators(installation, folder, closing)
        progress(f"{operators} operators are there; {callers} callers call")
        invites = [
            Invite("112", f"+62812{7_000_000 + number}", rtp=RtpParty(tone(CALLER_TONE)))
            for number in range(callers)
        ]
        longest = callers * (talk_seconds + WRAP_UP_SECONDS + PICK_UP_SECONDS + 1) / operators + 60
        trunk = settings.trunks[0]
        sipp = SippCallers(
            (settings.asterisk.sip_host, settings.asterisk.sip_port),
            invites,
            folder / "callers",
            local=(trunk.address, trunk.port),
            per_second=per_second,
            time_limit=round(longest) + 30,
        )
        crowd = [
            _Caller(call, invite.rtp)
            for call, invite in zip(sipp.calls, invites, strict=True)
            if invite.rtp is not None
        ]
        service.callers = {
            invite.caller: caller for invite, caller in zip(invites, crowd, strict=True)
        }
        async with sipp:
            await asyncio.gather(*(_call(each, talk_seconds, longest) for each in crowd))
        left = await _left_over(engine)
    return _result(crowd, service, operators, per_second, talk_seconds, left)


def _settings(state: Path, callers: int, operators: int) -> Settings:
    policy = Policy(wrap_up=WRAP_UP_SECONDS, comfort=10)
    settings = loopback(sample(), state, policy=policy)
    staff = [
        Operator(extension=str(FIRST_EXTENSION + number), name=f"Operator {number}")
        for number in range(operators)
    ]
    midnight = time_of_day(0)
    shift = Shift(
        id="bench",
        name="Bench",
        starts=midnight,
        ends=midnight,
        operators=tuple(operator.extension for operator in staff),
    )
    centre = replace(
        settings.centre_named(),
        first_menu=None,
        operators=tuple(staff),
        shifts=(shift,),
        agencies=(),
    )
    rtp_first, rtp_last = free_rtp_range(PORTS_A_LEG * (callers + operators) + SPARE_PORTS)
    ports = replace(settings.asterisk, rtp_first=rtp_first, rtp_last=rtp_last)
    return replace(settings, centres=(centre,), asterisk=ports)


async def _left_over(engine: Engine) -> list[int]:
    """Channels and bridges that are still there when everything has had time to go."""
    deadline = time.monotonic() + RELEASED_SECONDS
    while True:
        left = [len(await engine.ari.call("GET", what) or ()) for what in ("channels", "bridges")]
        if not any(left) or time.monotonic() > deadline:
            return left
        await asyncio.sleep(0.1)


async def _operators(
    installation: Installation, folder: Path, closing: contextlib.AsyncExitStack
) -> None:
    assert installation.credentials is not None  # noqa: S101 - it is started
    settings = installation.settings
    extensions = [operator.extension for operator in settings.centre_named().operators]
    for first in range(0, len(extensions), PHONES_A_PROCESS):
        some = extensions[first : first + PHONES_A_PROCESS]
        phone = await closing.enter_async_context(SoftPhone(folder / f"phones-{first}"))
        await register_operators(
            phone, settings, installation.credentials, some, Answer(PICK_UP_SECONDS)
        )


async def _call(caller: _Caller, talk_seconds: float, longest: float) -> None:
    """Wait for a human, talk, hang up; a call that ends before that was dropped."""
    try:
        await caller.call.answered(longest)
        taken = asyncio.create_task(caller.taken.wait())
        ended = asyncio.create_task(caller.call.ended(longest))
        done, _ = await asyncio.wait(
            {taken, ended}, timeout=longest, return_when=asyncio.FIRST_COMPLETED
        )
        if taken in done:
            await asyncio.wait({ended}, timeout=talk_seconds)
        caller.dropped = ended.done() or taken not in done
        for task in (taken, ended):
            task.cancel()
        await asyncio.gather(taken, ended, return_exceptions=True)
        caller.left_at = caller.rtp.heard_until()
        await caller.call.hang_up()
    except PhoneError:
        caller.dropped = True


def _result(
    crowd: Sequence[_Caller],
    service: _Service,
    operators: int,
    per_second: float,
    talk_seconds: float,
    left: Sequence[int],
) -> Crowd:
    waits = sorted(
        caller.taken_at - caller.call.at["invited"]
        for caller in crowd
        if caller.taken_at is not None
    )
    if not waits:
        raise BenchError("no caller had an operator: nothing can be said of the order")
    invited = [caller.call.at["invited"] for caller in crowd if "invited" in caller.call.at]
    over = [caller.call.at.get("ended", 0.0) for caller in crowd]
    return Crowd(
        callers=len(crowd),
        operators=operators,
        per_second=per_second,
        talk_seconds=talk_seconds,
        refused=sum("answered" not in caller.call.at for caller in crowd),
        dropped=sum(caller.dropped for caller in crowd),
        talked=sum(_heard_an_operator(caller, operators) for caller in crowd),
        out_of_order=out_of_turn(service.facts),
        longest_silence=round(max(_longest_silence(caller) for caller in crowd), 2),
        wait_p50=round(waits[len(waits) // 2], 2),
        wait_p95=round(waits[len(waits) * 95 // 100], 2),
        wait_max=round(waits[-1], 2),
        seconds=round(max(over) - min(invited), 1),
        leftover_channels=left[0],
        leftover_bridges=left[1],
    )


def _heard_an_operator(caller: _Caller, operators: int) -> bool:
    if caller.taken_at is None or caller.left_at is None:
        return False
    heard = caller.rtp.samples(caller.left_at - 0.5, caller.left_at)
    tones = {operator_tone(str(FIRST_EXTENSION + number)) for number in range(operators)}
    return any(audio.tone_level_dbov(heard, hertz) > HEARD_DBOV for hertz in tones)


def _longest_silence(caller: _Caller) -> float:
    if caller.left_at is None or "answered" not in caller.call.at:
        return 0.0
    return caller.rtp.longest_silence(caller.call.at["answered"], caller.left_at)


def out_of_turn(facts: Iterable[Fact]) -> int:
    """How many of a queue's callers waited in it while one was offered whose INVITE came later.

    A caller whom no engine claimed at once comes to the queue later, with all their age.
    """
    waits: dict[str, float] = {}
    found: set[str] = set()
    for fact in facts:
        call = fact.call or ""
        if fact.kind == FactKind.CALL_ARRIVED:
            waits[call] = float(str(fact.data["invited_at"]))
        elif fact.kind == FactKind.CALL_ENDED:
            waits.pop(call, None)
        elif fact.kind == FactKind.OFFERED and (mine := waits.pop(call, None)) is not None:
            found |= {other for other, invited_at in waits.items() if invited_at < mine}
    return len(found)


def render(crowd: Crowd) -> str:
    """The figures as people read them."""
    return (
        f"{crowd.callers} callers, {crowd.per_second:g} a second, on {crowd.operators} operators "
        f"({HOST}, {crowd.talk_seconds:g} s each): {crowd.talked} talked to an operator, "
        f"{crowd.refused} refused, {crowd.dropped} dropped, {crowd.out_of_order} overtaken; "
        f"all over after {crowd.seconds:.0f} s\n"
        f"wait for a human: p50 {crowd.wait_p50:.2f} s, p95 {crowd.wait_p95:.2f} s, "
        f"longest {crowd.wait_max:.2f} s; longest silence of any caller "
        f"{crowd.longest_silence:.2f} s\n"
        f"left over: {crowd.leftover_channels} channels, {crowd.leftover_bridges} bridges\n"
    )
