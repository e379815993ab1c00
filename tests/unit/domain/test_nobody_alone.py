"""Nobody is alone in a bridge, where Asterisk would tell their keys twice (docs/decisions/0024)."""

from __future__ import annotations

import pytest

from ess_pbx.domain.call import Phase
from ess_pbx.domain.effects import (
    Join,
    Part,
    PlayPrompt,
    Sound,
    StartSound,
    StopPlayback,
    StopSound,
)
from ess_pbx.domain.ids import LegId, bridge_of
from ess_pbx.simulation.virtual_asterisk import VirtualAsterisk, arrival

from .centre import CALL, CALLER, of
from .given import conference, consult_ringing, held, talking
from .story import Story

BRIDGE = bridge_of(CALL)


def test_an_operator_who_holds_the_caller_is_in_no_bridge_and_gets_silence() -> None:
    story = talking()
    operator = story.operator

    story.presses("*0#", operator)

    assert of(story.effects, Part) == [Part(BRIDGE, CALLER), Part(BRIDGE, operator)]
    assert of(story.effects, StartSound) == [StartSound(operator, Sound.SILENCE)]
    story.presses("*0#", operator)
    joined = [Join(BRIDGE, (CALLER,)), Join(BRIDGE, (operator,))]
    assert [each for each in story.effects if isinstance(each, Join | StopSound)] == [
        StopSound(operator, Sound.SILENCE),
        *joined,
    ]


def test_who_has_somebody_else_to_speak_with_stays_with_them_while_the_caller_is_held() -> None:
    story = conference()
    agency, operator = story.agency, story.operator

    story.presses("*0#", operator)

    assert story.together(operator) == {operator, agency}
    assert of(story.effects, StartSound) == []


def test_the_ringing_is_heard_again_after_a_code_was_refused() -> None:
    story = consult_ringing()
    operator = story.operator

    story.presses("*3#", operator)

    [told] = of(story.effects, PlayPrompt)
    assert (told.target, told.prompt) == (operator, "instansi-belum-menjawab")
    assert of(story.effects, StartSound) == []
    story.played(told.playback)
    assert of(story.effects, StartSound) == [StartSound(operator, Sound.RING)]


def test_an_agency_that_answers_cuts_short_why_a_code_was_refused() -> None:
    story = consult_ringing()
    story.presses("*4#", story.operator)
    [told] = of(story.effects, PlayPrompt)

    story.answers(story.agency)

    begin = story.effects.index(StopPlayback(told.playback))
    assert begin < story.effects.index(of(story.effects, Join)[0])
    story.played(told.playback)
    assert of(story.effects, StartSound) == []
    assert story.phase() is Phase.CONSULT


@pytest.mark.parametrize("given", [held, consult_ringing])
def test_silence_and_ringing_end_with_the_operators_leg(given: type[Story]) -> None:
    story = given()
    operator = story.operator

    story.gone(operator)

    assert story.call.sound is None
    assert of(story.effects, StopSound) == []
    assert story.phase() is Phase.WAITING


def test_the_virtual_asterisk_tells_keys_again_that_were_pressed_alone_in_a_bridge() -> None:
    asterisk = VirtualAsterisk(arrivals=arrival)
    operator = LegId(f"{CALL}~op1")
    asterisk.calls(CALL)
    asterisk.channels[operator] = type(asterisk.channels[CALLER])(
        asterisk.channels[CALLER].role, "2001", up=True
    )
    asterisk.bridges.add(BRIDGE)
    asterisk.requests.append(Join(BRIDGE, (operator,)))
    asterisk.carry_out()
    for key in "*0#":
        asterisk.presses(operator, key)
    asterisk.events.clear()

    asterisk.requests.append(Join(BRIDGE, (CALLER,)))
    asterisk.carry_out()

    assert "".join(getattr(each, "key", "") for each in asterisk.events) == "*0#"
