"""Calls that outlive their engine: what the next one makes of them, and what was missed.

Three steps, of which the first two are for calls that another engine began. ``domain.restoring``
makes the call out of what is remembered of it, corrected by who is in its bridges; ``resume``
starts what belongs to its phase and lives in an engine alone: timers, the place in the queue, the
menu. ``missed`` then gives the events that Asterisk did not repeat, which go through the same table
as any, and ``repairs`` what Asterisk was asked and did not do. An engine whose line was cut does
the last two for its own calls. docs/decisions/0011 has the reasons.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from ess_pbx.domain import (
    calling_back,
    comfort,
    ids,
    ivr,
    ladder,
    overflow,
    parties,
    queueing,
    restoring,
    ringing,
    silence,
    supervision_adoption,
    transfer,
    waiting,
)
from ess_pbx.domain.call import ON_THE_LINE, Call, Party, Phase, Result, Standing, Turn
from ess_pbx.domain.call_backs import ENGINE_RESTARTED
from ess_pbx.domain.call_memory import KeptCall
from ess_pbx.domain.classifying import classify
from ess_pbx.domain.config import Centre
from ess_pbx.domain.effects import (
    Answer,
    ArmTimer,
    AsteriskEffect,
    CreateBridge,
    DestroyBridge,
    HangUp,
    Join,
    Part,
    Sound,
    StartMusic,
    StartSound,
    StopMusic,
    StopPlayback,
    StopSound,
    ToDialplan,
)
from ess_pbx.domain.ending import RELEASE_CHECK, UNKNOWN_CAUSE, end, timer
from ess_pbx.domain.events import (
    Arrived,
    CallEvent,
    LegAnswered,
    LegGone,
    PlaybackEnded,
    Stopping,
)
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.found import AsteriskFound
from ess_pbx.domain.ids import CallId, LegId, PlaybackId

ASTERISK_LOST = "asterisk-lost"


def is_for_us(call: CallId, found: AsteriskFound) -> bool:
    """Whether a call is to be gone on with, or closed; not one that the dialplan serves."""
    return not found.is_served(call)


def unknown_talkers(known: Collection[CallId], found: AsteriskFound) -> dict[CallId, Arrived]:
    """Callers who talk with somebody and of whom no fact is left."""
    return {
        there.arrival.call: there.arrival
        for there in found.legs.values()
        if there.arrival is not None
        and there.arrival.call not in known
        and restoring.is_talking(there.arrival.call, found)
    }


def turn_in_queue(
    call: Call, centre: Centre, found: AsteriskFound
) -> tuple[bool, bool, bool, float]:
    """Sorts adopted calls: phones that ring keep ringing before anyone else is offered a call.

    First those whose caller has left.
    """
    waits = call.phase in (Phase.IVR, Phase.WAITING)
    since = call.arrived - call.head_start
    here = call.caller in found.legs
    return here, waits, not call.offers, since - call.priority * centre.policy.age_lift


def resume(
    turn: Turn, kept: KeptCall, found: AsteriskFound, arrival: Arrived | None = None
) -> None:
    """Start what belongs to the phase of a restored call, and put on record who has it now.

    ``arrival`` is that of a call of which no fact is left.
    """
    call = turn.call
    if arrival is not None:
        ivr.record_arrival(turn, arrival)
    _record_missed(turn, kept)
    turn.record(FactKind.CALL_ADOPTED, phase=call.phase, made=call.made_legs)
    going_on = _going_on(call, kept, found)
    if call.caller in found.members(call.id) and _is_alone(call):
        turn.do(Part(call.bridge, call.caller))
    if call.phase in (Phase.IVR, Phase.WAITING) and call.caller not in found.legs:
        return  # who has left wants no operator: ``missed`` ends it
    match call.phase:
        case Phase.IVR:
            _menu_again(turn, kept)
            silence.watch(turn)
        case Phase.WAITING:
            _wait_again(turn)
            comfort.arm(turn)
            ladder.arm(turn)
            silence.watch(turn)
            _go_on_hearing(turn, kept, going_on)
        case phase if phase in restoring.HUMANS:
            _with_humans(turn, kept, going_on)
        case Phase.CALLING_OPERATOR if not call.offers:
            end(turn, Result.INDETERMINATE, ENGINE_RESTARTED, None, UNKNOWN_CAUSE)
        case Phase.CALLING_BACK if call.caller not in found.legs:
            # Whether they answered is not known: the attempt is settled by ``call_back_desk``.
            end(turn, Result.INDETERMINATE, ENGINE_RESTARTED, None, UNKNOWN_CAUSE)
        case Phase.CALLING_OPERATOR:
            _ring_on(turn)
        case Phase.CALLING_BACK:
            ring = turn.centre.policy.call_back_ring
            turn.do(ArmTimer(timer(call.id, calling_back.TIMER), ring))
        case Phase.CALL_BACK_FAILED:
            calling_back.give_up(turn, None)
        case Phase.ENDED:
            turn.do(ArmTimer(timer(call.id, "release"), RELEASE_CHECK))
    supervision_adoption.resume(turn)


def _with_humans(turn: Turn, kept: KeptCall, going_on: frozenset[PlaybackId]) -> None:
    """Who talks goes on talking; phones that ring have their time anew."""
    call = turn.call
    if call.operator is None and not call.parties:
        transfer.requeue(turn)
        return
    rings = turn.centre.policy.agency_ring
    for party in call.standing(Standing.CALLED, Standing.RINGING):
        if party.standing is Standing.CALLED and call.operator is not None:
            turn.do(ArmTimer(parties.called_timer(call.id, party.leg), rings))
        elif call.phase in (Phase.CONSULT_RINGING, Phase.BLIND_RINGING):
            turn.do(ArmTimer(timer(call.id, "agency"), _ring_time(turn, party)))
        else:
            parties.drop(turn, party, "the operator left")
    if _is_alone(call):
        _go_on_hearing(turn, kept, going_on)


def _ring_time(turn: Turn, party: Party) -> float:
    if party.agency is None:
        return turn.centre.policy.ring
    return ringing.ring_time(turn, party.agency, party.agency.ways[party.contact])


def _is_alone(call: Call) -> bool:
    """Whether the caller is to be in no bridge."""
    ours = call.phase is not Phase.ENDED and call.phase not in calling_back.PHASES
    return ours and call.caller not in call.rooms


def _record_missed(turn: Turn, kept: KeptCall) -> None:
    """What the bridge shows and no fact told: the end of the journal was torn off."""
    call = turn.call
    if call.operator is not None and call.operator.agent != kept.operator:
        side = call.operator
        before = next((each for each in kept.parties if each.leg == side.leg), None)
        taken_over = before is not None and not before.agency
        answered = FactKind.TAKEN_OVER if taken_over else FactKind.OPERATOR_ANSWERED
        turn.record(answered, agent=side.agent, leg=side.leg)
        if call.phase is Phase.CALLING_BACK:
            task, leg = call.earlier, call.caller
            turn.record(FactKind.CALL_BACK_DIALLED, task=task, agent=side.agent, leg=leg)
    left = {each.leg: each.standing for each in kept.parties}
    for party in call.standing(*ON_THE_LINE):
        _record_party(turn, party, left.get(party.leg))
    if call.phase is Phase.HANDED_OVER and kept.operator:
        turn.record(FactKind.OPERATOR_LEFT, agent=kept.operator)


def _record_party(turn: Turn, party: Party, left: Standing | None) -> None:
    """What became of a party of which the last fact says that it stood so."""
    if left is None or left in (Standing.RINGING, Standing.CALLED):
        if party.agency is None:
            turn.record(FactKind.COLLEAGUE_ANSWERED, party=party.name, leg=party.leg)
        else:
            turn.record(FactKind.AGENCY_ANSWERED, agency=party.name, leg=party.leg)
    if left is not party.standing:
        turn.record(parties.FACTS[party.standing], party=party.name, leg=party.leg)


def _menu_again(turn: Turn, kept: KeptCall) -> None:
    """The caller hears the menu that they were in from its beginning; its keys work at once.

    Once only: engines that end one after the other must not keep anybody in a menu for ever.
    """
    menu = kept.menus[-1] if kept.menus else turn.centre.first_menu
    if kept.menu_again and menu in turn.centre.menus:
        classify(turn, turn.centre.menus[menu].otherwise)
    if menu is None or menu not in turn.centre.menus or kept.menu_again:
        turn.set(phase=Phase.WAITING)
        queueing.record(turn)  # or the next engine may ask them what a menu of now asks
        _wait_again(turn)
        waiting.wait(turn, waiting.WAIT_PROMPT)
        return
    if turn.call.offers or turn.centre.policy.search_at_once:
        _wait_again(turn)
    ivr.enter_menu(turn, menu)


def _wait_again(turn: Turn) -> None:
    """The place in the queue, by age and priority as before; phones that ring go on ringing."""
    queueing.ask(turn, *(side.agent for side in turn.call.offers))
    _ring_on(turn)
    ring = turn.centre.policy.agency_ring
    for rung in turn.call.overflows:
        turn.do(ArmTimer(overflow.overflow_timer(turn.call.id, rung.leg), ring))


def _ring_on(turn: Turn) -> None:
    for side in turn.call.offers:
        timer_id = ringing.ring_timer(turn.call.id, side.leg)
        turn.do(ArmTimer(timer_id, turn.centre.policy.ring))


def _going_on(call: Call, kept: KeptCall, found: AsteriskFound) -> frozenset[PlaybackId]:
    """What may be heard to its end; a menu begins anew, and who talks hears the other."""
    wanted: set[PlaybackId | None] = set()
    if call.phase is not Phase.IVR and _is_alone(call):
        wanted.add(kept.playing)
    return found.playbacks & wanted


def _go_on_hearing(turn: Turn, kept: KeptCall, going_on: frozenset[PlaybackId]) -> None:
    """A prompt that goes on is heard to its end, and then music (see ``repairs``)."""
    turn.set(music=True)
    if kept.playing in going_on:
        turn.set(playing=kept.playing, heard=True)


def missed(call: Call, kept: KeptCall | None, found: AsteriskFound) -> Iterator[CallEvent]:
    """The events of a call that Asterisk sent to nobody, the caller's first."""
    caller = call.caller
    if caller in call.legs and found.is_gone(caller):
        if kept is not None and kept.arrived < found.started:
            yield Stopping(call.id, ASTERISK_LOST)
        yield LegGone(call.id, caller, found.causes.get(call.id, UNKNOWN_CAUSE))
    elif kept is not None and not kept.answered and _has_answered(caller, found):
        yield LegAnswered(call.id, caller)
    for leg in call.legs:
        if leg != caller and found.is_gone(leg):
            yield LegGone(call.id, leg, UNKNOWN_CAUSE)
    rung = [side.leg for side in call.offers]
    rung += [each.leg for each in call.overflows]
    rung += [each.leg for each in call.standing(Standing.RINGING, Standing.CALLED)]
    # The first who picked up has the caller; those who did as well are hung up.
    for leg in rung:
        if found.is_up(leg):
            yield LegAnswered(call.id, leg)
    yield from supervision_adoption.missed(call, found)
    if kept is None:
        return
    # One asked for in this very turn cannot have been looked for.
    looked_for = {kept.playing, kept.operator_hears, *kept.recent}
    for playback in sounds(call):
        if playback in looked_for and found.has_ended(playback):
            yield PlaybackEnded(call.id, playback)


