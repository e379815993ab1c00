"""Who of a call is with whom: kept as data, and put into bridges by the difference.

Two bridges serve a call. In its own the caller speaks with people; in the one aside an operator
consults somebody, while the caller stays with those who have joined them or, alone, hears an
announcement and music. Who is on hold is in neither and hears music.
"""

from __future__ import annotations

from dataclasses import replace

from ess_pbx.domain import hearing, silence
from ess_pbx.domain.call import Call, Party, Phase, Standing, Turn
from ess_pbx.domain.effects import (
    CancelTimer,
    CreateBridge,
    StartMusic,
    StopMusic,
    StopPlayback,
)
from ess_pbx.domain.ending import timer
from ess_pbx.domain.events import TimerId
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.ids import BridgeId, CallId, LegId

WITH_CALLER = frozenset({Phase.TALKING, Phase.CONFERENCE, Phase.HELD})
"""Where the operator is in the caller's bridge."""
ASIDE = frozenset({Phase.CONSULT_RINGING, Phase.CONSULT, Phase.RETURNING})
"""Where the operator is in the other."""
CALLED = "called"
FACTS = {Standing.JOINED: FactKind.PARTY_JOINED, Standing.HELD: FactKind.PARTY_HELD} | {
    Standing.CONSULTED: FactKind.PARTY_CONSULTED
}


def called_timer(call: CallId, leg: LegId) -> TimerId:
    """How long the phone of somebody who is to join the caller rings; several can."""
    return TimerId(call, CALLED, leg)


def go(turn: Turn, phase: Phase, *say: str) -> None:
    """Go into a phase, and put everybody where they belong in it.

    A caller who is left alone by it hears ``say``, then music.
    """
    if turn.call.phase is Phase.TALKING and phase is not Phase.TALKING:
        silence.leave(turn)
    turn.set(phase=phase)
    arrange(turn, *say)


def talk(turn: Turn) -> None:
    """The operator is with the caller, and with whoever has joined them."""
    go(turn, Phase.CONFERENCE if turn.call.standing(Standing.JOINED) else Phase.TALKING)


def arrange(turn: Turn, *say: str) -> None:
    """Move whoever is not where they should be."""
    call = turn.call
    wanted = rooms_of(call)
    alone = call.caller not in wanted
    if call.aside in wanted.values() and not call.aside_made:
        turn.do(CreateBridge(call.aside))
        turn.set(aside_made=True)
    operator = None if call.operator is None else call.operator.leg
    if operator is not None and wanted.get(operator) != call.rooms.get(operator):
        hearing.stop_telling(turn)
    for leg in call.rooms:
        if leg not in wanted:
            turn.part(leg)
    held = frozenset(party.leg for party in call.standing(Standing.HELD))
    turn.do(*(StopMusic(leg) for leg in sorted(call.on_music - held)))
    turn.do(*(StartMusic(leg) for leg in sorted(held - call.on_music)))
    turn.set(on_music=held)
    if not alone and call.caller not in call.rooms:
        hearing.quiet(turn)
    for leg, room in wanted.items():
        if turn.call.rooms.get(leg) != room:
            turn.join(room, leg)
    if alone and say:
        hearing.announce(turn, *say)
    elif alone and turn.call.playing is None:
        hearing.play_next(turn)


def stand(turn: Turn, party: Party, standing: Standing) -> None:
    """Somebody is now elsewhere, on record; ``arrange`` moves them."""
    after = replace(party, standing=standing)
    if standing is Standing.JOINED:
        after = replace(after, since=turn.now)
    _replace(turn, after)
    if party.standing is not standing and standing in FACTS:
        turn.record(FACTS[standing], party=party.name, leg=party.leg)


def left_alone(turn: Turn) -> None:
    """From now on nobody of ours is with the caller."""
    for party in turn.call.standing(Standing.JOINED):
        _replace(turn, replace(party, since=turn.now))


def drop(turn: Turn, party: Party, reason: str) -> None:
    """Hang somebody up."""
    if party.leg in turn.call.legs:
        turn.hang_up(party.leg)
    forget(turn, party, reason)


def forget(turn: Turn, party: Party, reason: str) -> None:
    """Somebody is no party of the call any more; ``reason`` goes on record."""
    call = turn.call
    turn.set(parties=tuple(each for each in call.parties if each.leg != party.leg))
    name, leg = party.name, party.leg
    match party.standing:
        case Standing.CALLED:
            turn.do(CancelTimer(called_timer(call.id, leg)))
        case Standing.RINGING | Standing.INTRODUCED:
            turn.do(CancelTimer(timer(call.id, "agency")))
    if party.standing is Standing.INTRODUCED:
        turn.do(*(StopPlayback(each) for each in call.introducing))
        turn.set(introducing=())
    if party.standing not in (Standing.RINGING, Standing.CALLED):
        turn.record(FactKind.PARTY_LEFT, party=name, leg=leg, reason=reason)
    elif party.agency is None:
        turn.record(FactKind.COLLEAGUE_FAILED, party=name, leg=leg, reason=reason)
    else:
        turn.record(FactKind.CONSULT_FAILED, agency=name, leg=leg, reason=reason)
    turn.give_back(party)


def _replace(turn: Turn, party: Party) -> None:
    parties = (party if each.leg == party.leg else each for each in turn.call.parties)
    turn.set(parties=tuple(parties))


def rooms_of(call: Call) -> dict[LegId, BridgeId]:
    """Where everybody is to be; who is in no bridge is alone."""
    if call.phase in (Phase.ENDED, Phase.WAITING, Phase.IVR):
        return {}
    rooms = _of_the_call(call)
    supervisor = call.supervision.in_call if call.supervision else None
    if supervisor is not None:
        # Who has barged in is where the operator is, or stays with the caller.
        beside = call.caller if call.operator is None else call.operator.leg
        rooms[supervisor] = rooms.get(beside, call.bridge)
    return rooms


def _of_the_call(call: Call) -> dict[LegId, BridgeId]:
    joined = [party.leg for party in call.standing(Standing.JOINED)]
    operator = [] if call.operator is None else [call.operator.leg]
    if call.phase in (Phase.CALLING_BACK, Phase.CALL_BACK_FAILED):
        return dict.fromkeys(operator, call.bridge)
    if call.phase in WITH_CALLER:
        caller = [] if call.phase is Phase.HELD else [call.caller]
        return dict.fromkeys([*caller, *operator, *joined], call.bridge)
    rooms = dict.fromkeys([call.caller, *joined], call.bridge) if joined else {}
    if call.phase in ASIDE:
        consulted = [party.leg for party in call.standing(Standing.CONSULTED)]
        rooms |= dict.fromkeys([*operator, *consulted], call.aside)
    return rooms
