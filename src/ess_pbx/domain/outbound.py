"""Calls that operators place by themselves: an allow list by role, a cap a day, all else refused.

Agencies, colleagues and call-backs are no such calls: they belong to a call of 112, go to numbers
that the settings or the caller gave, and are never held up by a cap. What is left is closed: each
attempt outside of what the centre allows is refused, on record and counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

import msgspec
from msgspec import Struct

from ess_pbx.domain import ids
from ess_pbx.domain.acd import Acd
from ess_pbx.domain.agent import BETWEEN_CALLS
from ess_pbx.domain.commands import Asker, Via
from ess_pbx.domain.config import Centre, Outbound, OutboundRole
from ess_pbx.domain.effects import (
    Answer,
    ArmTimer,
    CancelTimer,
    CreateBridge,
    DestroyBridge,
    EngineEffect,
    Forget,
    HangUp,
    Join,
    Originate,
    PlayTone,
    Record,
    Refuse,
    ReleaseAgent,
    Role,
    StopPlayback,
)
from ess_pbx.domain.events import (
    CallEvent,
    LegAnswered,
    LegGone,
    OutboundDialled,
    TimerFired,
    TimerId,
)
from ess_pbx.domain.facts import JSON, FactKind
from ess_pbx.domain.found import AsteriskFound
from ess_pbx.domain.ids import CallId, LegId
from ess_pbx.domain.ringing import reason_of

Wanted: TypeAlias = EngineEffect | ReleaseAgent

TIMER = "outbound"
ANSWERED_WITHIN = 5.0
"""Seconds that an operator's own phone has to take our answer."""
TONE_SECONDS = 4.0
"""How long the operator hears that nobody was reached."""
RELEASED_WITHIN = 5.0
BUSY_TONE = "busy"
CUT_OFF = "cut off"


class Refusal(StrEnum):
    """Why an operator's own call is refused."""

    CLOSED = "closed"
    """Nothing is allowed for this role."""
    NOT_ALLOWED = "not-allowed"
    DAILY_CAP = "daily-cap"
    IN_A_CALL = "in-a-call"


class Step(StrEnum):
    """How far the call is."""

    ARRIVING = "arriving"
    RINGING = "ringing"
    TALKING = "talking"
    FAILED = "failed"
    """The operator hears that nobody was reached."""
    ENDING = "ending"


@dataclass(frozen=True, slots=True)
class OutboundCall:
    """The whole state of such a call."""

    id: CallId
    agent: str
    number: str
    step: Step = Step.ARRIVING
    legs: frozenset[LegId] = frozenset()
    seated: bool = False
    """Whether the operator's seat is taken by it, and to be given back."""
    bridged: bool = False
    answered: bool = False
    outcome: str = "operator left"


class Left(Struct):
    """A call that goes on, as the next engine may find it."""

    agent: str
    number: str
    answered: bool = False


class Kept(Struct):
    """What is remembered, as it stands in a checkpoint."""

    day: str = ""
    started: dict[str, int] = {}
    """Calls of that day by role."""
    refused: dict[str, int] = {}
    """Attempts of that day by reason."""
    going_on: dict[str, Left] = {}