def answers(calls: Iterable[Call], found: AsteriskFound) -> Iterator[AsteriskEffect]:
    """Those whom an engine before this one claimed and had no time to answer.

    To be asked for before anything is played to them: Asterisk would answer when that has ended,
    and would take no other request until then. And what they hear at first is asked for with it,
    lest this engine ends too before it has come to their call.
    """
    for call in calls:
        leg = found.legs.get(call.caller)
        waiting = call.phase is not Phase.ENDED and call.phase not in calling_back.PHASES
        if waiting and leg is not None and not leg.up:
            yield Answer(call.caller)
            if call.phase in (Phase.IVR, Phase.WAITING):
                yield StartMusic(call.caller)


def repairs(call: Call, found: AsteriskFound) -> Iterator[AsteriskEffect]:
    """What Asterisk does not have as the call has it: requests were lost on the way."""
    calling = call.phase in calling_back.PHASES
    if call.caller not in found.legs and not calling:
        return
    for playback in found.heard_in(call.id):
        if playback not in (*sounds(call), call.asking):
            yield StopPlayback(playback)
    if call.phase is Phase.ENDED:
        return
    bridges = call.bridge, call.aside
    are_in = {leg: bridge for bridge in bridges for leg in found.bridges.get(bridge, ())}
    belong_in = {leg: bridge for leg, bridge in call.rooms.items() if leg in found.legs}
    for leg in sorted(wanted_by(call) & are_in.keys() - belong_in.keys()):
        yield Part(are_in[leg], leg)
    if call.music:
        yield StartMusic(call.caller)
    for leg in sorted(call.on_music & found.legs.keys()):
        yield StartMusic(leg)
    operator = None if call.operator is None else call.operator.leg
    if call.sound is not None and call.sound[0] in found.legs:
        yield StartSound(*call.sound)
    for bridge in bridges:
        missing = sorted(leg for leg in belong_in if belong_in[leg] == bridge != are_in.get(leg))
        if missing and bridge not in found.bridges:
            yield CreateBridge(bridge)
        for leg in missing:
            if leg not in are_in and (leg == call.caller or call.party_on(leg) is not None):
                # Who waited before, or was on hold.
                yield StopMusic(leg)
            if leg not in are_in and leg == operator:
                yield from (StopSound(leg, sound) for sound in Sound)
            # One by one: Asterisk joins none of several of whom one has just hung up.
            yield Join(bridge, (leg,))


