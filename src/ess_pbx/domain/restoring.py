"""A call that another engine began, made again out of what is remembered of it.

Its facts tell how it was left, but for the last milliseconds before a crash; who is in which bridge
is what people hear. Where the two differ the bridges are right, and whatever does not fit together
becomes the nearest that does, so that nobody is left where ``domain.parties`` never puts anyone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping

from msgspec.structs import replace

from ess_pbx.domain import calling_back, ids, ladder, parties, priority, supervision_adoption
from ess_pbx.domain.agent import AgentState, Seat
from ess_pbx.domain.call import (
    ON_THE_LINE,
    Call,
    Direction,
    Leg,
    OperatorSide,
    Party,
    Phase,
    Standing,
)
from ess_pbx.domain.call_memory import KeptCall
from ess_pbx.domain.config import Agency, Centre
from ess_pbx.domain.effects import Role
from ess_pbx.domain.events import Arrived
from ess_pbx.domain.found import AsteriskFound
from ess_pbx.domain.ids import CallId, LegId
from ess_pbx.domain.party_memory import KeptParty

MOST_TORN_OFF = 100
"""More legs or playbacks of a call than are made in the milliseconds that a crash forgets."""
HUMANS = parties.HUMANS


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


def is_talking(call: CallId, found: AsteriskFound) -> bool:
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
    """The call as it was left; for those who talk, who is in which bridge decides."""
    legs = {leg: Leg(role, party) for leg, (role, party) in kept.legs.items()}
    if kept.phase is not Phase.ENDED:
        # A party that was told gone, while what followed was torn off, is told gone again.
        caller = ids.caller_leg(kept.id)
        if kept.phase not in calling_back.PHASES or caller in found.legs:
            legs.setdefault(caller, Leg(Role.CALLER, kept.number or kept.display))
        if kept.operator:
            legs.setdefault(kept.operator_leg, Leg(Role.OPERATOR, kept.operator))
        for leg, agent in kept.offers.items():
            legs.setdefault(leg, Leg(Role.OPERATOR, agent))
        for each in (*kept.parties, *kept.overflows):
            legs.setdefault(each.leg, Leg(_role(each), each.name))
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
        aside_made=ids.aside_of(kept.id) in found.bridges,
        greeted=kept.greeted,
        unended=frozenset(found.heard_in(kept.id)),
        made_legs=never_made,
        made_playbacks=never_made,
    )
    call = _as_urgent(_as_far_up(call, kept, centre), kept)
    call = supervision_adoption.restored(call, kept, found)
    if call.phase in (Phase.IVR, Phase.WAITING):
        call = _waiting(call, kept, found, centre)
    elif call.phase in calling_back.PHASES:
        call = _calling_back(call, kept, found)
    elif call.phase in HUMANS:
        call = _with_humans(call, kept, found, centre)
    held = frozenset(party.leg for party in call.standing(Standing.HELD))
    call = replace(call, rooms=parties.rooms_of(call), on_music=held)
    return replace(call, sound=parties.sound_of(call))


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


def _waiting(call: Call, kept: KeptCall, found: AsteriskFound, centre: Centre) -> Call:
    """A caller who waits; one who is in the bridge with somebody was being connected."""
    overflows = tuple(_party(each, centre, call.arrived - kept.arrived) for each in kept.overflows)
    offers = tuple(OperatorSide(agent, leg) for leg, agent in sorted(kept.offers.items()))
    waits = replace(call, offers=offers, overflows=overflows)
    if not is_talking(call.id, found):
        return waits
    members = found.members(call.id)
    rung = [leg for leg in sorted(kept.offers) if leg in members]
    operator = OperatorSide(kept.offers[rung[0]], rung[0]) if rung else None
    there = tuple(each for each in overflows if each.leg in members)
    talking = replace(call, phase=Phase.TALKING, operator=operator, parties=there)
    talking = _with_strangers(talking, kept, found, centre)
    if talking.operator is None and not talking.parties:
        return waits  # they are on their way out
    return _as_they_stand(talking, found)


def _with_humans(call: Call, kept: KeptCall, found: AsteriskFound, centre: Centre) -> Call:
    """A caller who has or had a human."""
    operator = OperatorSide(kept.operator, kept.operator_leg) if kept.operator else None
    known = tuple(_party(each, centre, call.arrived - kept.arrived) for each in kept.parties)
    as_left = replace(call, operator=operator, parties=known)
    return _as_they_stand(_with_strangers(as_left, kept, found, centre), found)


def _with_strangers(call: Call, kept: KeptCall, found: AsteriskFound, centre: Centre) -> Call:
    """Those too who are in a bridge of the call, and of whom no fact is left."""
    members = found.members(call.id) | found.aside(call.id)
    known = {call.caller, *kept.legs, *(each.leg for each in call.parties)}
    known |= {side.leg for side in (call.operator, call.supervision) if side is not None}
    for leg in sorted(members - known, key=_likely_operator):
        there = found.legs[leg]
        gone_on = call.phase in (Phase.HANDED_OVER, Phase.BLIND_RINGING)
        if not ids.is_agency(leg) and call.operator is None and not gone_on:
            # A supervisor of whom no fact is left may be the only human whom the caller has.
            call = replace(call, operator=OperatorSide(there.party, leg))
            role, name = Role.OPERATOR, there.party
        elif ids.is_operator(leg):
            party = Party(there.party, leg, seat=there.party, standing=Standing.CONSULTED)
            call = replace(call, parties=(*call.parties, party))
            role, name = Role.COLLEAGUE, there.party
        elif not ids.is_agency(leg):
            continue
        else:
            party = _agency_at(there.party, leg, centre)
            call = replace(call, parties=(*call.parties, party))
            role, name = Role.AGENCY, party.name
        call = replace(call, legs={**call.legs, leg: Leg(role, name)})
    return call


def _likely_operator(leg: LegId) -> tuple[bool, bool, LegId]:
    """Sorts who talks with a caller: operators first, agencies last."""
    return ids.is_agency(leg), not ids.is_operator(leg), leg


def _as_they_stand(call: Call, found: AsteriskFound) -> Call:
    """The phase that fits the bridges, and everybody's place in it."""
    here, aside = found.members(call.id), found.aside(call.id)

    def placed(party: Party) -> Party:
        if party.leg in here:
            return _stands(party, Standing.JOINED)
        answered = party.standing is Standing.INTRODUCED or party.leg in aside
        return _stands(party, Standing.CONSULTED) if answered else party

    call = replace(call, parties=tuple(map(placed, call.parties)))
    if call.operator is None:
        return _without_operator(call, found)
    ringing = call.phase is Phase.CONSULT_RINGING and call.standing(Standing.RINGING)
    if call.operator.leg in here and call.caller in here:
        phase = Phase.CONSULT_RINGING if ringing else Phase.TALKING
    elif call.phase is Phase.HELD:
        phase = Phase.HELD
    elif call.standing(Standing.CONSULTED):
        phase = Phase.CONSULT
    else:
        phase = Phase.CONSULT_RINGING if ringing else Phase.TALKING
    if phase is not Phase.CONSULT:
        call = _all(call, Standing.CONSULTED, Standing.HELD)
    if phase is Phase.TALKING and call.standing(Standing.JOINED):
        phase = Phase.CONFERENCE
    return replace(call, phase=phase)


