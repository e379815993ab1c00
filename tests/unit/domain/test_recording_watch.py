"""What is to be recorded is ordered, again when it came to nothing, and told of when it is not."""

from __future__ import annotations

from msgspec.structs import replace

from ess_pbx.domain.centres import Centres
from ess_pbx.domain.commands import Asker, PauseRecording, ResumeRecording, Via
from ess_pbx.domain.effects import Record
from ess_pbx.domain.events import AlarmChanged, CallEvent, CentreEvent
from ess_pbx.domain.facts import Fact
from ess_pbx.domain.ids import CallId
from ess_pbx.domain.recording_watch import (
    FORGOTTEN_SECONDS,
    STALLED_SECONDS,
    BeginRecording,
    Order,
    RecordingWatch,
    StopRecording,
    Written,
)

from . import given
from .centre import CALL, CALLER, CENTRE, of
from .story import Story
from .test_parties import with_operator

OPERATOR = Asker("2001", Via.API)
PAUSE, RESUME = PauseRecording(OPERATOR, CALL, "nomor rekening"), ResumeRecording(OPERATOR, CALL)
PAUSABLE = replace(CENTRE, policy=replace(CENTRE.policy, recording_pause=30.0))
FILE = f"{CALL}.raw"


class Watched:
    """A story, and the recordings of its calls."""

    def __init__(self, story: Story) -> None:
        story.core.config = PAUSABLE
        self.story = story
        self.watch = RecordingWatch(Centres([story.core]))
        self.written: dict[str, Written] = {}
        self.told_of: list[str] = []
        """Recordings that were said not to be."""

    def feed(self, *events: CallEvent | CentreEvent) -> None:
        for event in events:
            self.follow(of(self.story.feed(event), Record))

    def presses(self, keys: str) -> None:
        self.follow(of(self.story.presses(keys, self.story.operator), Record))

    def follow(self, records: list[Record]) -> None:
        for each in records:
            self.watch.told(
                Fact(
                    id="",
                    centre="c",
                    call=each.call,
                    kind=each.kind,
                    at=0.0,
                    ms=None,
                    data=each.data,
                )
            )

    def orders(self) -> list[Order]:
        orders: list[Order] = []
        while (order := self.watch.next_order()) is not None:
            orders.append(order)
        return orders

    def look(self, after: float = 1.0, *, grown: int = 0, file: str = FILE) -> None:
        """The disk is looked at, ``after`` so many seconds in which so much was written."""
        self.story.after(after)
        if grown:
            before = self.written.get(CALL)
            size = before.bytes if before is not None and before.file == file else 0
            self.written[CALL] = Written(file, size + grown)
        found = self.watch.look(self.written, self.story.now)
        self.told_of += [each.recording for each in found]

    def alarms(self) -> list[AlarmChanged]:
        return [*self.watch.alarms()]


def recorded() -> Watched:
    """Operator and caller talk, and it grows."""
    watched = Watched(given.talking())
    watched.look(grown=1)
    watched.look(grown=1)
    return watched


def test_what_grows_needs_nothing() -> None:
    watched = recorded()
    for _ in range(20):
        watched.look(grown=1)
    assert (watched.orders(), watched.told_of, watched.alarms()) == ([], [], [])


def test_what_has_stopped_is_told_of_once_and_begun_again_until_it_grows() -> None:
    watched = recorded()
    watched.look(STALLED_SECONDS)
    begin = BeginRecording(CALL, CALLER, CALL)
    assert (watched.orders(), watched.told_of) == ([begin], [CALL])
    watched.look(STALLED_SECONDS)
    assert (watched.orders(), watched.told_of) == ([begin], [CALL])
    (raised,) = watched.alarms()
    assert raised.standing
    watched.look(grown=1, file=f"{CALL}~2.raw")
    watched.look(grown=1, file=f"{CALL}~2.raw")
    (raised,) = watched.alarms()
    assert raised.standing, "a moment's room on a full disk is none"
    watched.look(grown=1, file=f"{CALL}~2.raw")
    (cleared,) = watched.alarms()
    assert not cleared.standing
    assert watched.alarms() == []


