"""Calls that outlive their engine: what the next one makes of them, and what was missed.

Three steps, of which the first two are for calls that another engine began. ``restore`` makes the
call out of what is remembered of it, corrected by who is in its bridge; ``resume`` starts what
belongs to its phase and lives in an engine alone: timers, the place in the queue, the menu.
``missed`` then gives the events that Asterisk did not repeat, which go through the same table as
any, and ``repairs`` what Asterisk was asked and did not do. An engine whose line was cut does the
last two for its own calls. docs/decisions/0011 has the reasons.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Iterator, Mapping

from msgspec.structs import replace

from ess_pbx.domain import (
    calling_back,
    comfort,
    hearing,
    ids,
    ivr,
    ladder,
    overflow,
    priority,
    queueing,
    ringing,
    silence,
    supervision_adoption,
    waiting,
)
from ess_pbx.domain.call import AgencySide, Call, Direction, Leg, OperatorSide, Phase, Result, Turn
from ess_pbx.domain.call_backs import ENGINE_RESTARTED
from ess_pbx.domain.call_memory import KeptCall
from ess_pbx.domain.config import Agency, Centre
from ess_pbx.domain.effects import (
    Answer,
    ArmTimer,
    AsteriskEffect,
    CreateBridge,
    DestroyBridge,
    HangUp,
    Join,
    Part,
    Role,
    StartMusic,
    StopMusic,
    StopPlayback,
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

HUMANS = frozenset(
    {
        Phase.TALKING,
        Phase.CONSULT_RINGING,
        Phase.CONSULT,
        Phase.RETURNING,
        Phase.CONFERENCE,
        Phase.HANDED_OVER,
    }
)
ASTERISK_LOST = "asterisk-lost"
MOST_TORN_OFF = 100
"""More legs or playbacks of a call than are made in the milliseconds that a crash forgets."""


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
        and _is_talking(there.arrival.call, found)
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


def kept_of(arrival: Arrived, wall: float) -> KeptCall:
    """What is kept of a caller of whom no fact is left: what their channel says."""
    number = arrival.caller_e164 or ""
    return KeptCall(
        id=arrival.call,
        arrived=arrival.invited_at or wall,
        invited_at=arrival.invited_at or wall,
        last=wall,
        number=number,
        display=arrival.caller_display,
        callable=arrival.callable,
        number_fault=arrival.number_fault,
        trunk=arrival.trunk or "",
        called=arrival.called,
        phase=Phase.WAITING,
        legs={ids.caller_leg(arrival.call): (Role.CALLER, number or arrival.caller_display)},
        answered=True,
        greeted=True,
        made_legs=1,
    )


def _is_talking(call: CallId, found: AsteriskFound) -> bool:
    """Whether a caller is in their bridge with somebody."""
    members = found.members(call)
    return ids.caller_leg(call) in members and len(members) > 1


def first_never_made(kept: KeptCall, wall: float) -> int:
    """A number that no leg or playback of the call has: the milliseconds of the wall clock.

    The last facts of a crash are torn off, so that the journal cannot say what was made; and where
    the clock was set back they may even say more than it.
    """
    known = max(kept.made_legs, kept.made_playbacks)
    return max(known + MOST_TORN_OFF, round(wall * 1000))


def restore(kept: KeptCall, found: AsteriskFound, centre: Centre, now: float) -> Call:
    """The call as it was left; for those who talk, who is in the bridge decides."""
    members = found.members(kept.id)
    legs = {leg: Leg(role, party) for leg, (role, party) in kept.legs.items()}
    if kept.phase is not Phase.ENDED:
        # A party that was told gone, while what followed was torn off, is told gone again.
        caller = ids.caller_leg(kept.id)
        if kept.phase not in calling_back.PHASES or caller in found.legs:
            legs.setdefault(caller, Leg(Role.CALLER, kept.number or kept.display))
        if kept.operator:
            legs.setdefault(kept.operator_leg, Leg(Role.OPERATOR, kept.operator))
        if kept.agency:
            legs.setdefault(kept.agency_leg, Leg(Role.AGENCY, kept.agency))
        for leg, agent in kept.offers.items():
            legs.setdefault(leg, Leg(Role.OPERATOR, agent))
        for leg, agency in kept.overflows.items():
            legs.setdefault(leg, Leg(Role.AGENCY, agency))
    for leg in sorted(members - legs.keys()):
        # A supervisor of whom no fact is left may be the only human whom the caller has.
        role = Role.AGENCY if ids.is_agency(leg) else Role.OPERATOR
        legs[leg] = Leg(role, _party(role, found.legs[leg].party, centre))
    known = {queue.id for queue in centre.queues}
    never_made = first_never_made(kept, found.wall)

    # Where the clock was set back it is later than it says: who waits is not yet to come.
    wall = max(found.wall, kept.last)

    def ago(at: float | None) -> float | None:
        return None if at is None else now - (wall - at)

    call = Call(
        kept.id,
        now - (wall - kept.arrived),
        phase=kept.phase,
        number=kept.number,
        display=kept.display,
        callable=kept.callable,
        number_fault=kept.number_fault,
        called=kept.called,
        trunk=kept.trunk,
        direction=Direction.OUT if kept.outgoing else Direction.IN,
        earlier=kept.earlier,
        language=kept.language or centre.language,
        category=kept.category or centre.default_category,
        queue=kept.queue if kept.queue in known else centre.default_queue,
        usual_priority=centre.policy.default_priority,
        silence_asked=ago(kept.silence_asked),
        lost_at=ago(kept.lost_at),
        menus=tuple(menu for menu in kept.menus[:-1] if menu in centre.menus),
        legs=legs,
        bridged=ids.bridge_of(kept.id) in found.bridges,
        greeted=kept.greeted,
        unended=frozenset(found.heard_in(kept.id)),
        made_legs=never_made,
        made_playbacks=never_made,
    )
    call = _as_urgent(_as_far_up(call, kept, centre), kept)
    call = supervision_adoption.restored(call, kept, found)
    if call.phase in (Phase.IVR, Phase.WAITING):
        return _with_offers(call, kept, found, centre)
    if call.phase in calling_back.PHASES:
        return _calling_back(call, kept, found)
    if call.phase in HUMANS:
        return _with_humans(call, kept, members, found, centre)
    return call


def _as_urgent(call: Call, kept: KeptCall) -> Call:
    """The priority, and what it is made of."""
    if kept.urgency is None:
        level = call.usual_priority if kept.priority is None else kept.priority
        return replace(call, priority=level)
    made = kept.urgency
    level = priority.compose(made.usual, made.chosen, made.raises, made.prank)
    return replace(
        call,
        priority=level,
        usual_priority=made.usual,
        chosen_priority=made.chosen,
        raises=made.raises,
        silent=priority.SILENT in made.raises,
        prank=made.prank,
        head_start=made.head_start,
    )


def _as_far_up(call: Call, kept: KeptCall, centre: Centre) -> Call:
    """The steps of the ladder that were done; of another ladder, what they did."""
    steps = [(rung.step, rung.after) for rung in centre.policy.ladder]
    rungs = max((steps.index(each) + 1 for each in kept.steps if each in steps), default=0)
    reach = call.reach
    for step, _ in kept.steps:
        reach = ladder.reach_after(step, reach)
    skills = any(step != "overflow" for step, _ in kept.steps)
    return replace(call, rungs=rungs, any_skills=skills, reach=reach)


def _with_offers(call: Call, kept: KeptCall, found: AsteriskFound, centre: Centre) -> Call:
    """A caller who waits; one who is in the bridge with somebody was being connected."""
    offers = tuple(OperatorSide(agent, leg) for leg, agent in sorted(kept.offers.items()))
    if _is_talking(call.id, found):
        leg = min(found.members(call.id) - {call.caller}, key=_likely_operator)
        if ids.is_agency(leg):
            agency = AgencySide(_agency(call.legs[leg].party, centre), leg)
            return replace(call, phase=Phase.HANDED_OVER, agency=agency)
        operator = OperatorSide(kept.offers.get(leg, call.legs[leg].party), leg)
        return replace(call, phase=Phase.TALKING, operator=operator)
    rung = ((leg, _agency(name, centre)) for leg, name in sorted(kept.overflows.items()))
    overflows = tuple(AgencySide(agency, leg) for leg, agency in rung)
    return replace(call, offers=offers, overflows=overflows)


def _calling_back(call: Call, kept: KeptCall, found: AsteriskFound) -> Call:
    """Somebody whom the centre calls back and who has not answered yet, as far as is known."""
    offers = [OperatorSide(agent, leg) for leg, agent in kept.offers.items()]
    operator = OperatorSide(kept.operator, kept.operator_leg) if kept.operator else None
    if call.caller in call.legs and operator is None:
        # That the operator picked up was torn off.
        operator = next((side for side in offers if found.is_up(side.leg)), None)
    if operator is None:
        return replace(call, phase=Phase.CALLING_OPERATOR, offers=tuple(offers))
    failed = call.phase is Phase.CALL_BACK_FAILED
    phase = Phase.CALL_BACK_FAILED if failed else Phase.CALLING_BACK
    return replace(call, phase=phase, operator=operator)


def _with_humans(
    call: Call,
    kept: KeptCall,
    members: frozenset[LegId],
    found: AsteriskFound,
    centre: Centre,
) -> Call:
    operator = OperatorSide(kept.operator, kept.operator_leg) if kept.operator else None
    agency: AgencySide | None = None
    if kept.agency:
        agency = AgencySide(_agency(kept.agency, centre), kept.agency_leg)
    for leg in sorted(members & call.legs.keys(), key=_likely_operator):
        role, party = call.legs[leg].role, call.legs[leg].party
        if role is Role.OPERATOR and operator is None and call.phase is not Phase.HANDED_OVER:
            operator = OperatorSide(party, leg)
        elif role is Role.AGENCY and agency is None:
            agency = AgencySide(_agency(party, centre), leg)
    caller_in = call.caller in members
    operator_in = operator is not None and operator.leg in members
    agency_in = agency is not None and agency.leg in members
    agency_there = agency is not None and agency.leg in found.legs
    phase = call.phase
    if operator_in and agency_in:
        phase = Phase.CONFERENCE if caller_in else Phase.CONSULT
    elif (operator_in and caller_in and not agency_there) or phase is Phase.RETURNING:
        phase, agency = Phase.TALKING, None
    elif agency_in and caller_in and (operator is None or operator.leg not in found.legs):
        phase, operator = Phase.HANDED_OVER, None
    return replace(call, phase=phase, operator=operator, agency=agency)


def _likely_operator(leg: LegId) -> tuple[bool, bool, LegId]:
    """Sorts who talks with a caller: operators first, agencies last."""
    return ids.is_agency(leg), not ids.is_operator(leg), leg


def one_call_each(adopted: Iterable[Call], idle: Container[str]) -> Iterator[Call]:
    """The same calls, without offers to who is not ``idle``, talks or rings elsewhere."""
    calls = list(adopted)
    busy = {call.operator.agent for call in calls if call.operator is not None}
    busy |= {call.supervision.supervisor for call in calls if call.supervision is not None}
    for call in calls:
        offers: list[OperatorSide] = []
        for side in call.offers:
            if side.agent in idle and side.agent not in busy:
                busy.add(side.agent)
                offers.append(side)
        yield replace(call, offers=tuple(offers))


def _party(role: Role, told: str, centre: Centre) -> str:
    """An agency is known by its address where no fact names it."""
    if role is Role.AGENCY:
        return next((each.id for each in centre.agencies if each.contact == told), told)
    return told


def _agency(name: str, centre: Centre) -> Agency:
    """An agency of the settings; one that was taken out of them is still on the line."""
    gone = Agency(id=name, name=name, code="000", contact="sip:000@0.0.0.0")
    return next((each for each in centre.agencies if each.id == name), gone)


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
    members = found.members(call.id)
    going_on = _going_on(call, kept, found)
    waits = call.phase in (Phase.IVR, Phase.WAITING, Phase.CONSULT_RINGING, Phase.CONSULT)
    if waits and call.caller in members:
        turn.do(Part(call.bridge, call.caller))
    if call.phase in (Phase.IVR, Phase.WAITING) and call.caller not in found.legs:
        return  # who has left wants no operator: ``missed`` ends it
    match call.phase:
        case Phase.IVR:
            turn.do(StopMusic(call.caller))
            _menu_again(turn, kept)
            silence.watch(turn)
        case Phase.WAITING:
            _wait_again(turn)
            comfort.arm(turn)
            ladder.arm(turn)
            silence.watch(turn)
            _go_on_hearing(turn, kept, going_on)
        case Phase.CONSULT_RINGING:
            turn.do(ArmTimer(timer(call.id, "agency"), turn.centre.policy.agency_ring))
            _go_on_hearing(turn, kept, going_on)
            _ring_back_again(turn, kept, going_on)
        case Phase.CONSULT:
            _go_on_hearing(turn, kept, going_on)
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
            _ring_back_again(turn, kept, going_on)
        case Phase.CALL_BACK_FAILED:
            calling_back.give_up(turn, None)
        case Phase.ENDED:
            turn.do(ArmTimer(timer(call.id, "release"), RELEASE_CHECK))
        case _:
            pass  # who talks goes on talking
    supervision_adoption.resume(turn)


def _record_missed(turn: Turn, kept: KeptCall) -> None:
    """What the bridge shows and no fact told: the end of the journal was torn off."""
    call = turn.call
    if call.operator is not None and not kept.operator:
        side = call.operator
        turn.record(FactKind.OPERATOR_ANSWERED, agent=side.agent, leg=side.leg)
        if call.phase is Phase.CALLING_BACK:
            task, leg = call.earlier, call.caller
            turn.record(FactKind.CALL_BACK_DIALLED, task=task, agent=side.agent, leg=leg)
    answered = call.phase in (Phase.CONSULT, Phase.CONFERENCE, Phase.HANDED_OVER)
    ringing = kept.phase is Phase.CONSULT_RINGING or not kept.agency
    if call.agency is not None and answered and ringing:
        turn.record(FactKind.AGENCY_ANSWERED, agency=call.agency.agency.id, leg=call.agency.leg)
    if call.phase is Phase.HANDED_OVER and kept.operator and kept.phase is not Phase.HANDED_OVER:
        turn.record(FactKind.OPERATOR_LEFT, agent=kept.operator)


def _menu_again(turn: Turn, kept: KeptCall) -> None:
    """The caller hears the menu that they were in from its beginning; its keys work at once."""
    menu = kept.menus[-1] if kept.menus else turn.centre.first_menu
    if menu is None or menu not in turn.centre.menus:
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


def _ring_back_again(turn: Turn, kept: KeptCall, going_on: frozenset[PlaybackId]) -> None:
    if kept.operator_hears in going_on:
        turn.set(operator_hears=kept.operator_hears)
    elif turn.call.bridged:
        hearing.ring_back(turn)


def _going_on(call: Call, kept: KeptCall, found: AsteriskFound) -> frozenset[PlaybackId]:
    """What may be heard to its end; a menu begins anew, and who talks hears the other."""
    match call.phase:
        case Phase.WAITING | Phase.CONSULT:
            wanted = {kept.playing}
        case Phase.CONSULT_RINGING:
            wanted = {kept.playing, kept.operator_hears}
        case Phase.CALLING_BACK:
            wanted = {kept.operator_hears}
        case _:
            wanted = set()
    return found.playbacks & wanted


def _go_on_hearing(turn: Turn, kept: KeptCall, going_on: frozenset[PlaybackId]) -> None:
    """A prompt that goes on is heard to its end; else there is to be music (see ``repairs``)."""
    if kept.playing in going_on:
        turn.set(playing=kept.playing, heard=True)
    else:
        turn.set(music=True)


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
    agency = call.agency if call.phase is Phase.CONSULT_RINGING else None
    # The first who picked up has the caller; those who did as well are hung up.
    for side in (*call.offers, *call.overflows, agency):
        if side is not None and found.is_up(side.leg):
            yield LegAnswered(call.id, side.leg)
    yield from supervision_adoption.missed(call, found)
    for playback in (call.playing, call.operator_hears):
        # One asked for in this very turn cannot have been looked for.
        lost = kept is not None and playback in (kept.playing, kept.operator_hears)
        if playback is not None and lost and playback not in found.playbacks:
            yield PlaybackEnded(call.id, playback)


def answers(calls: Iterable[Call], found: AsteriskFound) -> Iterator[AsteriskEffect]:
    """Those whom an engine before this one claimed and had no time to answer.

    To be asked for before anything is played to them: Asterisk would answer when that has ended,
    and would take no other request until then.
    """
    for call in calls:
        leg = found.legs.get(call.caller)
        waiting = call.phase is not Phase.ENDED and call.phase not in calling_back.PHASES
        if waiting and leg is not None and not leg.up:
            yield Answer(call.caller)


def repairs(call: Call, found: AsteriskFound) -> Iterator[AsteriskEffect]:
    """What Asterisk does not have as the call has it: requests were lost on the way."""
    calling = call.phase in calling_back.PHASES
    if call.caller not in found.legs and not calling:
        return
    members = found.members(call.id)
    wanted = {leg for leg in call.talkers if leg in found.legs}
    told = {each.told for each in call.relieved}
    for playback in found.heard_in(call.id):
        if playback not in {call.playing, call.operator_hears, call.asking, *told}:
            yield StopPlayback(playback)
    if call.phase is Phase.ENDED:
        return
    for leg in sorted(members & parties(call) - wanted):
        yield Part(call.bridge, leg)
    if call.music:
        yield StartMusic(call.caller)
    elif call.playing is not None:
        yield StopMusic(call.caller)
    if wanted <= members:
        return
    if ids.bridge_of(call.id) not in found.bridges:
        yield CreateBridge(call.bridge)
    if call.caller in wanted - members:
        yield StopMusic(call.caller)
    yield Join(call.bridge, tuple(sorted(wanted - members)))


def parties(call: Call) -> frozenset[LegId]:
    """The legs that a call wants; others of it are on their way out."""
    if call.phase is Phase.ENDED:
        return frozenset()
    sides = (*call.offers, call.operator, call.agency, *call.overflows)
    legs = {call.caller, *(side.leg for side in sides if side is not None)}
    return supervision_adoption.parties(call) | legs


def _has_answered(caller: LegId, found: AsteriskFound) -> bool:
    """Whether the caller is up; who is to be recorded first is told of when that has begun."""
    return found.is_up(caller) and not found.legs[caller].to_be_recorded


def strangers(
    calls: Mapping[CallId, Call], beside: Container[LegId], found: AsteriskFound
) -> Iterator[AsteriskEffect]:
    """What no call wants: phones are hung up, unknown callers offered again, bridges deleted.

    Somebody called back whose phone rings still is no caller yet; an operator who dialled a code
    that no engine knows of any more is none at all. ``beside`` are legs that belong to no call of
    a caller.
    """
    wanted = frozenset[LegId]().union(*map(parties, calls.values()))
    for leg, there in sorted(found.legs.items()):
        caller = ids.is_caller(leg) or (ids.is_called_back(leg) and there.up)
        if leg in wanted or leg in beside:
            continue
        if not caller or there.at_desk or ids.call_of(leg) in calls:
            yield HangUp(leg)
        elif there.arrival is not None:
            yield ToDialplan(leg)
    for bridge, members in sorted(found.bridges.items()):
        if ids.is_bridge(bridge) and not members and ids.call_of(bridge) not in calls:
            yield DestroyBridge(bridge)
