"""Who of a call is with whom: kept as data, and put into bridges by the difference.

Two bridges serve a call. In its own the caller speaks with people; in the one aside an operator
consults somebody, while the caller stays with those who have joined them or, alone, hears an
announcement and music. Who is on hold is in neither and hears music. Nobody is alone in a bridge:
Asterisk would keep the keys that they press there and tell them again once somebody else comes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from ess_pbx.domain import hearing, silence
from ess_pbx.domain.call import Call, Party, Phase, Standing, Turn
from ess_pbx.domain.effects import (
    CancelTimer,
    CreateBridge,
    Sound,
    StartMusic,
    StartSound,
    StopMusic,
    StopPlayback,
    StopSound,
)
from ess_pbx.domain.ending import timer
from ess_pbx.domain.events import TimerId
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.ids import BridgeId, CallId, LegId

WITH_CALLER = frozenset({Phase.TALKING, Phase.CONFERENCE, Phase.HELD})
"""Where the operator is in the caller's bridge."""
ASIDE = frozenset({Phase.CONSULT_RINGING, Phase.CONSULT, Phase.RETURNING})
"""Where the operator is in the other."""
HUMANS = WITH_CALLER | ASIDE | {Phase.BLIND_RINGING, Phase.HANDED_OVER}
"""Where a caller has or had a human."""
ALONE = ASIDE | {Phase.HELD, Phase.CALLING_BACK}
"""Where the operator may have nobody to speak with."""
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
        if call.operator_hears is not None:
            turn.do(StopPlayback(call.operator_hears))
    _stop_sound(turn)
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
    _start_sound(turn)
    if alone and say:
        hearing.announce(turn, *say)
    elif alone and turn.call.playing is None:
        hearing.play_next(turn)


def sound(turn: Turn) -> None:
    """Let an operator who is in no bridge hear what they should, when nobody moves."""
    _stop_sound(turn)
    _start_sound(turn)


def _stop_sound(turn: Turn) -> None:
    now = turn.call.sound
    if now is not None and now != sound_of(turn.call):
        turn.do(StopSound(*now))
        turn.set(sound=None)


def _start_sound(turn: Turn) -> None:
    wanted = sound_of(turn.call)
    if wanted is not None and wanted != turn.call.sound:
        turn.do(StartSound(*wanted))
        turn.set(sound=wanted)


def sound_of(call: Call) -> tuple[LegId, Sound] | None:
    """What an operator is to hear who is in no bridge: a phone that rings, or nothing.

    None too for one who is told why somebody was not reached.
    """
    operator = call.operator
    if operator is None or call.phase not in ALONE or call.phase is Phase.RETURNING:
        return None
    if operator.leg in rooms_of(call):
        return None
    rings = call.phase is Phase.CALLING_BACK or call.standing(Standing.RINGING)
    return operator.leg, Sound.RING if rings else Sound.SILENCE


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
    members = Counter(rooms.values())
    return {leg: room for leg, room in rooms.items() if members[room] > 1}


def _of_the_call(call: Call) -> dict[LegId, BridgeId]:
    joined = [party.leg for party in call.standing(Standing.JOINED)]
    operator = [] if call.operator is None else [call.operator.leg]
    if call.phase in WITH_CALLER:
        caller = [] if call.phase is Phase.HELD else [call.caller]
        return dict.fromkeys([*caller, *operator, *joined], call.bridge)
    rooms = dict.fromkeys([call.caller, *joined], call.bridge) if joined else {}
    if call.phase in ASIDE:
        consulted = [party.leg for party in call.standing(Standing.CONSULTED)]
        rooms |= dict.fromkeys([*operator, *consulted], call.aside)
    return rooms
