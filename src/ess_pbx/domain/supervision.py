"""A supervisor who is with a call, as data, and the end of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ess_pbx.domain import ids
from ess_pbx.domain.commands import Asker, Command, Mode
from ess_pbx.domain.effects import CancelTimer, HangUp, ReleaseAgent, StopPlayback
from ess_pbx.domain.events import TimerId
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.ids import BridgeId, LegId, PlaybackId

if TYPE_CHECKING:
    from ess_pbx.domain.call import Call, OperatorSide, Turn

TIMER = "supervise"
"""How long a supervisor's phone rings, and then a snoop channel may take to come."""
RELIEVED = "relieved"
"""How long an operator whose call was taken over may take to be told; one for each leg."""
SYSTEM = {"by": None, "via": None}
ASIDE = frozenset({Mode.LISTEN, Mode.WHISPER})
"""The modes in which the supervisor is in a bridge beside the call's."""


@dataclass(frozen=True, slots=True)
class ListenByPhone(Command):
    """The supervisor who asks is on a phone already, and listens to whomever this operator has."""

    agent: str
    leg: LegId


@dataclass(frozen=True, slots=True)
class Supervision:
    """One supervisor and their leg; the mode that holds, and the one that is coming."""

    supervisor: str
    leg: LegId
    wanted: Mode
    by: Asker
    """Who asked for it."""
    connected: bool = False
    """Whether the supervisor's phone was picked up."""
    mode: Mode | None = None
    """None until they hear anything."""
    target: LegId | None = None
    """The leg of the operator whom they listen to."""
    snoop: LegId | None = None
    coming: LegId | None = None
    """The snoop channel that will take the place of ``snoop``."""
    tries: int = 0
    """Snoop channels in a row that came to nothing."""

    @property
    def in_call(self) -> LegId | None:
        """The supervisor's leg, when it is in the call's bridge."""
        return self.leg if self.mode is Mode.BARGE else None


@dataclass(frozen=True, slots=True)
class Relieved:
    """An operator whose call was taken over: told so on their phone, then free."""

    side: OperatorSide
    told: PlaybackId


def relieved_timer(turn: Turn, relieved: Relieved) -> TimerId:
    """The timer that frees them when the prompt's end is never heard of."""
    return TimerId(turn.call.id, RELIEVED, relieved.side.leg)


def over(turn: Turn, reason: str, by: Asker | None, *, hang_up: bool = True) -> None:
    """The supervisor is with the call no more: nothing of it stays, nobody else is touched."""
    call, supervision = turn.call, turn.call.supervision
    if supervision is None:
        return
    legs = (supervision.leg, supervision.snoop, supervision.coming)
    if hang_up:
        turn.leaves(supervision.leg)
        turn.do(*(HangUp(leg) for leg in legs if leg is not None and leg in call.legs))
    turn.do(
        CancelTimer(TimerId(call.id, TIMER)),
        ReleaseAgent(call.id, supervision.supervisor, wrap_up=False),
    )
    turn.set(supervision=None)
    asked = SYSTEM if by is None else by.fields
    turn.record(
        FactKind.SUPERVISION_ENDED, supervisor=supervision.supervisor, reason=reason, **asked
    )


def free(turn: Turn, relieved: Relieved) -> None:
    """An operator whose call was taken over has been told: wrap-up begins."""
    call = turn.call
    turn.set(relieved=tuple(each for each in call.relieved if each != relieved))
    turn.do(CancelTimer(relieved_timer(turn, relieved)), ReleaseAgent(call.id, relieved.side.agent))


def is_told(call: Call, agent: str) -> bool:
    """Whether this operator is being told that their call was taken over."""
    return any(each.side.agent == agent for each in call.relieved)


def end_with_call(turn: Turn) -> None:
    """The call is over; its legs are being hung up."""
    over(turn, "the call ended", None, hang_up=False)
    for each in turn.call.relieved:
        turn.do(StopPlayback(each.told))
        free(turn, each)


def heard_in(call: Call) -> dict[LegId, BridgeId]:
    """The supervisor's leg, and the bridge in which they speak."""
    supervision = call.supervision
    if supervision is None or supervision.mode is None:
        return {}
    there = call.rooms.get(supervision.leg, call.bridge)
    barges = supervision.mode is Mode.BARGE
    return {supervision.leg: there if barges else ids.side_bridge(call.id)}