def test_what_could_not_be_asked_for_yet_is_asked_for_once() -> None:
    watched = recorded()
    for _ in range(3):
        watched.look(STALLED_SECONDS)
    assert watched.orders() == [BeginRecording(CALL, CALLER, CALL)]


def test_a_pause_ends_it_and_nothing_is_told_of_it_meanwhile() -> None:
    watched = recorded()
    watched.feed(PAUSE)
    assert watched.orders() == [StopRecording(CALL, CALLER)]
    for _ in range(3):
        watched.look(STALLED_SECONDS)
    assert (watched.orders(), watched.told_of) == ([], [])
    watched.feed(RESUME)
    assert watched.orders() == [BeginRecording(CALL, CALLER, CALL)]


def test_what_grows_in_a_pause_is_ended_again() -> None:
    watched = recorded()
    watched.feed(PAUSE)
    watched.orders()
    watched.look()
    watched.look(grown=1)
    assert watched.orders() == [StopRecording(CALL, CALLER)]


def test_of_a_pause_and_its_end_the_last_holds() -> None:
    watched = recorded()
    watched.feed(PAUSE, RESUME, PAUSE)
    assert watched.orders()[-1] == StopRecording(CALL, CALLER)
    watched.feed(RESUME, PAUSE, RESUME)
    assert watched.orders()[-1] == BeginRecording(CALL, CALLER, CALL)


def test_whoever_is_consulted_is_recorded_on_their_own_leg() -> None:
    watched = Watched(given.consult_ringing())
    leg = watched.story.agency
    watched.follow(of(watched.story.answers(leg), Record))
    assert watched.orders() == [BeginRecording(CALL, leg, leg)]
    watched.presses("*3#")
    assert watched.orders() == [], "it goes on"


def test_who_is_spoken_with_while_the_caller_is_on_hold_is_recorded_too() -> None:
    watched = Watched(with_operator(("2001", "2009")))
    watched.presses("*6#")
    (called,) = watched.story.core.calls[CALL].parties
    watched.follow(of(watched.story.answers(called.leg), Record))
    assert watched.orders() == [], "the caller's recording has all three"
    watched.presses("*0#")
    assert watched.orders() == [BeginRecording(CALL, called.leg, called.leg)]


def test_the_next_engine_asks_again_for_what_may_not_have_been_done() -> None:
    watched = Watched(given.consult())
    leg = watched.story.agency
    watched.watch.took_stock({CALL})
    assert watched.orders() == [BeginRecording(CALL, leg, leg)]
    other = Watched(watched.story)
    other.watch.took_stock({CALL, leg})
    assert other.orders() == []
    watched.feed(PAUSE)
    other = Watched(watched.story)
    other.watch.took_stock({CALL, leg})
    assert other.orders() == [StopRecording(CALL, CALLER), StopRecording(CALL, leg)]


def test_what_is_on_the_disk_of_no_call_is_forgotten_once_it_stands_still() -> None:
    watched = recorded()
    gone = CallId("ess1-9.9")
    written = {**watched.written, gone: Written(f"{gone}.raw", 5)}
    now = watched.story.now
    assert watched.watch.forgotten(written, now - 2 * FORGOTTEN_SECONDS) == []
    assert watched.watch.forgotten(written, now - FORGOTTEN_SECONDS) == [], "nobody knows its calls"
    watched.watch.took_stock({CALL})
    assert watched.watch.forgotten(written, now) == []
    assert watched.watch.forgotten(written, now + FORGOTTEN_SECONDS) == [gone]
    assert watched.watch.forgotten(written, now + FORGOTTEN_SECONDS + 1.0) == []
    grown = {**written, gone: Written(f"{gone}.raw", 6)}
    assert watched.watch.forgotten(grown, now + 2 * FORGOTTEN_SECONDS) == []


def test_of_a_call_that_is_over_nothing_is_ordered_any_more() -> None:
    watched = recorded()
    watched.feed(PAUSE)
    assert watched.watch.over(CALL), "somebody spoke with the caller"
    assert watched.orders() == []
    assert not watched.watch.over(CallId("ess1-9.9"))
