"""The desk calls of a centre: whose PIN is wrong too often, and what operators are told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from ess_pbx.domain import desk_call, ids
from ess_pbx.domain.acd import Acd
from ess_pbx.domain.agent import AgentState, Seat
from ess_pbx.domain.call import Call
from ess_pbx.domain.commands import Command
from ess_pbx.domain.config import Centre
from ess_pbx.domain.desk_call import Ask, DeskCall, Heard, Step, Told, Wanted
from ess_pbx.domain.effects import EngineEffect, Record, Refused
from ess_pbx.domain.events import CallEvent, DeskCallArrived, LegGone, PinChecked
from ess_pbx.domain.facts import JSON, FactKind
from ess_pbx.domain.ids import CallId

HOUR = 3600.0
READY, ON_BREAK, LOGGED_OUT = "status-siap", "status-istirahat", "status-keluar"
OFF_DUTY, WRAP_UP = "status-luar-tugas", "status-laporan"
PROMPTS = (*desk_call.PROMPTS, READY, ON_BREAK, LOGGED_OUT, OFF_DUTY, WRAP_UP)
APOLOGY_PROMPT = "layanan-terganggu"
"""What the dialplan says to an operator while no engine is there."""

AskCentre = Callable[[Command], Sequence[EngineEffect]]


class WrongPins:
    """Remembers the wrong PINs of the last hour, by the phone that they came from."""

    name = "wrong-pins"

    def __init__(self) -> None:
        self.times: dict[str, list[float]] = {}
        """Epoch seconds."""
        self.alarmed: set[str] = set()

    def remember(self, kind: str, _: str | None, data: Mapping[str, JSON], at: float, /) -> None:
        """A wrong PIN, or the alarm that there are many."""
        name, _, agent = str(data.get("alarm", "")).partition(":")
        if kind == FactKind.PIN_REFUSED:
            self.times.setdefault(str(data["agent"]), []).append(at)
        elif name == "wrong-pin":
            if kind == FactKind.ALARM_RAISED:
                self.alarmed.add(agent)
            elif kind == FactKind.ALARM_CLEARED:
                self.alarmed.discard(agent)

    def dump(self) -> JSON:
        """Times and alarms."""
        return {
            "times": {each: list(times) for each, times in self.times.items()},
            "alarmed": [*sorted(self.alarmed)],
        }

    def load(self, state: JSON) -> None:
        """Take over what ``dump`` gave."""
        match state:
            case {"times": Mapping() as times, "alarmed": [*alarmed]}:
                self.times = {str(each): list(known) for each, known in times.items()}
                self.alarmed = {str(each) for each in alarmed}

    def within_hour(self, agent: str, at: float) -> int:
        """How many came from this phone in the hour before ``at``; older ones are forgotten."""
        recent = [each for each in self.times.get(agent, ()) if each > at - HOUR]
        if recent:
            self.times[agent] = recent
        else:
            self.times.pop(agent, None)
        return len(recent)


class Desks:
    """The desk calls that are under way."""

    def __init__(self, centre: Centre, acd: Acd) -> None:
        self.calls: dict[CallId, DeskCall] = {}
        self.wrong_pins = WrongPins()
        self.lent: dict[CallId, CallId] = {}
        """Calls of supervisors who listen, and what they listen to."""
        self._centre = centre
        self._acd = acd

    def arrived(self, event: DeskCallArrived, ask: AskCentre, at: float) -> list[EngineEffect]:
        """An operator dialled a code; a call that was told of before is not begun again."""
        if event.call in self.calls:
            return []
        call, wanted = desk_call.arrive(event.call, event.agent, event.code, self._centre)
        self.calls[event.call] = call
        return self._follow(event.call, wanted, ask, at)

    def decide(
        self, event: CallEvent | PinChecked, ask: AskCentre, at: float
    ) -> list[EngineEffect]:
        """Something happened to a desk call, at epoch seconds ``at``; ``ask`` decides a command."""
        return self._decide(event.call, event, ask, at)

    def passed_on(self, event: CallEvent) -> list[CallEvent]:
        """What happens to a call that is lent, as the call hears it that it is lent to."""
        to = self.lent[event.call]
        if isinstance(event, LegGone):
            del self.lent[event.call], self.calls[event.call]
        return [replace(event, call=to)]

    def lend_again(self, call: Call) -> None:
        """A call of another engine to which supervisors have lent theirs."""
        for leg, there in call.legs.items():
            if (name := ids.call_of(leg)) != call.id:
                code = desk_call.LISTEN_CODE
                self.calls[name] = DeskCall(name, there.party, code, step=Step.LENT)
                self.lent[name] = call.id

    def clock(self, at: float) -> list[Record]:
        """Alarms of wrong PINs end when an hour was quiet."""
        wrong = self.wrong_pins
        over = [each for each in sorted(wrong.alarmed) if wrong.within_hour(each, at) == 0]
        return [_alarm(FactKind.ALARM_CLEARED, each) for each in over]

    def _decide(self, name: CallId, event: Heard, ask: AskCentre, at: float) -> list[EngineEffect]:
        call = self.calls.get(name)
        if call is None:
            return []  # hung up while the PIN was looked at
        after, wanted = desk_call.decide(call, event, self._centre)
        if after is None:
            del self.calls[name]
            self.lent.pop(name, None)
        else:
            self.calls[name] = after
        return self._follow(name, wanted, ask, at)

    def _follow(
        self, name: CallId, wanted: Sequence[Wanted], ask: AskCentre, at: float
    ) -> list[EngineEffect]:
        effects: list[EngineEffect] = []
        for each in wanted:
            if isinstance(each, Ask):
                done = [] if each.command is None else ask(each.command)
                effects += [one for one in done if not isinstance(one, Refused)]
                refused = next((one.code for one in done if isinstance(one, Refused)), "")
                told = Told(refused, said_of(self._acd.seats[self.calls[name].agent]))
                effects += self._decide(name, told, ask, at)
                self._lend(name)
                continue
            effects.append(each)
            if isinstance(each, Record) and each.kind is FactKind.PIN_REFUSED:
                effects += self._too_many(str(each.data["agent"]), at)
        return effects

    def _lend(self, name: CallId) -> None:
        call = self.calls.get(name)
        if call is not None and call.step is Step.LENT:
            to = self._acd.seats[call.agent].call
            if to is not None:
                self.lent[name] = to

    def _too_many(self, agent: str, at: float) -> list[Record]:
        # The one that is being decided is not remembered yet.
        count = self.wrong_pins.within_hour(agent, at) + 1
        if count < self._centre.policy.pin_alarm or agent in self.wrong_pins.alarmed:
            return []
        return [_alarm(FactKind.ALARM_RAISED, agent)]


def said_of(seat: Seat) -> tuple[str, ...]:
    """The prompts that tell operators how they stand."""
    if not seat.logged_in:
        return (LOGGED_OUT,)
    if not seat.on_duty:
        return (OFF_DUTY,)
    if seat.on_break is not None:
        return (ON_BREAK,)
    return (WRAP_UP,) if seat.state is AgentState.WRAP_UP else (READY,)


def _alarm(kind: FactKind, agent: str) -> Record:
    return Record(None, kind, {"alarm": f"wrong-pin:{agent}", "detail": f"PIN salah: {agent}"})