class OutboundCalls:
    """The calls under way; and a ``Memory`` of those of the day, which changes by facts alone."""

    name = "outbound"

    def __init__(self, centre: Centre, acd: Acd) -> None:
        self.calls: dict[CallId, OutboundCall] = {}
        self._centre = centre
        self._settings: Outbound = centre.outbound
        self._roles = {each.extension: each.role for each in centre.operators}
        self._acd = acd
        self._kept = Kept()

    # what is asked

    @property
    def legs(self) -> list[LegId]:
        """The channels of calls under way."""
        return [leg for call in self.calls.values() for leg in call.legs]

    @property
    def left(self) -> list[CallId]:
        """Calls that an engine before this one began."""
        return [CallId(each) for each in self._kept.going_on]

    @property
    def talkers(self) -> dict[CallId, str]:
        """Whose seats are taken by such a call."""
        return {call.id: call.agent for call in self.calls.values() if call.seated}

    def started(self, day: str, role: str) -> int:
        """How many calls operators of a role have begun on a day."""
        return self._kept.started.get(role, 0) if day == self._kept.day else 0

    def refused(self, day: str) -> Mapping[str, int]:
        """How many attempts were refused on a day, by the reason."""
        return dict(self._kept.refused) if day == self._kept.day else {}

    # what is decided

    def dialled(self, event: OutboundDialled, local: datetime) -> list[Wanted]:
        """An operator dialled some number; a call that was told of before is not begun again."""
        if event.call in self.calls:
            return []
        leg, day = ids.caller_leg(event.call), f"{local:%Y-%m-%d}"
        role = self._roles.get(event.agent, "operator")
        by: dict[str, JSON] = dict(Asker(event.agent, Via.PHONE).fields)
        number = self._meant(event, self._allowed(role))
        known: dict[str, JSON] = {"agent": event.agent, "role": role, "number": number}
        refusal = self._refusal(event.agent, number, role, day)
        if refusal is not None:
            data = {**known, "reason": str(refusal), "day": day, **by}
            # Its recording was begun by the dialplan, and has nothing in it.
            over = Forget(event.call)
            return [Refuse(leg), Record(None, FactKind.OUTBOUND_REFUSED, data), over]
        taken = self._acd.adopt_talking(event.agent, event.call)
        self.calls[event.call] = OutboundCall(
            *(event.call, event.agent, number),
            legs=frozenset({leg}),
            seated=bool(taken),
        )
        place: dict[str, JSON] = {
            "trunk": self._settings.trunk,
            "day": day,
            "node": ids.node_of(event.call),
        }
        return [
            Answer(leg),
            ArmTimer(_timer(event.call), ANSWERED_WITHIN),
            Record(event.call, FactKind.OUTBOUND_STARTED, {**known, **place, **by}),
            *taken,
        ]

    def decide(self, event: CallEvent) -> list[Wanted]:
        """Something happened to such a call; what it has no use for means nothing."""
        call = self.calls[event.call]
        match event:
            case LegAnswered(leg=leg) if call.step is Step.ARRIVING and leg in call.legs:
                return self._ring(call)
            case LegAnswered(leg=leg) if call.step is Step.RINGING and leg in call.legs:
                if leg == ids.caller_leg(call.id):
                    return []
                self.calls[call.id] = replace(call, step=Step.TALKING, answered=True)
                return [
                    CancelTimer(_timer(call.id)),
                    StopPlayback(ids.playback(call.id, 1)),
                    Join(ids.bridge_of(call.id), (leg,)),
                    Record(call.id, FactKind.OUTBOUND_ANSWERED, {"agent": call.agent}),
                ]
            case LegAnswered(leg=leg) if leg not in call.legs:
                return [HangUp(leg)]
            case LegGone(leg=leg, cause=cause):
                return self._gone(call, leg, cause)
            case TimerFired():
                return self._timer_fired(call)
        return []

    def found(self, found: AsteriskFound) -> list[Wanted]:
        """What became of such calls while no engine was there: who talks goes on talking."""
        effects: list[Wanted] = []
        for name, left in list(self._kept.going_on.items()):
            call = CallId(name)
            operator, outside = ids.caller_leg(call), ids.outside_leg(call)
            if not found.is_about(call):
                continue
            if call in self.calls:
                effects += self._seen(self.calls[call], found)
                continue
            together = found.members(call)
            if {operator, outside} <= together:
                taken = self._acd.adopt_talking(left.agent, call)
                self.calls[call] = OutboundCall(
                    *(call, left.agent, left.number, Step.TALKING, frozenset({operator, outside})),
                    seated=True,
                    bridged=True,
                    answered=True,
                )
                effects += taken
            else:
                effects += self._taken_down(call, left, found)
        for call in sorted({ids.call_of(leg) for leg in found.legs} - self.calls.keys()):
            # One whose beginning is on no record: the crash undid it.
            there = found.legs.get(ids.caller_leg(call))
            at_desk = there is not None and there.at_desk
            bridged = at_desk and ids.bridge_of(call) in found.bridges
            if bridged or ids.outside_leg(call) in found.legs:
                effects += self._taken_down(call, None, found)
        return effects

    def _seen(self, call: OutboundCall, found: AsteriskFound) -> list[Wanted]:
        """A call of this engine whose line was cut: what it missed, and what it asked in vain."""
        operator, outside = ids.caller_leg(call.id), ids.outside_leg(call.id)
        if gone := [leg for leg in sorted(call.legs) if found.is_gone(leg)]:
            effects: list[Wanted] = []
            for leg in gone:
                if call.id in self.calls:
                    effects += self._gone(self.calls[call.id], leg, 0)
            return effects
        there = sorted(leg for leg in call.legs if leg in found.legs)
        match call.step:
            case Step.ARRIVING if found.is_up(operator):
                return self._ring(call)
            case Step.RINGING if found.is_up(outside):
                joined = self._joined(call, (operator,), found)
                return [*joined, *self.decide(LegAnswered(call.id, outside))]
            case Step.RINGING:
                return self._joined(call, (operator,), found)
            case Step.TALKING:
                return self._joined(call, (operator, outside), found)
            case Step.ENDING:
                return [HangUp(leg) for leg in there]
        return []

    def differ(self, found: AsteriskFound) -> Iterator[tuple[CallId, str]]:
        """The calls of this engine of which ``found`` tells what it does not know, and what."""
        for call in self.calls.values():
            operator, outside = ids.caller_leg(call.id), ids.outside_leg(call.id)
            for leg in filter(found.is_gone, sorted(call.legs)):
                yield call.id, f"gone: {leg}"
            answered = {Step.ARRIVING: operator, Step.RINGING: outside}.get(call.step)
            if answered is not None and found.is_up(answered):
                yield call.id, f"answered: {answered}"
            joined = {Step.RINGING: (operator,), Step.TALKING: (operator, outside)}
            for leg in joined.get(call.step, ()):
                if leg in found.legs and leg not in found.members(call.id):
                    yield call.id, f"not joined: {leg}"

    def _joined(
        self, call: OutboundCall, legs: tuple[LegId, ...], found: AsteriskFound
    ) -> list[Wanted]:
        """Whoever is there and not in the bridge comes into it."""
        bridge = ids.bridge_of(call.id)
        missing = tuple(
            leg for leg in legs if leg in found.legs and leg not in found.members(call.id)
        )
        made: list[Wanted] = [] if bridge in found.bridges else [CreateBridge(bridge)]
        return [*made, Join(bridge, missing)] if missing else made

    def _taken_down(self, call: CallId, left: Left | None, found: AsteriskFound) -> list[Wanted]:
        """A call that broke while no engine was there: who is left is hung up."""
        ours = ids.caller_leg(call), ids.outside_leg(call)
        legs = frozenset(leg for leg in ours if leg in found.legs)
        known = left or Left("", "")
        seat = self._acd.seats.get(known.agent)
        taken_down = OutboundCall(
            *(call, known.agent, known.number, Step.ENDING, legs),
            seated=seat is not None and seat.call == call,
            bridged=ids.bridge_of(call) in found.bridges,
            answered=known.answered,
            outcome=CUT_OFF,
        )
        if not legs:
            # A bridge that is empty is cleared away with all that belongs to nobody.
            return _ended(call, known.agent, CUT_OFF, answered=known.answered)
        self.calls[call] = taken_down
        hung_up: list[Wanted] = [HangUp(leg) for leg in sorted(legs)]
        return [*hung_up, ArmTimer(_timer(call), RELEASED_WITHIN)]

    # what is told

    def remember(self, kind: str, call: str | None, data: Mapping[str, JSON], _: float, /) -> None:
        """A call began, was answered or is over; an attempt was refused."""
        kept = self._kept
        day = data.get("day")
        if kind in (FactKind.OUTBOUND_STARTED, FactKind.OUTBOUND_REFUSED) and day != kept.day:
            kept.day, kept.started, kept.refused = str(day), {}, {}
        match kind:
            case FactKind.OUTBOUND_STARTED if call is not None:
                role = str(data["role"])
                kept.started[role] = kept.started.get(role, 0) + 1
                kept.going_on[call] = Left(str(data["agent"]), str(data["number"]))
            case FactKind.OUTBOUND_REFUSED:
                reason = str(data["reason"])
                kept.refused[reason] = kept.refused.get(reason, 0) + 1
            case FactKind.OUTBOUND_ANSWERED if call in kept.going_on:
                kept.going_on[call].answered = True
            case FactKind.OUTBOUND_ENDED if call is not None:
                kept.going_on.pop(call, None)

    def dump(self) -> JSON:
        """All of it, for a checkpoint."""
        plain: JSON = msgspec.to_builtins(self._kept)
        return plain

    def load(self, state: JSON) -> None:
        """Take over what ``dump`` gave."""
        self._kept = msgspec.convert(state, Kept)

    def _allowed(self, role: str) -> OutboundRole:
        return self._settings.supervisor if role == "supervisor" else self._settings.operator

    def _meant(self, event: OutboundDialled, allowed: OutboundRole) -> str:
        """What was dialled: the reading that is allowed, when only one of the two is."""
        if is_allowed(event.short, allowed):
            return event.short
        return event.number or event.short

    def _refusal(self, agent: str, number: str, role: str, day: str) -> Refusal | None:
        allowed = self._allowed(role)
        if self._settings.trunk is None or not allowed.allow:
            return Refusal.CLOSED
        if not is_allowed(number, allowed):
            return Refusal.NOT_ALLOWED
        if self.started(day, role) >= allowed.per_day:
            return Refusal.DAILY_CAP
        seat = self._acd.seats.get(agent)
        if seat is None or seat.state not in BETWEEN_CALLS:
            return Refusal.IN_A_CALL
        if any(call.agent == agent for call in self.calls.values()):
            return Refusal.IN_A_CALL
        return None

    def _ring(self, call: OutboundCall) -> list[Wanted]:
        outside, bridge = ids.outside_leg(call.id), ids.bridge_of(call.id)
        self.calls[call.id] = replace(
            call, step=Step.RINGING, legs=call.legs | {outside}, bridged=True
        )
        return [
            Originate(
                call=call.id,
                leg=outside,
                role=Role.OUTSIDE,
                address=call.number,
                number="",
                name="",
                timeout=self._settings.ring + 5,
                trunk=self._settings.trunk or "",
            ),
            CreateBridge(bridge),
            Join(bridge, (ids.caller_leg(call.id),)),
            PlayTone(bridge, ids.playback(call.id, 1), "ring"),
            ArmTimer(_timer(call.id), self._settings.ring),
        ]

    def _gone(self, call: OutboundCall, leg: LegId, cause: int) -> list[Wanted]:
        """One of the two left: the other has nobody to talk with."""
        call = replace(call, legs=call.legs - {leg})
        self.calls[call.id] = call
        if not call.legs:
            return self._over(call)
        if call.step is Step.RINGING and leg != ids.caller_leg(call.id):
            self.calls[call.id] = replace(call, step=Step.FAILED, outcome=reason_of(cause))
            return [
                StopPlayback(ids.playback(call.id, 1)),
                PlayTone(ids.bridge_of(call.id), ids.playback(call.id, 2), BUSY_TONE),
                ArmTimer(_timer(call.id), TONE_SECONDS),
            ]
        outcome = "completed" if call.answered else call.outcome
        self.calls[call.id] = replace(call, step=Step.ENDING, outcome=outcome)
        hung_up: list[Wanted] = [HangUp(each) for each in sorted(call.legs)]
        return [*hung_up, ArmTimer(_timer(call.id), RELEASED_WITHIN)]

    def _timer_fired(self, call: OutboundCall) -> list[Wanted]:
        match call.step:
            case Step.RINGING:
                # That it is gone follows, and why nobody was reached.
                return [HangUp(ids.outside_leg(call.id))]
            case Step.ENDING:
                return self._over(call)
        self.calls[call.id] = replace(call, step=Step.ENDING)
        hung_up: list[Wanted] = [HangUp(each) for each in sorted(call.legs)]
        return [*hung_up, ArmTimer(_timer(call.id), RELEASED_WITHIN)]

    def _over(self, call: OutboundCall) -> list[Wanted]:
        del self.calls[call.id]
        released: list[Wanted] = (
            [ReleaseAgent(call.id, call.agent, wrap_up=False)] if call.seated else []
        )
        return [
            CancelTimer(_timer(call.id)),
            *([DestroyBridge(ids.bridge_of(call.id))] if call.bridged else []),
            *_ended(call.id, call.agent, call.outcome, answered=call.answered),
            *released,
        ]


def is_allowed(number: str, role: OutboundRole) -> bool:
    """Whether a number (E.164, or a short one) is on the allow list of a role."""
    return bool(number) and any(
        number.startswith(each[:-1]) if each.endswith("*") else number == each
        for each in role.allow
    )


def _ended(call: CallId, agent: str, outcome: str, *, answered: bool) -> list[Wanted]:
    if not agent:
        return []  # nothing is on record that could end
    data: dict[str, JSON] = {"agent": agent, "outcome": outcome, "answered": answered}
    return [Record(call, FactKind.OUTBOUND_ENDED, data), Forget(call)]


def _timer(call: CallId) -> TimerId:
    return TimerId(call, TIMER)
