"""Who is off shift and has a number is rung, told once, and left alone when the surge is over."""

from __future__ import annotations

from msgspec.structs import replace

from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.call_in import AT_ONCE, RING_SECONDS
from ess_pbx.domain.commands import Asker, DeclareSurge, EndSurge, Via
from ess_pbx.domain.config import Surge
from ess_pbx.domain.effects import (
    EngineEffect,
    HangUp,
    Originate,
    PlayPrompt,
    Record,
    Role,
)
from ess_pbx.domain.events import (
    CallEvent,
    LegAnswered,
    LegGone,
    PhoneReachable,
    PlaybackEnded,
    TimerFired,
    TimerId,
)
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.ids import LegId, call_of

from .centre import CENTRE, of

BY = Asker("3001", Via.API)
NUMBERS = {"2001": "+628111", "2002": "+628222", "2003": "+628333", "2004": "+628444"}
STAFFED = replace(
    CENTRE,
    surge=Surge(call_in_trunk="telco"),
    operators=tuple(replace(each, phone=NUMBERS[each.extension]) for each in CENTRE.operators),
)


class CalledIn:
    """A centre in a surge, and the phones that ring for it."""

    def __init__(self, core: CallCentre) -> None:
        self.core = core
        self.now = 100.0
        self.effects: list[EngineEffect] = []

    def declares(self) -> None:
        self._take(self.core.decide(DeclareSurge(BY, "banjir"), self.now))

    def ends(self) -> None:
        self._take(self.core.decide(EndSurge(BY, "surut"), self.now))

    def hears(self, event: CallEvent) -> None:
        self._take(self.core.decide(event, self.now))

    def _take(self, effects: list[EngineEffect]) -> None:
        self.now += 1
        self.effects = effects

    @property
    def rung(self) -> list[Originate]:
        return [each for each in of(self.effects, Originate) if each.role is Role.STAFF]

    def outcomes(self) -> list[object]:
        ended = [each for each in of(self.effects, Record) if each.kind is FactKind.CALL_IN_ENDED]
        return [each.data["outcome"] for each in ended]


def given_surge(there: tuple[str, ...] = ()) -> CalledIn:
    centre = CalledIn(CallCentre(STAFFED))
    for agent in there:
        centre.core.decide(PhoneReachable(agent), 0.0)
    centre.declares()
    return centre


def answered(leg: LegId) -> LegAnswered:
    return LegAnswered(call_of(leg), leg)


def gone(leg: LegId, cause: int) -> LegGone:
    return LegGone(call_of(leg), leg, cause)


def test_only_those_who_are_not_there_are_rung_a_few_at_a_time() -> None:
    centre = given_surge(there=("2001",))
    assert [each.address for each in centre.rung] == ["+628222", "+628333", "+628444"]
    assert len(centre.rung) == AT_ONCE
    assert {each.trunk for each in centre.rung} == {"telco"}
    everyone = given_surge()
    assert len(everyone.rung) == AT_ONCE
    everyone.hears(gone(everyone.rung[0].leg, 16))
    assert [each.address for each in everyone.rung] == ["+628444"]


def test_who_answers_is_told_and_hung_up() -> None:
    centre = given_surge()
    leg = centre.rung[0].leg
    centre.hears(answered(leg))
    (prompt,) = of(centre.effects, PlayPrompt)
    assert (prompt.target, prompt.prompt, prompt.language) == (leg, "siaga-panggilan", "id")
    centre.hears(PlaybackEnded(call_of(leg), prompt.playback))
    assert of(centre.effects, HangUp) == [HangUp(leg)]
    centre.hears(gone(leg, 16))
    assert centre.outcomes() == ["told"]


def test_who_does_not_answer_is_tried_once_more_after_the_others() -> None:
    centre = given_surge(there=("2002", "2003", "2004"))
    (first,) = centre.rung
    centre.hears(gone(first.leg, 17))
    assert centre.outcomes() == ["busy"]
    (second,) = centre.rung
    assert (second.address, second.leg == first.leg) == (first.address, False)
    centre.hears(gone(second.leg, 19))
    assert (centre.outcomes(), centre.rung) == (["no answer"], [])


def test_a_phone_that_rings_for_ever_or_a_prompt_without_an_end_is_hung_up() -> None:
    centre = given_surge()
    leg = centre.rung[0].leg
    assert centre.rung[0].timeout == RING_SECONDS
    centre.hears(TimerFired(call_of(leg), TimerId(call_of(leg), "call-in")))
    assert of(centre.effects, HangUp) == [HangUp(leg)]


def test_when_the_surge_is_over_nobody_else_is_rung() -> None:
    centre = given_surge()
    told, ringing = centre.rung[0].leg, [each.leg for each in centre.rung[1:]]
    centre.hears(answered(told))
    centre.ends()
    assert of(centre.effects, HangUp) == [HangUp(leg) for leg in ringing]
    centre.hears(gone(ringing[0], 16))
    assert centre.rung == []
    assert of(centre.effects, HangUp) == []


def test_without_a_trunk_nobody_is_rung() -> None:
    centre = CalledIn(CallCentre(replace(STAFFED, surge=Surge())))
    centre.declares()
    assert centre.rung == []
