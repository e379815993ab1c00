"""A supervisor of a call that outlived its engine or its line: with the call again, as they were.

The facts say who and how; where their leg is counts for more, for it is what the caller hears. Who
is in the call's bridge has barged in, whoever remembers otherwise; who is beside it stays beside.
Which direction a snoop channel has Asterisk does not tell: another is made, and takes its place.
Operators whose call was taken over are hung up: that they are told is not gone on with.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from msgspec import structs

from ess_pbx.domain import ids, supervising
from ess_pbx.domain.call import Call, Leg, Phase, Turn
from ess_pbx.domain.call_memory import KeptCall
from ess_pbx.domain.commands import Asker, Mode, Via
from ess_pbx.domain.effects import ArmTimer, Role
from ess_pbx.domain.events import CallEvent, LegAnswered, TimerId
from ess_pbx.domain.found import AsteriskFound
from ess_pbx.domain.ids import LegId
from ess_pbx.domain.supervision import ASIDE, TIMER, Supervision

BY_ADOPTION = Asker("adoption", Via.SYSTEM)


def restored(call: Call, kept: KeptCall, found: AsteriskFound) -> Call:
    """A call of another engine, with its supervisor."""
    call = structs.replace(call, side_bridge=ids.side_bridge(call.id) in found.bridges)
    if not kept.supervisor or call.phase is Phase.ENDED:
        return call
    leg, snoop = kept.supervisor_leg, _snoop_of(call, found)
    legs = {leg: Leg(Role.SUPERVISOR, kept.supervisor), **call.legs}
    if snoop is not None:
        legs[snoop] = Leg(Role.SNOOP, kept.supervisor)
    asked, mode = kept.supervision_mode, None
    if leg in found.members(call.id) | found.aside(call.id):
        mode = Mode.BARGE
        asked = asked if asked is Mode.TAKE_OVER else mode
    elif leg in _beside(call, found):
        asked, mode = (asked, asked) if asked in ASIDE else (Mode.LISTEN, None)
    supervision = Supervision(
        kept.supervisor, leg, wanted=asked, by=BY_ADOPTION, mode=mode, snoop=snoop
    )
    return structs.replace(call, legs=legs, supervision=supervision)


def resume(turn: Turn) -> None:
    """A phone that rings rings on; who was with an operator who is there no more is with nobody."""
    call = turn.call
    if call.supervision is not None:
        turn.do(ArmTimer(TimerId(call.id, TIMER), turn.centre.policy.ring))
    supervising.follow(turn)


def seen(call: Call, found: AsteriskFound) -> Call:
    """A call of this engine: what a listening supervisor lacks is made once more."""
    call = structs.replace(call, side_bridge=ids.side_bridge(call.id) in found.bridges)
    supervision = call.supervision
    if supervision is None or not supervision.connected or supervision.mode not in ASIDE:
        return call
    if {supervision.leg, supervision.snoop} <= _beside(call, found):
        return call
    anew = replace(supervision, connected=False, mode=None, target=None)
    return structs.replace(call, supervision=anew)


def missed(call: Call, found: AsteriskFound) -> Iterator[CallEvent]:
    """That the supervisor's phone was picked up, or that a snoop channel is there."""
    supervision = call.supervision
    if supervision is None:
        return
    if not supervision.connected and found.is_up(supervision.leg):
        yield LegAnswered(call.id, supervision.leg)
    if supervision.coming is not None and found.is_up(supervision.coming):
        yield LegAnswered(call.id, supervision.coming)


def parties(call: Call) -> frozenset[LegId]:
    """The legs of supervision that a call wants."""
    legs = {each.side.leg for each in call.relieved}
    if (one := call.supervision) is not None:
        legs |= {leg for leg in (one.leg, one.snoop, one.coming) if leg is not None}
    return frozenset(legs)


def _beside(call: Call, found: AsteriskFound) -> frozenset[LegId]:
    return found.bridges.get(ids.side_bridge(call.id), frozenset())


def _snoop_of(call: Call, found: AsteriskFound) -> LegId | None:
    """The snoop channel by which the supervisor hears: the latest, for others are on their way."""
    snoops = (leg for leg in _beside(call, found) if ids.is_snoop(leg))
    return max(snoops, key=ids.number_of, default=None)
