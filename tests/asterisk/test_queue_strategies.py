"""Skills on the real Asterisk: who chose medical help reaches an operator who can give it."""

from __future__ import annotations

import socket

import pytest
from msgspec.structs import replace

from ess_pbx.asterisk.free_ports import free_port
from ess_pbx.demo.stage import sample
from ess_pbx.domain.config import Rung
from ess_pbx.domain.facts import FactKind
from ess_pbx.installation import Installation
from ess_pbx.phones.softphone import Answer

from .story import QUICK, SOON, GivenCentre

pytestmark = pytest.mark.asterisk

LAYMAN, MEDIC = "1002", "1001"
PATIENT = replace(QUICK, ring=10)
"""Nobody misses an offer because the machine is busy."""


def test_the_sample_centre_has_what_is_tested_here() -> None:
    centre = sample().centre_named()
    skills = {operator.extension: operator.skills for operator in centre.operators}

    assert [each.skills for each in centre.categories if each.id == "medis"] == [("medis",)]
    assert "medis" in skills[MEDIC]
    assert "medis" not in skills[LAYMAN]


async def test_a_caller_reaches_who_has_the_skill_though_another_is_idle_longer(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre(policy=PATIENT)
    await story.given_operators(LAYMAN, MEDIC, behaviour=Answer(0.1))

    caller = await story.when_caller_dials()
    await caller.chooses("1")
    operator = await story.phones.incoming(MEDIC, SOON)

    await story.assert_they_talk(caller, operator)
    assert [fact.data["agent"] for fact in story.told_of(FactKind.OFFERED)] == [MEDIC]


async def test_while_who_has_the_skill_talks_the_next_such_caller_waits_and_then_reaches_anyone(
    given_centre: GivenCentre,
) -> None:
    policy = replace(PATIENT, ladder=(Rung(after=4, step="wider-skills"),))
    story = await given_centre(started=False, policy=policy)
    trunk = story.settings.trunks[0]
    second_trunk = replace(trunk, id="telco-b", port=free_port(socket.SOCK_DGRAM))
    story.settings = replace(story.settings, trunks=(trunk, second_trunk))
    story.installation = Installation(story.settings)
    await story.given_it_runs()
    await story.given_operators(LAYMAN, MEDIC, behaviour=Answer(0.1))
    first = await story.when_caller_dials()
    await first.chooses("1")
    await story.phones.incoming(MEDIC, SOON)

    second = await story.when_caller_dials(number="+6281234567891", from_port=second_trunk.port)
    await second.chooses("1")
    operator = await story.phones.incoming(LAYMAN, 2 * SOON)

    await story.assert_they_talk(second, operator)
    step = await story.assert_fact(FactKind.LADDER_STEP, step="wider-skills")
    offered = await story.assert_fact(FactKind.OFFERED, agent=LAYMAN)
    assert step.ms is not None
    assert offered.ms is not None
    assert 4000 <= step.ms <= offered.ms
