"""What holds in a centre after whatever happened."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
from hypothesis.stateful import invariant, precondition

from ess_pbx.domain.call import Call, Phase, Standing, Then
from ess_pbx.domain.calling_back import PHASES as CALLED_BACK
from ess_pbx.domain.commands import Mode
from ess_pbx.domain.effects import Role
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.ids import CallId, LegId, call_of, caller_leg
from ess_pbx.domain.parties import ASIDE
from ess_pbx.domain.priority import compose
from ess_pbx.domain.surge import SurgeMode
from ess_pbx.simulation.sample_centre import AGENTS, LADDER

from .virtual_centre import PHONES, SUPERVISORS, VirtualCentre

NEIGHBOUR = "polres"
"""The agency of the sample centre that is another centre."""
NOBODY_RUNG = {Phase.CALLING_OPERATOR, Phase.CALL_BACK_FAILED}


class CentreInvariants(VirtualCentre):
    """Checked after each step."""

    @invariant()
    def nobody_calls_more_than_the_day_allows(self) -> None:
        begun = Counter(
            (fact.data["day"], fact.data["role"])
            for fact in self.facts
            if fact.kind is FactKind.OUTBOUND_STARTED
        )
        assert all(begun[day, "operator"] <= 3 for day, _ in begun)
        assert all(begun[day, "supervisor"] <= 2 for day, _ in begun)

    @invariant()
    def reports_went_where_their_calls_did(self) -> None:
        if not hasattr(self, "core"):
            return
        outgoing = [(each.report, each.agency) for each in self.core.hand_overs.outgoing]
        assert len(outgoing) == len(set(outgoing))
        passed_on = {
            (report.number, str(fact.data["agency"]))
            for fact in self.facts
            if fact.kind == FactKind.AGENCY_ANSWERED and fact.data["agency"] == NEIGHBOUR
            for report in self.core.incidents.open.values()
            if fact.call in report.calls
        }
        assert set(outgoing) == passed_on

    @invariant()
    def every_call_ends_once(self) -> None:
        for call in self.core.calls.values():
            assert self.ends[call.id] == (call.phase is Phase.ENDED)
        for gone in self.forgotten:
            assert self.ends[gone] == 1
            assert gone not in self.core.calls

    @invariant()
    def alarms_stand_that_were_raised_and_not_cleared(self) -> None:
        if hasattr(self, "core"):
            assert set(self.core.alarms.standing) == self.raised

    @invariant()
    def a_call_has_one_operator_and_an_operator_one_call(self) -> None:
        bridged = Counter(
            channel.bridge
            for channel in self.asterisk.channels.values()
            if channel.role is Role.OPERATOR and channel.bridge
        )
        assert all(count == 1 for count in bridged.values())
        for agent, seat in self.core.acd.seats.items():
            calls = [call.id for call in self.core.calls.values() if agent in agents_of(call)]
            calls += [own for own, who in self.core.outbound.talkers.items() if who == agent]
            assert calls == ([seat.call] if seat.call else [])

    @invariant()
    def whoever_waits_is_in_the_queue(self) -> None:
        searching = {Phase.WAITING, Phase.IVR} if self.searches else {Phase.WAITING}
        waiting = {
            call.id
            for call in self.core.calls.values()
            if call.phase in searching and call.information is not Then.END
        }
        assert self.core.acd.waiting.keys() == waiting

    @invariant()
    def no_operator_is_rung_to_call_back_whom_a_caller_could_have(self) -> None:
        """Who waits and rings nowhere has nobody in reach, not even one who is only rung."""
        lent = {
            side.agent
            for call in self.core.calls.values()
            if call.phase is Phase.CALLING_OPERATOR
            for side in call.offers
        }
        for entry in self.core.acd.waiting.values():
            if not entry.offers:
                reach = {agent for agent in lent if self.core.acd.seats[agent].present}
                assert not reach & set(entry.line.seats)

    @invariant()
    def a_task_is_called_by_one_call_at_a_time(self) -> None:
        tasks = Counter(
            call.earlier for call in self.core.calls.values() if call.phase in CALLED_BACK
        )
        assert all(count == 1 for count in tasks.values())
        dialling = [t.dialling for t in self.core.call_backs.open.values() if t.dialling]
        assert all(
            self.core.calls[CallId(each.call)].phase is Phase.CALLING_BACK for each in dialling
        )

    @invariant()
    def timers_belong_to_someone(self) -> None:
        owners = {timer.owner for timer in self.timers}
        beside = {*self.core.desks.calls, *self.core.outbound.calls}
        assert owners <= {*PHONES, *self.core.calls, *beside}
        alone = self.core.desks.calls.keys() - self.core.desks.lent.keys()
        assert owners >= alone, "a call at a desk ends by itself"

    @invariant()
    def whoever_is_rung_or_being_told_has_a_timer_that_ends_it(self) -> None:
        for call in self.core.calls.values():
            ring = {("ring", side.leg) for side in call.offers}
            overflow = {("overflow", side.leg) for side in call.overflows}
            ladder = {("ladder", "")} if steps_left(call) else set()
            silence = set() if call.silent or call.speaking else {("silence", "")}
            every: dict[Phase, set[Any]] = {
                Phase.IVR: {("menu", ""), *ring, *silence},
                Phase.WAITING: {("comfort", ""), *ring, *ladder, *overflow, *silence},
                Phase.CONSULT_RINGING: {("agency", "")},
                Phase.BLIND_RINGING: {("agency", "")},
                Phase.RETURNING: {("agency", "")},
                Phase.CALLING_OPERATOR: ring,
                Phase.CALLING_BACK: {("callback", "")},
                Phase.CALL_BACK_FAILED: {("callback", "")},
                Phase.ENDED: {("release", "")},
            }
            expected = every.get(call.phase, set())
            called = {("called", party.leg) for party in call.standing(Standing.CALLED)}
            armed = {(t.kind, t.key) for t in self.timers if t.owner == call.id}
            if call.phase is Phase.TALKING and silence:
                armed -= silence  # until the caller was asked
            if (supervision := call.supervision) is not None:
                coming = supervision.coming is not None or not supervision.connected
                assert (("supervise", "") in armed) is coming
            relieved = {("relieved", str(each.side.leg)) for each in call.relieved}
            assert armed - relieved - {("supervise", "")} == expected | called, call.phase
            assert relieved <= armed

    @invariant()
    def a_call_at_a_desk_is_lent_to_the_call_that_hangs_it_up(self) -> None:
        for desk, to in self.core.desks.lent.items():
            assert caller_leg(desk) in self.core.calls[to].legs

    @invariant()
    def supervisors_and_agencies_ring_for_those_alone_whom_the_ladder_brought_so_far(self) -> None:
        for call in self.core.calls.values():
            if call.rungs < len(LADDER) and call.id not in self.supervised:
                assert not {*SUPERVISORS} & {side.agent for side in call.offers}
            if call.rungs < 2:
                assert call.overflows == ()

    @invariant()
    def priority_is_what_speaks_for_and_against_a_call(self) -> None:
        for call in self.core.calls.values():
            parts = (call.usual_priority, call.chosen_priority, call.raises, call.prank)
            assert call.priority == compose(*parts)
            assert call.silent is ("silent" in call.raises)
            assert call.prank is None or not call.silent

    @invariant()
    def nothing_is_said_into_a_conversation_that_is_none(self) -> None:
        for call in self.core.calls.values():
            assert call.asking is None or (call.phase is Phase.TALKING and not call.silent)

    @invariant()
    def what_is_remembered_survives_a_restart(self) -> None:
        again = SurgeMode(self.core.config.surge)
        again.load(msgspec.json.decode(msgspec.json.encode(self.core.surge.dump())))
        assert again.dump() == self.core.surge.dump()

    @invariant()
    def everybody_is_on_duty_in_a_surge(self) -> None:
        on_duty = {agent for agent, seat in self.core.acd.seats.items() if seat.on_duty}
        assert self.core.surge.state is None or on_duty >= set(AGENTS)
        assert self.core.acd.ring_all is (self.core.surge.state is not None)

    @precondition(lambda self: self.asterisk.quiet)
    @invariant()
    def callers_without_a_human_hear_one_thing_and_others_nothing(self) -> None:
        for call in self.core.calls.values():
            if call.phase is Phase.ENDED or call.phase in CALLED_BACK:
                continue
            channel = self.asterisk.channels[call.caller]
            assert channel.up
            playing = self.asterisk.playing.get(call.caller, [])
            heard = len(playing) or channel.music
            humans = self.asterisk.humans_heard_by(call.caller)
            assert heard == (0 if humans else 1), f"{call.phase}: {playing}, {channel}"
            assert playing == ([call.playing] if call.playing else [])
            assert channel.music is call.music

    @precondition(lambda self: self.asterisk.quiet)
    @invariant()
    def those_hear_each_other_who_should(self) -> None:
        for call in self.core.calls.values():
            assert self.asterisk.members(call.bridge) == talkers(call), call.phase
            assert self.asterisk.members(call.aside) == aside(call), call.phase
            assert call.bridged is (call.bridge in self.asterisk.bridges)
            assert call.aside_made is (call.aside in self.asterisk.bridges)

    @precondition(lambda self: self.asterisk.quiet)
    @invariant()
    def whoever_is_on_hold_hears_music_and_nobody_else_does(self) -> None:
        for call in self.core.calls.values():
            if call.phase is not Phase.ENDED:
                held = {party.leg for party in call.standing(Standing.HELD)}
                there = {leg for leg in call.legs if leg in self.asterisk.channels}
                music = {leg for leg in there if self.asterisk.channels[leg].music}
                assert music - {call.caller} == held & there

    @precondition(lambda self: self.asterisk.quiet and not self.asterisk.loses_phones)
    @invariant()
    def every_leg_is_known_on_both_sides(self) -> None:
        known = {leg for call in self.core.calls.values() for leg in call.legs}
        known |= {caller_leg(call) for call in self.core.desks.calls}
        known |= set(self.core.outbound.legs)
        assert known >= self.asterisk.channels.keys()

    @precondition(lambda self: self.asterisk.quiet)
    @invariant()
    def no_phone_rings_or_is_held_for_nothing(self) -> None:
        for call in self.core.calls.values():
            sides = (*call.offers, call.operator, *call.parties, *call.overflows)
            caller = set() if call.phase in NOBODY_RUNG else {call.caller}
            wanted = caller | {side.leg for side in sides if side is not None}
            wanted |= {each.side.leg for each in call.relieved}
            if (supervision := call.supervision) is not None:
                wanted |= {supervision.leg}
                wanted |= {s for s in (supervision.snoop, supervision.coming) if s is not None}
            there = {leg for leg in self.asterisk.channels if call_of(leg) == call.id}
            assert there <= (set() if call.phase is Phase.ENDED else wanted)

    @precondition(lambda self: self.asterisk.quiet)
    @invariant()
    def a_supervisor_hears_and_is_heard_as_their_mode_says(self) -> None:
        for call in self.core.calls.values():
            supervision = call.supervision
            if supervision is None or supervision.mode is None or call.phase is Phase.ENDED:
                continue
            channels = self.asterisk.channels
            by_snoop = {
                channels[each].spied
                for each in self.asterisk.humans_heard_by(supervision.leg)
                if channels[each].role is Role.SNOOP
            }
            spoken_to = self.asterisk.spoken_to_by(supervision.leg)
            operator = {call.operator.leg} if call.operator else set()
            match supervision.mode:
                case Mode.BARGE:
                    assert by_snoop == set()
                    together = aside(call) if call.phase in ASIDE else talkers(call)
                    assert spoken_to == together - {supervision.leg}
                case Mode.LISTEN if supervision.coming is None:
                    assert (by_snoop, spoken_to) == (operator, set())
                case Mode.WHISPER if supervision.coming is None:
                    assert (by_snoop, spoken_to) == (operator, operator)
                case _:
                    assert call.caller not in spoken_to


def agents_of(call: Call) -> list[str]:
    """Operators whom a call keeps busy."""
    seats = [party.seat for party in (*call.parties, *call.overflows) if party.seat]
    sides = (*call.offers, call.operator, *(each.side for each in call.relieved))
    supervisor = [call.supervision.supervisor] if call.supervision else []
    return [*(side.agent for side in sides if side is not None), *seats, *supervisor]


def steps_left(call: Call) -> bool:
    """Whether the ladder goes on: of this one the first step alone can change nothing."""
    asks = not call.any_skills and (call.language != "id" or call.category == "medis")
    return any(asks or rung.step != "wider-skills" for rung in LADDER[call.rungs :])


def talkers(call: Call) -> set[LegId]:
    """Who is to be in a call's bridge."""
    operator = {call.operator.leg} if call.operator else set()
    if call.supervision and call.supervision.mode is Mode.BARGE:
        operator |= {call.supervision.leg}
    joined = {party.leg for party in call.standing(Standing.JOINED)}
    together = {call.caller} | joined if joined else set()
    return {
        Phase.TALKING: {call.caller} | operator,
        Phase.CALLING_BACK: operator,
        Phase.CALL_BACK_FAILED: operator,
        Phase.HELD: operator | joined,
        Phase.CONFERENCE: {call.caller} | operator | joined,
        Phase.CONSULT_RINGING: together,
        Phase.CONSULT: together,
        Phase.RETURNING: together,
        Phase.BLIND_RINGING: set(),
        Phase.HANDED_OVER: {call.caller} | joined | operator,
    }.get(call.phase, set())


def aside(call: Call) -> set[LegId]:
    """Who is to speak with the operator without the caller."""
    if call.operator is None or call.phase not in ASIDE:
        return set()
    barges = call.supervision is not None and call.supervision.mode is Mode.BARGE
    supervisor = {call.supervision.leg} if call.supervision is not None and barges else set()
    consulted = {each.leg for each in call.standing(Standing.CONSULTED)}
    return {call.operator.leg} | consulted | supervisor
