"""The simulation's Asterisk beside the real one: the same scenes, and the core hears the same.

Compared are, for the call, the events of its legs in their order, with their causes; what Asterisk
held whenever an engine came back; what the dialplan told of calls that no engine had; which kinds
of facts are on record; of sounds, that each begins at most once and ends once, whatever stops it.
Not compared are

- which sounds begin, which follows from how long others last;
- when the caller is answered beside when a phone rings: the phone takes its time for its 180;
- speech, which the virtual callers do not need;
- the order in which legs go that are hung up together, and in which legs ring that were rung
  together: each is a thread of its own in Asterisk.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from msgspec.structs import replace

from ess_pbx.domain.commands import Mode
from ess_pbx.domain.config import Outbound, OutboundRole, Policy, Rung
from ess_pbx.domain.facts import FactKind
from ess_pbx.simulation.story import Reaction

from .real_scene import Real
from .scenes import ALLOWED, FORBIDDEN, NUMBER, Scene, kinds
from .story import QUICK, GivenCentre
from .virtual_scene import Virtual

pytestmark = pytest.mark.asterisk

POLICY = replace(QUICK, ring=6, agency_ring=6, silent_after=0, comfort=60)
"""It rings long enough to be picked up on a busy machine."""
WAYS_OF_A_SOUND = (["PlaybackBegan", "PlaybackEnded"], ["PlaybackEnded"])
"""One that is stopped in the moment it was asked for never begins."""
OPERATORS, SUPERVISOR = ("1001", "1002"), "1007"
ANSWERS = Reaction(after=0.2)
BUSY = Reaction(after=0.0, does="refuses", cause=17)
RINGS_LONG = Reaction(after=20.0)
OVERFLOWS = replace(
    POLICY,
    ring=30,
    agency_ring=30,
    ladder=(Rung(after=2, step="overflow", to="pusat-tetangga", prompt="antrean-pusat-lain"),),
)
CALLS_BACK = replace(POLICY, call_back=True, call_back_after=0.0)


@dataclass(frozen=True)
class Play:
    """A scene, and what it needs."""

    scene: Callable[[Scene], Awaitable[None]]
    phones: tuple[str, ...] = ()
    menu: bool = False
    rings_all: bool = False
    agency: Reaction = ANSWERS
    """Of all agencies."""
    policy: Policy = POLICY


async def hangs_up_in_the_greeting(scene: Scene) -> None:
    await scene.caller_dials(FactKind.GREETING_STARTED)
    await scene.caller_hangs_up()


async def chooses_and_hangs_up_in_the_queue(scene: Scene) -> None:
    await scene.caller_dials(FactKind.GREETING_STARTED)
    await scene.caller_presses("1", FactKind.QUEUED)
    await scene.caller_hangs_up()


async def hangs_up_while_a_phone_rings(scene: Scene) -> None:
    await scene.caller_dials(FactKind.OPERATOR_RUNG)
    await scene.caller_hangs_up()


async def is_answered_and_hangs_up(scene: Scene) -> None:
    await scene.caller_dials(FactKind.OPERATOR_RUNG)
    await scene.answers("1001", FactKind.OPERATOR_ANSWERED)
    await scene.caller_hangs_up()


async def is_missed_then_answered_and_the_operator_hangs_up(scene: Scene) -> None:
    await scene.caller_dials(FactKind.OPERATOR_RUNG)
    await scene.waits_for(FactKind.OFFER_MISSED, agent="1001")
    await scene.answers("1002", FactKind.OPERATOR_ANSWERED)
    await scene.operator_hangs_up("1002")


async def speaks_with_the_agency_after_a_conference(scene: Scene) -> None:
    await is_with_an_operator(scene)
    await scene.dials("1001", "*119#", FactKind.PARTY_CONSULTED)
    await scene.dials("1001", "*3#", FactKind.CONFERENCE)
    await scene.dials("1001", "*4#", FactKind.OPERATOR_LEFT)
    await scene.caller_hangs_up()


async def has_the_operator_back_whose_agency_is_busy(scene: Scene) -> None:
    await is_with_an_operator(scene)
    await scene.dials("1001", "*119#", FactKind.CONSULT_FAILED)
    await scene.waits_for(FactKind.BACK_TO_CALLER)
    await scene.caller_hangs_up()


async def is_held_and_taken_back(scene: Scene) -> None:
    await is_with_an_operator(scene)
    await scene.dials("1001", "*0#", FactKind.HELD)
    await scene.dials("1001", "*0#", FactKind.UNHELD)
    await scene.caller_hangs_up()


async def is_with_an_operator(scene: Scene) -> None:
    await scene.caller_dials(FactKind.OPERATOR_RUNG)
    await scene.answers("1001", FactKind.OPERATOR_ANSWERED)


async def rings_all_and_one_picks_up(scene: Scene) -> None:
    await scene.caller_dials(FactKind.OPERATOR_RUNG)
    await scene.waits_for(FactKind.OPERATOR_RUNG, agent="1001")
    await scene.waits_for(FactKind.OPERATOR_RUNG, agent="1002")
    await scene.answers("1002", FactKind.OPERATOR_ANSWERED)
    await scene.caller_hangs_up()


async def reaches_a_neighbouring_centre_while_a_phone_rings(scene: Scene) -> None:
    await scene.caller_dials(FactKind.OPERATOR_RUNG)
    await scene.waits_for(FactKind.OVERFLOW_STARTED)
    await scene.waits_for(FactKind.AGENCY_ANSWERED)
    await scene.is_gone("op2")
    await scene.caller_hangs_up()


async def is_answered_while_a_neighbouring_centre_rings(scene: Scene) -> None:
    await scene.caller_dials(FactKind.OPERATOR_RUNG)
    await scene.waits_for(FactKind.AGENCY_RUNG)
    await scene.answers("1001", FactKind.OPERATOR_ANSWERED)
    await scene.is_gone("ag3")
    await scene.caller_hangs_up()


async def is_taken_over_by_a_supervisor(scene: Scene) -> None:
    await is_with_an_operator(scene)
    await scene.supervises(SUPERVISOR, Mode.TAKE_OVER)
    await scene.picks_up(SUPERVISOR)
    await scene.waits_for(FactKind.TAKEN_OVER, agent=SUPERVISOR)
    await scene.is_gone("op2")
    await scene.caller_hangs_up()


async def is_taken_over_by_a_supervisor_who_listened(scene: Scene) -> None:
    await is_with_an_operator(scene)
    await scene.supervises(SUPERVISOR, Mode.LISTEN)
    await scene.picks_up(SUPERVISOR)
    await scene.waits_for(FactKind.SUPERVISION_MODE, mode=Mode.LISTEN)
    await scene.supervises(SUPERVISOR, Mode.TAKE_OVER)
    await scene.is_gone("sn4")
    await scene.is_gone("op2")
    await scene.operator_hangs_up(SUPERVISOR)


async def is_called_back_and_hangs_up(scene: Scene) -> None:
    await scene.caller_dials(FactKind.NO_OPERATOR)
    await scene.caller_hangs_up()
    await scene.phone_outside(answers_after=1.0)
    await scene.registers("1001")
    await scene.picks_up("1001")
    await scene.waits_for(FactKind.CALL_BACK_ATTEMPTED, outcome="reached")
    await scene.operator_hangs_up("1001")


async def is_called_by_an_operator(scene: Scene) -> None:
    await scene.phone_outside(answers_after=1.0)
    await scene.calls_out("1001", ALLOWED, FactKind.OUTBOUND_ANSWERED)
    await scene.operator_hangs_up("1001")


async def may_not_be_called_by_an_operator(scene: Scene) -> None:
    await scene.calls_out("1001", FORBIDDEN, FactKind.OUTBOUND_REFUSED)
    await scene.is_over()


async def has_an_operator_without_an_engine(scene: Scene) -> None:
    await scene.engine_goes()
    await scene.caller_dials_in_vain("1001")
    await scene.picks_up("1001")
    await scene.gives_up()
    await scene.engine_comes()
    await scene.waits_for(FactKind.CALL_IMPORTED)


async def leaves_without_an_engine(scene: Scene) -> None:
    await scene.engine_goes()
    await scene.caller_dials_in_vain("1001")
    await scene.gives_up()
    await scene.engine_comes()
    await scene.waits_for(FactKind.CALL_IMPORTED)


async def is_claimed_after_a_phone_rang_without_an_engine(scene: Scene) -> None:
    await scene.engine_goes()
    await scene.caller_dials_in_vain("1001")
    await scene.engine_comes()
    await scene.answers("1001", FactKind.OPERATOR_ANSWERED)
    assert FactKind.CALL_ANSWERED in kinds(scene.facts)
    await scene.caller_hangs_up()


async def talks_on_from_engine_to_engine(scene: Scene) -> None:
    await is_with_an_operator(scene)
    await scene.engine_goes()
    await scene.engine_comes()
    await scene.waits_for(FactKind.CALL_ADOPTED)
    await scene.caller_hangs_up()


async def leaves_while_the_line_is_cut(scene: Scene) -> None:
    await is_with_an_operator(scene)
    await scene.line_breaks()
    await scene.gives_up()
    await scene.line_comes_back()
    await scene.is_over()


async def has_the_agency_while_the_line_is_cut(scene: Scene) -> None:
    await is_with_an_operator(scene)
    await scene.dials("1001", "*119#", FactKind.PARTY_CONSULTED)
    await scene.line_breaks()
    await scene.line_comes_back()
    await scene.dials("1001", "*3#", FactKind.CONFERENCE)
    await scene.caller_hangs_up()


ONE, TWO = OPERATORS[:1], OPERATORS
PLAYS = [
    Play(hangs_up_in_the_greeting),
    Play(chooses_and_hangs_up_in_the_queue, menu=True),
    Play(hangs_up_while_a_phone_rings, ONE),
    Play(is_answered_and_hangs_up, ONE),
    Play(is_missed_then_answered_and_the_operator_hangs_up, TWO),
    Play(speaks_with_the_agency_after_a_conference, ONE),
    Play(is_held_and_taken_back, ONE),
    Play(has_the_operator_back_whose_agency_is_busy, ONE, agency=BUSY),
    Play(rings_all_and_one_picks_up, TWO, rings_all=True),
    Play(reaches_a_neighbouring_centre_while_a_phone_rings, ONE, policy=OVERFLOWS),
    Play(is_answered_while_a_neighbouring_centre_rings, ONE, policy=OVERFLOWS, agency=RINGS_LONG),
    Play(is_taken_over_by_a_supervisor, (*ONE, SUPERVISOR)),
    Play(is_taken_over_by_a_supervisor_who_listened, (*ONE, SUPERVISOR)),
    Play(is_called_back_and_hangs_up, policy=CALLS_BACK),
    Play(is_called_by_an_operator, ONE),
    Play(may_not_be_called_by_an_operator, ONE),
    Play(has_an_operator_without_an_engine, ONE),
    Play(leaves_without_an_engine, TWO),
    Play(is_claimed_after_a_phone_rang_without_an_engine, TWO),
    Play(talks_on_from_engine_to_engine, ONE),
    Play(leaves_while_the_line_is_cut, ONE),
    Play(has_the_agency_while_the_line_is_cut, ONE),
]


@pytest.mark.parametrize("play", PLAYS, ids=lambda play: play.scene.__name__)
async def test_the_virtual_asterisk_tells_what_the_real_one_tells(
    given_centre: GivenCentre, monkeypatch: pytest.MonkeyPatch, play: Play
) -> None:
    real, virtual = await given_both(given_centre, monkeypatch, play)

    await play.scene(real)
    await play.scene(virtual)

    assert virtual.heard.legs == real.heard.legs
    assert virtual.heard.parts == real.heard.parts
    for leg in real.heard.parts:
        assert virtual.heard.own(leg) == real.heard.own(leg)
    assert virtual.heard.found == real.heard.found
    assert virtual.heard.served == real.heard.served
    assert kinds(virtual.facts) == kinds(real.facts)
    for heard in (real.heard, virtual.heard):
        for sound, told in heard.sounds.items():
            assert told in WAYS_OF_A_SOUND, sound


async def given_both(
    given_centre: GivenCentre, patch: pytest.MonkeyPatch, play: Play
) -> tuple[Real, Virtual]:
    options: dict[str, Any] = {} if play.menu else {"first_menu": None}
    may_call = OutboundRole(allow=(NUMBER,))
    story = await given_centre(
        on_duty=OPERATORS,
        policy=play.policy,
        outbound=Outbound(trunk="telco-a", operator=may_call),
        started=False,
        **options,
    )
    if play.rings_all:
        (centre,) = story.settings.centres
        queues = tuple(replace(queue, strategy="ring-all") for queue in centre.queues)
        story.settings = replace(story.settings, centres=(replace(centre, queues=queues),))
        story.installation = type(story.installation)(story.settings)
    real = Real(story, patch)
    await story.given_it_runs()
    if play.agency is BUSY:
        await story.given_agency("uas-agency-busy")
    else:
        await story.given_agency(answer_after=play.agency.after)
    await story.given_operators(*play.phones)
    agencies = {f"{each.contact}#0": play.agency for each in story.centre.agencies}
    return real, Virtual(story.centre, play.phones, agencies)
