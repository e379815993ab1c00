"""A thousand histories, and those that once failed."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection

from ess_pbx.db import projector
from ess_pbx.db.projector import _stored_position as stored_position
from ess_pbx.domain import absence, acd, ids, parties, silence, supervising, transfer, waiting
from ess_pbx.domain.call import Turn
from ess_pbx.domain.effects import ReleaseAgent, Snoop, StopPlayback
from ess_pbx.domain.hand_overs import HandOvers
from ess_pbx.domain.ids import LegId, PlaybackId
from ess_pbx.domain.outbound import OutboundCalls
from ess_pbx.domain.recording_pause import RecordingPauses
from ess_pbx.domain.recording_watch import RecordingWatch
from ess_pbx.domain.taking_over import TakingOver
from ess_pbx.engine import fallback
from ess_pbx.errors import EssPbxError
from ess_pbx.simulation import dialplan, rest
from ess_pbx.simulation.authors import story_of
from ess_pbx.simulation.run import explain, simulate, simulate_all
from ess_pbx.simulation.story import Calls, Setting, Story, Trouble, load, save
from ess_pbx.simulation.world import World

SEEDS = 1000
CHUNK = 50
KEPT = sorted((Path(__file__).parent / "stories").glob("*.json"))


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_whatever_people_phones_and_faults_do_it_holds(first: int) -> None:
    tally = simulate(range(first, first + CHUNK))

    assert tally.seeds == CHUNK
    shown = [
        "\n".join([f"seed {each.seed}: {each.broken}", *map(str, each.story.steps), *each.told])
        for each in tally.failures
    ]
    assert not shown, "\n\n".join(shown)


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_what_failed_once_holds(path: Path) -> None:
    outcome = World(load(path), tells=True).run()

    assert outcome.broken is None, "\n".join(outcome.told)


def test_several_processes_find_what_one_finds() -> None:
    done: list[int] = []

    tally = simulate_all(range(60), 2, done.append)

    alone = simulate(range(60))
    assert (tally.seeds, tally.calls, tally.steps) == (60, alone.calls, alone.steps)
    assert sum(done) == 60


def test_a_process_that_is_killed_is_an_error_and_not_waited_for() -> None:
    def kills(_: int) -> None:
        for process in multiprocessing.active_children():
            process.kill()

    with pytest.raises(EssPbxError, match="a process of the simulation was killed"):
        simulate_all(range(2000), 2, kills)


@pytest.mark.parametrize("seed", range(0, 40))
def test_one_seed_is_one_history(seed: int) -> None:
    one, other = (World(story_of(seed), tells=True).run() for _ in range(2))

    assert one.told == other.told
    assert one == other


def test_a_story_that_says_all_is_the_history_of_its_seed(tmp_path: Path) -> None:
    of_seed = World(story_of(3), tells=True).run()
    save(replace(story_of(3), reactions=of_seed.reactions), tmp_path / "story.json")

    told = World(load(tmp_path / "story.json"), tells=True).run()

    assert told.told == of_seed.told


def test_the_seeds_meet_what_they_should() -> None:
    """Or else nothing would fail because nothing happens."""
    kinds: set[str] = set()
    for seed in range(120):
        world = World(story_of(seed))
        world.run()
        kinds |= {str(fact.kind) for fact in world.facts}
    assert kinds >= {
        *("call_ended", "operator_answered", "offer_missed", "ladder_step", "silent_caller"),
        *("consult_started", "conference", "operator_left", "consult_failed", "back_to_caller"),
        *("overflow_started", "call_back_dialled", "redial", "no_operator", "agent_status"),
        *("supervision_mode", "taken_over", "supervision_ended", "call_pulled", "agent_moved"),
        *("outbound_answered", "outbound_refused", "recording_paused", "recording_resumed"),
        *("report_opened", "report_received", "call_handed_over", "call_marked", "held"),
        *("colleague_answered", "party_held", "blind_transfer", "contact_passed_over"),
        *("recording_finished", "recording_failed"),
    }


def release_first(turn: Turn) -> None:
    """As it was once: whoever is freed has the next call before this one waits again."""
    operator = turn.call.operator
    if operator is not None:
        turn.do(ReleaseAgent(turn.call.id, operator.agent))
    silence.leave(turn)
    turn.part(turn.call.caller)
    for party in turn.call.parties:
        parties.drop(turn, party, "the operator left")
    waiting.requeue(turn)


def test_a_bug_that_was_there_once_is_found_and_its_story_shortened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transfer, "requeue", release_first)
    outcomes = (World(story_of(seed)).run() for seed in seeds_from(330))
    failing = next(each for each in outcomes if "is before it" in str(each.broken))

    failure = explain(failing)

    assert "is before it" in failure.broken
    assert len(failure.story.steps) < len(failing.story.steps)
    assert not any(isinstance(step, Trouble) for step in failure.story.steps), "no fault is needed"


def seeds_from(first: int) -> Iterator[int]:
    """Many seeds, from one on that was seen to be enough: to look for it takes a minute."""
    return iter((*range(first, 2000), *range(first)))


def everything_is_allowed(*_: object) -> None:
    """No number is refused any more."""


def is_never_over(*_: object, **__: object) -> None:
    """A supervisor stays whatever happens to the call."""


def whispers_always(target: LegId, snoop: LegId, *, whisper: bool) -> Snoop:
    """Whoever listens is heard by the operator."""
    return Snoop(target, snoop, whisper or True)


def hangs_nobody_up(_: LegId) -> StopPlayback:
    """Whoever is to be hung up stays."""
    return StopPlayback(PlaybackId("n-0~pb0"))


def rings_nobody(*_: object) -> str:
    """The list of phones is empty."""
    return ""


def nothing_is_done(*_: object) -> list[object]:
    """As if nothing had to be."""
    return []


def nobody_spoke(*_: object) -> bool:
    """A call of which nothing was recorded has no alarm."""
    return False


@pytest.mark.parametrize(
    ("where", "what", "otherwise", "seen", "first"),
    [
        (ids, "side_bridge", ids.bridge_of, "where the caller is or may come", 0),
        (OutboundCalls, "_refusal", everything_is_allowed, "may not call", 0),
        (
            acd.Acd,
            "adopt_talking",
            nothing_is_done,
            "two operators in one bridge, or one in two",
            0,
        ),
        (supervising, "over", is_never_over, "is with nobody for more than", 320),
        (supervising, "Snoop", whispers_always, "was to listen", 79),
        (supervising, "HangUp", hangs_nobody_up, "are beside", 1382),
        (RecordingPauses, "clock", nothing_is_done, "nothing is recorded for more than", 0),
        (HandOvers, "_due", nothing_is_done, "and not its report", 0),
        (OutboundCalls, "_seen", nothing_is_done, "~out has heard nothing for", 0),
        (fallback, "dial_string", rings_nobody, "rings nobody, and", 0),
        (dialplan, "AT_ONCE", 0, "rings nobody, and", 0),
        (dialplan, "CLAIM_SECONDS", 1.5, "rang nobody for", 0),
        (absence, "records", nothing_is_done, "no end on record", 0),
        (acd.Acd, "adopt_talking", nothing_is_done, "in a call that the dialplan gave them", 0),
        (TakingOver, "served", nothing_is_done, "no end on record", 0),
        (dialplan, "unheard", nothing_is_done, "no end on record", 0),
        (RecordingWatch, "look", nothing_is_done, "and no alarm says so", 0),
        (RecordingWatch, "_see_pauses", nothing_is_done, "in a pause", 1519),
        (RecordingWatch, "forgotten", nothing_is_done, "recordings left behind", 41),
        (RecordingWatch, "over", nobody_spoke, "neither a recording nor an alarm", 763),
    ],
)
def test_what_would_harm_a_caller_or_an_operator_is_noticed(
    where: object,
    what: str,
    otherwise: object,
    seen: str,
    first: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(where, what, otherwise)

    stories = chain(map(load, KEPT), map(story_of, seeds_from(first)))
    broken = (str(World(story).run().broken) for story in stories)

    assert any(seen in each for each in broken)


def a_story_with_a_database(seed: int) -> Story:
    story = story_of(seed)
    stops = (
        Trouble(at=story.seconds * part, fault="database-stops", much=much, count=count)
        for part, much, count in ((0.2, 0.5, 5), (0.5, 60.0, 10), (0.8, 10.0, 25))
    )
    steps = sorted((*story.steps, *stops), key=lambda step: step.at)
    return replace(story, setting=replace(story.setting, database=True), steps=tuple(steps))


async def further_than_it_is(connection: AsyncConnection, journal: str) -> tuple[int, str | None]:
    at, _ = await stored_position(connection, journal)
    return (at + 1, str(at)) if at else (0, None)


def test_what_a_database_that_stops_lacks_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projector, "_stored_position", further_than_it_is)

    broken = (str(World(a_story_with_a_database(seed)).run().broken) for seed in range(50))

    assert any("only in the second" in each for each in broken)


@pytest.mark.parametrize("seed", range(5))
def test_no_call_notices_a_database_that_stops(seed: int) -> None:
    story = a_story_with_a_database(seed)
    without = replace(story, setting=replace(story.setting, database=False))

    told, other = World(story, tells=True).run(), World(without, tells=True).run()

    assert (told.broken, other.broken) == (None, None)
    assert told.told == other.told


def test_whoever_is_left_in_silence_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    # What is there would be noticed sooner not to be as the core believes.
    monkeypatch.setattr(rest, "otherwise", nothing_is_done)
    story = Story(0, 30.0, Setting(), (Calls(at=1.0, number=1, patience=20.0, talk=1.0),))
    world = World(story)

    def music_stops() -> None:
        world.line.asterisk.channels[LegId("n-1")].music = False
        world.watch.listens()

    world.later(8.0, music_stops)

    assert str(world.run().broken).startswith("n-1 has heard nothing for")
