"""INVITE → two-way audio with a human, the clock of NFPA 1225 and NENA-STA-020.1.

The operator's phone picks up at once, so that what is measured is ours: everything but the time
in which a person reaches for the phone. Three kinds of centre: without a menu, with a menu over
which operators are searched, and with a menu first, whose caller presses a key at the first sound.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from datetime import time as time_of_day
from pathlib import Path
from typing import Literal

import msgspec
from msgspec.structs import replace

from ess_pbx.bench import BenchError
from ess_pbx.bench.ring import Spread
from ess_pbx.demo.stage import loopback, operator_tone, register_operators, sample
from ess_pbx.domain.config import Policy, Shift
from ess_pbx.engine.service import Engine
from ess_pbx.installation import Installation, Progress
from ess_pbx.phones import audio
from ess_pbx.phones.listener import Listener
from ess_pbx.phones.rtp import RtpParty, tone
from ess_pbx.phones.sipp import Invite, SippCallers
from ess_pbx.phones.softphone import Answer, SoftPhone
from ess_pbx.settings.model import Settings

Kind = Literal["no menu", "menu, searched meanwhile", "menu first, key pressed"]
KINDS: tuple[Kind, ...] = ("no menu", "menu, searched meanwhile", "menu first, key pressed")
CALLER_TONE = 1250
WINDOW_SECONDS, STEP_SECONDS = 0.02, 0.005
"""A tone counts as heard from the end of the first window that holds it."""
WITHIN = 10.0
_POLL = 0.02


class AnswerBench(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds from the INVITE until both hear each other, to about 20 ms."""

    calls: int
    two_way_ms: dict[Kind, Spread]


async def run_answer_bench(calls: int, folder: Path, progress: Progress) -> AnswerBench:
    """Measure ``calls`` calls of each kind, one at a time, on installations of their own.

    Raises BenchError or PhoneError when a call did not go as it must.
    """
    if calls < 1:
        raise BenchError(f"{calls} calls: expected at least 1")
    spreads: dict[Kind, Spread] = {}
    for kind in KINDS:
        progress(f"{kind}: {calls} calls")
        one = folder / kind.replace(" ", "-").replace(",", "")
        spreads[kind] = Spread.of(await _measure(kind, calls, one))
    return AnswerBench(calls=calls, two_way_ms=spreads)


async def _measure(kind: Kind, calls: int, folder: Path) -> list[int]:
    settings = _settings(kind, folder / "state")
    operator = settings.centre_named().operators[0].extension
    installation = Installation(settings)
    async with contextlib.AsyncExitStack() as closing:
        closing.push_async_callback(installation.stop)
        engine = await installation.start()
        assert installation.credentials is not None  # noqa: S101 - it is started
        phone = await closing.enter_async_context(SoftPhone(folder / "phone"))
        await register_operators(phone, settings, installation.credentials, [operator], Answer(0.0))
        return [
            await _call(kind, settings, engine, phone, folder / f"call-{number}")
            for number in range(calls)
        ]


def _settings(kind: Kind, state: Path) -> Settings:
    policy = Policy(wrap_up=0, search_at_once=kind != "menu first, key pressed")
    settings = loopback(sample(), state, policy=policy)
    operator, midnight = settings.centre_named().operators[0], time_of_day(0)
    shift = Shift(
        id="bench",
        name="Bench",
        starts=midnight,
        ends=midnight,
        operators=(operator.extension,),
    )
    centre = replace(settings.centre_named(), operators=(operator,), shifts=(shift,))
    if kind == "no menu":
        centre = replace(centre, first_menu=None)
    return replace(settings, centres=(centre,))


async def _call(
    kind: Kind, settings: Settings, engine: Engine, phone: SoftPhone, folder: Path
) -> int:
    """One call; nanoseconds from its INVITE until both hear each other."""
    await _until(lambda: all(seat.free for seat in engine.centres.seats.values()), "a free phone")
    operator, trunk = settings.centre_named().operators[0].extension, settings.trunks[0]
    caller = RtpParty(tone(CALLER_TONE))
    server = (settings.asterisk.sip_host, settings.asterisk.sip_port)
    invite = Invite("112", "+6281234567890", rtp=caller)
    async with SippCallers(server, [invite], folder, local=(trunk.address, trunk.port)) as callers:
        call = callers.calls[0]
        await call.answered(WITHIN)
        if kind == "menu first, key pressed":
            await caller.heard_sound(WITHIN)
            await caller.press("1")
        answered = await phone.incoming(operator, WITHIN)
        hertz = operator_tone(operator)
        await caller.heard_tone(hertz, WITHIN)
        await answered.heard_tone(CALLER_TONE, WITHIN)
        since = call.at["invited"]
        both = max(_first_heard(caller, hertz, since), _first_heard(answered, CALLER_TONE, since))
        await call.hang_up()
        await answered.ended(WITHIN)
    return round((both - since) * 1e9)


def _first_heard(phone: Listener, hertz: float, since: float) -> float:
    """When a tone began to be heard; raises BenchError when it never was."""
    until = phone.heard_until()
    heard = phone.samples(since, until)
    size, step = round(WINDOW_SECONDS * audio.SAMPLE_RATE), round(STEP_SECONDS * audio.SAMPLE_RATE)
    for at in range(0, heard.size - size, step):
        if audio.hears_tone(heard[at : at + size], hertz):
            return since + (at + size) / audio.SAMPLE_RATE
    raise BenchError(f"{phone.name_for_errors()} never heard {hertz} Hz")


async def _until(is_true: Callable[[], bool], wanted: str) -> None:
    deadline = time.monotonic() + WITHIN
    while not is_true():
        if time.monotonic() > deadline:
            raise BenchError(f"not within {WITHIN:.0f} s: {wanted}")
        await asyncio.sleep(_POLL)


def render(result: AnswerBench) -> str:
    """The figures as people read them."""
    lines = [f"INVITE until both hear each other, ms; {result.calls} calls each, picked up at once"]
    for kind, spread in result.two_way_ms.items():
        lines.append(
            f"  {kind:26} p50 {spread.p50:6.0f}  p95 {spread.p95:6.0f}  min {spread.min:6.0f}  "
            f"max {spread.max:6.0f}"
        )
    return "\n".join(lines) + "\n"