def _without_operator(call: Call, found: AsteriskFound) -> Call:
    """Those on the line have the caller, a colleague among them the call."""
    on_the_line = call.standing(*ON_THE_LINE)
    heir = next((each for each in on_the_line if each.agency is None), None)
    if not on_the_line:
        ringing = call.standing(Standing.RINGING)
        if (one := call.supervision) is not None and one.in_call is not None:
            side = OperatorSide(one.supervisor, one.leg)
            return replace(call, phase=Phase.TALKING, operator=side, supervision=None)
        return replace(call, phase=Phase.BLIND_RINGING if ringing else Phase.HANDED_OVER)
    call = _all(_all(call, Standing.CONSULTED, Standing.JOINED), Standing.HELD, Standing.JOINED)
    if heir is None or not found.is_up(heir.leg):
        return replace(call, phase=Phase.HANDED_OVER)
    rest = tuple(each for each in call.parties if each.leg != heir.leg)
    phase = Phase.CONFERENCE if any(p.standing is Standing.JOINED for p in rest) else Phase.TALKING
    return replace(call, phase=phase, operator=OperatorSide(heir.name, heir.leg), parties=rest)


def _all(call: Call, before: Standing, after: Standing) -> Call:
    moved = (_stands(each, after) if each.standing is before else each for each in call.parties)
    return replace(call, parties=tuple(moved))