def wanted_by(call: Call) -> frozenset[LegId]:
    """The legs that a call wants; others of it are on their way out."""
    if call.phase is Phase.ENDED:
        return frozenset()
    sides = (*call.offers, call.operator, *call.parties, *call.overflows)
    legs = {call.caller, *(side.leg for side in sides if side is not None)}
    return supervision_adoption.parties(call) | legs


def kept_busy(call: Call) -> frozenset[str]:
    """The operators who are in a call, or whose own phones ring for it beside the queue."""
    seats = {each.seat for each in (*call.parties, *call.overflows) if each.seat}
    return frozenset(seats if call.operator is None else {call.operator.agent, *seats})


def sounds(call: Call) -> list[PlaybackId]:
    """What is being said or played, as far as somebody waits for its end."""
    told = (each.told for each in call.relieved)
    heard = (call.playing, call.operator_hears, *call.telling, *call.introducing, *told)
    return [each for each in heard if each is not None]


def _has_answered(caller: LegId, found: AsteriskFound) -> bool:
    """Whether the caller is up; who is to be recorded first is told of when that has begun."""
    return found.is_up(caller) and not found.legs[caller].to_be_recorded


def strangers(
    calls: Mapping[CallId, Call], beside: Collection[LegId], found: AsteriskFound
) -> Iterator[AsteriskEffect]:
    """What no call wants: phones are hung up, unknown callers offered again, bridges deleted.

    Somebody called back whose phone rings still is no caller yet; an operator who dialled a code
    that no engine knows of any more is none at all. ``beside`` are legs that belong to no call of
    a caller.
    """
    wanted = frozenset[LegId]().union(*map(wanted_by, calls.values()))
    for leg, there in sorted(found.legs.items()):
        caller = ids.is_caller(leg) or (ids.is_called_back(leg) and there.up)
        if leg in wanted or leg in beside:
            continue
        if not caller or there.at_desk or ids.call_of(leg) in calls:
            yield HangUp(leg)
        elif there.arrival is not None:
            yield ToDialplan(leg)
    going_on = {*calls, *map(ids.call_of, beside)}
    for bridge, members in sorted(found.bridges.items()):
        if ids.is_bridge(bridge) and not members and ids.call_of(bridge) not in going_on:
            yield DestroyBridge(bridge)
