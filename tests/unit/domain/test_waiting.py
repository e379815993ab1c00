"""In the queue: rung for at once, told the truth, never in silence, never given up."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from ess_pbx.domain.call import Phase
from ess_pbx.domain.config import Centre
from ess_pbx.domain.effects import (
    Answer,
    CreateBridge,
    HangUp,
    Join,
    Originate,
    PlayPrompt,
    Role,
    StartMusic,
    StopMusic,
    StopPlayback,
)
from ess_pbx.domain.events import OperatorsMissing, PlaybackEnded
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.ids import bridge_of
from ess_pbx.domain.ringing import reason_of
from ess_pbx.simulation.virtual_asterisk import VirtualAsterisk

from .centre import CALL, CENTRE, NO_MENU, OTHER, of, requests
from .given import talking, waiting
from .story import Story

CLEARED = {"alarm": "no-operator:umum", "detail": "umum"}


def test_without_a_menu_the_operators_phone_is_the_first_request_of_all() -> None:
    story = Story(NO_MENU)

    story.arrives()

    asked = requests(story.effects)
    # Music is asked for at once: it follows the greeting even if we are dead by then.
    order = [Originate, Answer, PlayPrompt, StartMusic]
    assert [type(request) for request in asked] == order
    assert asked[0] == Originate(
        call=CALL,
        leg=story.operator,
        role=Role.OPERATOR,
        address="2001",
        number="+628123456789",
        name="Lainnya",
        timeout=17,
    )
    assert story.armed("ring") == 12
    assert story.armed("comfort") == 20


@pytest.mark.parametrize("config", [CENTRE, NO_MENU], ids=["menu", "queue"])
def test_music_follows_the_greeting_though_no_engine_is_there_when_it_ends(config: Centre) -> None:
    story = Story(config)
    story.arrives()
    asterisk = VirtualAsterisk()
    asterisk.calls(CALL)
    for effect in story.effects:
        if isinstance(effect, Answer | PlayPrompt | StartMusic | StopMusic):
            asterisk.requests.append(effect)
    while asterisk.requests:
        asterisk.carry_out()
    assert story.call.playing is not None

    asterisk.playback_over(story.call.playing)

    assert asterisk.playing == {}
    assert asterisk.channels[story.call.caller].music


def test_without_a_greeting_a_waiting_caller_hears_music() -> None:
    story = Story(replace(NO_MENU, greeting=None))

    story.arrives()

    assert story.hears[CALL] == ["music"]


def test_ringing_and_offers_are_on_record() -> None:
    story = waiting()

    story.rings(story.operator)
    story.rings("x~op9")

    leg = story.operator
    assert story.facts(FactKind.OFFERED) == [{"agent": "2001", "leg": leg}]
    assert story.facts(FactKind.OPERATOR_RUNG) == [{"agent": "2001", "leg": leg}]
    [queued] = story.facts(FactKind.QUEUED)
    assert (queued["queue"], queued["priority"]) == ("umum", 5)


def test_an_operator_who_answers_has_the_caller_on_the_bridge() -> None:
    story = waiting()
    operator, playing = story.operator, story.call.playing
    assert playing is not None

    story.answers(operator)

    bridge = bridge_of(CALL)
    asked = requests(story.effects)
    assert asked == [
        StopPlayback(playing),
        StopMusic(story.call.caller),
        CreateBridge(bridge),
        Join(bridge, (story.call.caller, operator)),
    ]
    assert story.phase() is Phase.TALKING
    assert story.hears[CALL] == []
    assert story.armed("ring") is None
    assert story.armed("comfort") is None
    assert story.facts(FactKind.OPERATOR_ANSWERED) == [{"agent": "2001", "leg": operator}]
    assert story.core.acd.waiting == {}


def test_music_stops_when_a_human_comes() -> None:
    story = waiting()
    story.prompt_over()

    story.answers(story.operator)

    assert of(story.effects, StopMusic) == [StopMusic(story.call.caller)]


def test_a_phone_that_is_not_answered_is_hung_up_and_the_next_one_rings() -> None:
    story = waiting(phones=("2001", "2002"))
    first = story.operator

    story.after(11.9)
    assert story.operator == first
    story.after(0.2)

    assert story.facts(FactKind.OFFER_MISSED) == [
        {"agent": "2001", "leg": first, "reason": "no answer"}
    ]
    assert HangUp(first) in story.effects
    assert story.effects.index(HangUp(first)) < story.effects.index(story.rung)
    assert story.rung.address == "2002"
    assert story.armed("ring") == pytest.approx(11.9)


def test_an_operator_alone_rings_again_after_the_pause() -> None:
    story = waiting()

    story.after(12.1)
    assert story.call.offers == ()
    story.after(5)

    assert len(story.facts(FactKind.OFFERED)) == 2
    assert story.rung.address == "2001"


@pytest.mark.parametrize(
    ("cause", "reason"), [(17, "busy"), (21, "refused"), (20, "not registered"), (1, "failed")]
)
def test_a_phone_that_refuses_is_passed_over_at_once(cause: int, reason: str) -> None:
    story = waiting(phones=("2001", "2002"))
    first = story.operator

    story.gone(first, cause)

    [missed] = story.facts(FactKind.OFFER_MISSED)
    assert missed["reason"].startswith(reason)
    assert story.rung.address == "2002"
    assert first not in story.call.legs


def test_causes_are_told_in_words() -> None:
    assert reason_of(19) == "no answer"
    assert reason_of(44) == "failed (cause 44)"


def test_a_phone_picked_up_after_its_offer_passed_on_is_hung_up() -> None:
    story = waiting(phones=("2001", "2002"))
    first = story.operator
    story.after(12.1)

    story.answers(first)

    assert story.effects == [HangUp(first)]
    assert story.phase() is Phase.WAITING


def test_the_late_end_of_a_missed_offer_does_not_touch_the_next() -> None:
    story = waiting(phones=("2001", "2002"))
    first = story.operator
    story.after(12.1)

    story.gone(first, 19)

    assert story.operator != first
    assert len(story.facts(FactKind.OFFER_MISSED)) == 1


def test_a_waiting_caller_is_never_in_silence() -> None:
    story = waiting(phones=("2001",))
    for _ in range(40):
        if story.call.playing:
            story.prompt_over()
        assert len(story.hears[CALL]) == 1
        story.after(7)
        assert len(story.hears[CALL]) == 1
    assert story.phase() is Phase.WAITING


def test_the_comfort_announcement_comes_again_and_again() -> None:
    story = waiting()
    story.prompt_over()
    for _ in range(3):
        story.after(19)
        assert story.hears[CALL] == ["music"]
        story.after(1)
        assert story.hears[CALL] == ["antrean-nomor-1"]
        story.prompt_over()
        assert story.hears[CALL] == ["antrean-lanjut"]
        story.prompt_over()


def test_the_end_of_a_prompt_that_was_cut_off_does_not_cut_the_next() -> None:
    story = waiting()
    cut = story.call.playing
    assert cut is not None
    story.feed(OperatorsMissing(CALL))

    story.feed(PlaybackEnded(CALL, cut))

    assert story.effects == []
    assert story.hears[CALL] == ["tidak-ada-operator"]


def test_comfort_does_not_talk_over_another_announcement() -> None:
    story = waiting()

    story.after(20.1)

    assert story.hears[CALL] == ["selamat-datang"]
    assert story.armed("comfort") == pytest.approx(19.9)


def test_without_any_operator_the_caller_is_told_and_waits() -> None:
    story = waiting(phones=())

    assert story.facts(FactKind.NO_OPERATOR) == [{"queue": "umum"}]
    assert story.facts(FactKind.ALARM_RAISED) == [{"alarm": "no-operator:umum", "detail": "umum"}]
    assert story.hears[CALL] == ["tidak-ada-operator"]
    story.after(3600)
    assert story.phase() is Phase.WAITING
    story.prompt_over()
    assert story.hears[CALL] == ["music"]


def test_what_was_begun_is_asked_of_asterisk_before_it_is_stopped() -> None:
    story = Story(NO_MENU, phones=())

    story.arrives()

    # The greeting of this same turn, cut short by the news that nobody is there.
    sound = [e for e in story.effects if isinstance(e, Answer | PlayPrompt | StopPlayback)]
    assert [type(effect) for effect in sound] == [Answer, PlayPrompt, StopPlayback, PlayPrompt]
    assert story.call.playing == of(sound, PlayPrompt)[-1].playback


def test_the_first_operator_to_come_gets_who_waited_without_one() -> None:
    story = waiting(phones=())

    story.phone("2002")

    assert story.rung.address == "2002"
    assert story.facts(FactKind.ALARM_CLEARED) == [CLEARED]


def test_callers_whose_last_operator_goes_are_told() -> None:
    story = talking()
    story.arrives(OTHER)
    assert story.facts(FactKind.NO_OPERATOR) == []

    story.at(16)

    assert story.facts(FactKind.NO_OPERATOR) == [{"queue": "umum"}]
    assert story.hears[OTHER] == ["tidak-ada-operator"]
    assert story.phase() is Phase.TALKING


def test_a_caller_whose_phone_rings_is_not_told_that_nobody_is_there() -> None:
    story = waiting()

    story.phone("2001", there=False)
    assert story.facts(FactKind.NO_OPERATOR) == []
    story.gone(story.operator, 20)

    assert story.facts(FactKind.NO_OPERATOR) == [{"queue": "umum"}]
    assert len(story.facts(FactKind.ALARM_RAISED)) == 1


def test_keys_of_a_waiting_caller_are_recorded_and_nothing_else() -> None:
    story = waiting()

    story.presses("5")
    assert len(story.effects) == 1
    story.presses("5", story.operator)

    assert story.effects == []
    assert story.facts(FactKind.KEY_PRESSED) == [{"key": "5", "menu": None}]


def test_a_caller_who_leaves_while_a_phone_rings_frees_phone_and_operator() -> None:
    story = waiting()
    operator = story.operator

    story.gone(CALL)

    assert HangUp(operator) in story.effects
    assert story.facts(FactKind.CALL_ENDED)[0]["reason"] == "abandoned"
    assert story.core.acd.seats["2001"].free
    story.gone(operator, 0)
    assert story.core.calls == {}


def test_a_phone_is_hung_up_before_it_rings_for_the_next_caller() -> None:
    story = waiting()
    operator = story.operator
    story.arrives(OTHER)

    story.gone(CALL)

    assert story.rung.call == OTHER
    assert story.rung.address == "2001"
    assert story.effects.index(HangUp(operator)) < story.effects.index(story.rung)


def test_who_waited_before_any_engine_took_the_call_keeps_the_age() -> None:
    story = waiting(phones=())
    story.after(5.0)
    invited_at = story.core.wall(story.now) - 20.0

    story.arrives(OTHER, invited_at=invited_at)
    story.answers(OTHER)
    story.phone("2001")

    assert [each.call for each in of(story.effects, Originate)] == [OTHER]


@pytest.mark.parametrize("ago", [-7200.0, -1.0, 3600.0, 1e9])
def test_a_clock_that_was_set_makes_nobody_older(ago: float) -> None:
    story = waiting(phones=())
    story.after(5.0)

    story.arrives(OTHER, invited_at=story.core.wall(story.now) - ago)
    story.answers(OTHER)
    story.phone("2001")

    assert [each.call for each in of(story.effects, Originate)] == [CALL]