def _stands(party: Party, standing: Standing) -> Party:
    return party if party.standing is standing else dataclasses.replace(party, standing=standing)


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


def one_call_each(adopted: Iterable[Call], seats: Mapping[str, Seat]) -> Iterator[Call]:
    """The same calls, without offers to who is not idle, talks or rings elsewhere.

    A phone that was borrowed and is no more is nobody's seat.
    """
    calls = list(adopted)
    busy = {call.operator.agent for call in calls if call.operator is not None}
    busy |= {call.supervision.supervisor for call in calls if call.supervision is not None}

    def borrowed(party: Party, call: CallId) -> Party:
        seat = seats.get(party.seat)
        if seat is None or seat.extension in busy:
            return dataclasses.replace(party, seat="")
        if seat.state is not AgentState.IDLE and (seat.state, seat.call) != (
            AgentState.TALKING,
            call,
        ):
            return dataclasses.replace(party, seat="")
        busy.add(seat.extension)
        return party

    lent = [
        replace(
            call,
            parties=tuple(borrowed(each, call.id) for each in call.parties),
            overflows=tuple(borrowed(each, call.id) for each in call.overflows),
        )
        for call in calls
    ]
    for call in lent:
        offers: list[OperatorSide] = []
        for side in call.offers:
            seat = seats.get(side.agent)
            idle = seat is not None and seat.state is AgentState.IDLE
            if idle and side.agent not in busy:
                busy.add(side.agent)
                offers.append(side)
        yield replace(call, offers=tuple(offers))


def _role(kept: KeptParty) -> Role:
    return Role.AGENCY if kept.agency else Role.COLLEAGUE


def _party(kept: KeptParty, centre: Centre, ahead: float) -> Party:
    """A party as it was left; ``ahead`` is what this engine's clock is of the wall's."""
    since = kept.since + ahead if kept.since else 0.0
    if not kept.agency:
        return Party(kept.name, kept.leg, seat=kept.name, standing=kept.standing, since=since)
    agency = _agency(kept.name, centre)
    contact = min(kept.contact, len(agency.ways) - 1)
    seat = agency.ways[contact].extension or ""
    return Party(kept.name, kept.leg, agency, contact, seat, kept.standing, since)


def _agency_at(told: str, leg: LegId, centre: Centre) -> Party:
    """An agency is known by what was rung where no fact names it."""
    for agency in centre.agencies:
        for number, way in enumerate(agency.ways):
            if told in (way.sip, way.number, way.extension):
                seat = way.extension or ""
                return Party(agency.id, leg, agency, number, seat, Standing.CONSULTED)
    return Party(told, leg, _agency(told, centre), standing=Standing.CONSULTED)


def _agency(name: str, centre: Centre) -> Agency:
    """An agency of the settings; one that was taken out of them is still on the line."""
    gone = Agency(id=name, name=name, code="000", contact="sip:000@0.0.0.0")
    return next((each for each in centre.agencies if each.id == name), gone)
