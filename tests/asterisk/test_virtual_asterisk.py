"""The simulation's Asterisk beside the real one: the same scenes, and the core hears the same.

Compared are, for the call, the events of its legs in their order, with their causes; of sounds,
that each begins at most once and ends once, whatever stops it. Not compared are

- which sounds begin, which follows from how long others last;
- when the caller is answered beside when a phone rings: the phone takes its time for its 180;
- speech, which the virtual callers do not need;
- the order in which legs go that are hung up together, and in which legs ring that were rung
  together: each is a thread of its own in Asterisk.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import pytest
from msgspec.structs import replace

from ess_pbx.domain.config import Centre
from ess_pbx.domain.events import (
    CallEvent,
    CentreEvent,
    KeyPressed,
    LegAnswered,
    LegGone,
    LegRang,
    PlaybackBegan,
    PlaybackEnded,
)
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.ids import CallId, LegId
from ess_pbx.phones.softphone_call import SoftCall
from ess_pbx.simulation.story import AnyStep, Calls, Reaction, Setting
from ess_pbx.simulation.story import Story as VirtualStory
from ess_pbx.simulation.world import World

from .story import QUICK, SOON, Caller, GivenCentre, Story, until

pytestmark = pytest.mark.asterisk

LegEvent = LegRang | LegAnswered | LegGone | KeyPressed
POLICY = replace(QUICK, silent_after=0, comfort=60)
WAYS_OF_A_SOUND = (["PlaybackBegan", "PlaybackEnded"], ["PlaybackEnded"])
"""One that is stopped in the moment it was asked for never begins."""
VIRTUAL_CALL = CallId("n-1")
OPERATORS = ("1001", "1002")
PEOPLE_SECONDS = 0.2


@dataclass
class Heard:
    """What the core heard of a call."""

    events: list[CallEvent | CentreEvent] = field(default_factory=list)

    @property
    def legs(self) -> list[list[str]]:
        """The events of its legs; those that may cross are one group, sorted."""
        told = [_told(event) for event in self._of_legs if event != self._answer]
        groups = groupby(told, key=lambda each: each[0])
        return [sorted(line for _, line in group) for _, group in groups]

    def own(self, leg: str) -> list[str]:
        """The events of one leg."""
        return [_told(event)[1] for event in self._of_legs if _part(event.leg) == leg]

    @property
    def parts(self) -> set[str]:
        """Which legs there were."""
        return {_part(event.leg) for event in self._of_legs}

    @property
    def _of_legs(self) -> list[LegEvent]:
        return [event for event in self.events if isinstance(event, LegEvent)]

    @property
    def _answer(self) -> LegEvent | None:
        answers = (each for each in self._of_legs if isinstance(each, LegAnswered))
        return next((each for each in answers if _part(each.leg) == "caller"), None)

    @property
    def sounds(self) -> dict[str, list[str]]:
        """By playback, what was told of it."""
        sounds = defaultdict(list)
        for event in self.events:
            if isinstance(event, PlaybackBegan | PlaybackEnded):
                sounds[_part(event.playback)].append(type(event).__name__)
        return sounds


def _part(identifier: str) -> str:
    return identifier.partition("~")[2] or "caller"


def _told(event: LegEvent) -> tuple[str, str]:
    """What it is, by which those in a row that may cross are one group; and all of it."""
    leg = _part(event.leg)
    match event:
        case LegGone(cause=cause):
            return "gone", f"{leg} is gone: {cause}"
        case KeyPressed(key=key):
            return f"{leg} {key}", f"{leg} presses {key}"
        case LegRang():
            return "rings", f"{leg} rings"
        case _:
            return f"{leg} answers", f"{leg} answers"


class Scene:
    """The same words for both: what people do, and the fact that is then waited for."""

    async def caller_dials(self, then: FactKind) -> None: ...
    async def caller_presses(self, key: str, then: FactKind) -> None: ...
    async def caller_hangs_up(self) -> None: ...
    async def answers(self, agent: str, then: FactKind) -> None: ...
    async def operator_hangs_up(self, agent: str) -> None: ...
    async def dials(self, agent: str, code: str, then: FactKind) -> None: ...
    async def waits_for(self, then: FactKind, **data: str) -> None: ...


class Real(Scene):
    """SIPp and pjsua on the real Asterisk."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self._calls: dict[str, SoftCall] = {}
        self.heard = Heard()
        self._caller: Caller | None = None
        centres = story.engine.centres
        decide = centres.decide

        def decide_and_keep(event: CallEvent | CentreEvent, now: float) -> Any:
            self.heard.events.append(event)
            return decide(event, now)

        centres.decide = decide_and_keep  # type: ignore[method-assign]

    @property
    def caller(self) -> Caller:
        assert self._caller is not None
        return self._caller

    async def caller_dials(self, then: FactKind) -> None:
        self._caller = await self._story.when_caller_dials()
        await self.caller.hears_the_centre()
        await self._story.assert_fact(then)

    async def caller_presses(self, key: str, then: FactKind) -> None:
        await self.caller.rtp.press(key)
        await self._story.assert_fact(then)

    async def caller_hangs_up(self) -> None:
        await self.caller.call.hang_up()
        await self._over()

    async def answers(self, agent: str, then: FactKind) -> None:
        self._calls[agent] = await self._story.phones.incoming(agent, SOON)
        await self._calls[agent].answer()
        await self._story.assert_fact(then, agent=agent)
        await self._story.assert_they_talk(self.caller, self._calls[agent])

    async def operator_hangs_up(self, agent: str) -> None:
        await self._calls[agent].hang_up()
        await self._over()

    async def dials(self, agent: str, code: str, then: FactKind) -> None:
        await self._calls[agent].press(code)
        await self._story.assert_fact(then)

    async def waits_for(self, then: FactKind, **data: str) -> None:
        await self._story.assert_fact(then, SOON, **data)

    async def _over(self) -> None:
        await self._story.assert_fact(FactKind.CALL_ENDED)
        await until(lambda: not self._story.engine.centres.calls, "nothing is left of the call")


class Virtual(Scene):
    """The simulation, with the same centre."""

    def __init__(self, centre: Centre, phones: tuple[str, ...], agency: Reaction) -> None:
        call: AnyStep = Calls(at=1.0, number=1, patience=900.0, talk=900.0)
        contact = centre.agencies[0].contact
        nobody = {f"{agent}#{ring}": Reaction(does="misses") for agent in phones for ring in (0, 1)}
        reactions = {**nobody, f"{contact}#0": agency}
        setting = Setting(phones=phones)
        story = VirtualStory(0, 1000.0, setting, (call,), reactions)
        self.world = World(story, centre=centre)
        self.heard = Heard()
        hear = self.world.hear

        def hear_and_keep(event: CallEvent | CentreEvent) -> None:
            self.heard.events.append(event)
            hear(event)

        self.world.hear = hear_and_keep  # type: ignore[method-assign]
        self.world.open()

    def _leg(self, agent: str) -> LegId:
        legs = self.world.line.asterisk.channels.items()
        return next(leg for leg, channel in legs if channel.address == agent)

    def _until(self, then: FactKind, **data: str) -> None:
        def told() -> bool:
            return any(
                fact.kind is then and all(fact.data.get(key) == data[key] for key in data)
                for fact in self.world.facts
            )

        self.world.go_on(told)
        # People take their time, and what was asked of Asterisk is done by then.
        passed: list[bool] = []
        self.world.later(PEOPLE_SECONDS, passed.append, True)
        self.world.go_on(lambda: bool(passed))

    async def caller_dials(self, then: FactKind) -> None:
        self._until(then)

    async def caller_presses(self, key: str, then: FactKind) -> None:
        line = self.world.line
        line.act(line.asterisk.presses, LegId(VIRTUAL_CALL), key)
        self._until(then)

    async def caller_hangs_up(self) -> None:
        self._hangs_up(LegId(VIRTUAL_CALL))

    async def answers(self, agent: str, then: FactKind) -> None:
        line = self.world.line
        self._until(FactKind.OPERATOR_RUNG, agent=agent)
        line.act(line.asterisk.picks_up, self._leg(agent))
        self._until(then, agent=agent)

    async def operator_hangs_up(self, agent: str) -> None:
        self._hangs_up(self._leg(agent))

    async def dials(self, agent: str, code: str, then: FactKind) -> None:
        line, leg = self.world.line, self._leg(agent)
        for key in code:
            line.act(line.asterisk.presses, leg, key)
        self._until(then)

    async def waits_for(self, then: FactKind, **data: str) -> None:
        self._until(then, **data)

    def _hangs_up(self, leg: LegId) -> None:
        line = self.world.line
        line.act(line.asterisk.hangs_up, leg, 16)
        self.world.go_on(lambda: not self.world.core.calls)


ANSWERS = Reaction(after=0.2)
BUSY = Reaction(after=0.0, does="refuses", cause=17)


@dataclass(frozen=True)
class Play:
    """A scene, and what it needs."""

    scene: Callable[[Scene], Awaitable[None]]
    phones: tuple[str, ...] = ()
    menu: bool = False
    rings_all: bool = False
    agency: Reaction = ANSWERS


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


PLAYS = [
    Play(hangs_up_in_the_greeting),
    Play(chooses_and_hangs_up_in_the_queue, menu=True),
    Play(hangs_up_while_a_phone_rings, OPERATORS[:1]),
    Play(is_answered_and_hangs_up, OPERATORS[:1]),
    Play(is_missed_then_answered_and_the_operator_hangs_up, OPERATORS),
    Play(speaks_with_the_agency_after_a_conference, OPERATORS[:1]),
    Play(is_held_and_taken_back, OPERATORS[:1]),
    Play(has_the_operator_back_whose_agency_is_busy, OPERATORS[:1], agency=BUSY),
    Play(rings_all_and_one_picks_up, OPERATORS, rings_all=True),
]


@pytest.mark.parametrize("play", PLAYS, ids=lambda play: play.scene.__name__)
async def test_the_virtual_asterisk_tells_what_the_real_one_tells(
    given_centre: GivenCentre, play: Play
) -> None:
    options: dict[str, Any] = {} if play.menu else {"first_menu": None}
    story = await given_centre(on_duty=OPERATORS, policy=POLICY, started=False, **options)
    if play.rings_all:
        (centre,) = story.settings.centres
        queues = tuple(replace(queue, strategy="ring-all") for queue in centre.queues)
        story.settings = replace(story.settings, centres=(replace(centre, queues=queues),))
        story.installation = type(story.installation)(story.settings)
    await story.given_it_runs()
    if play.agency is BUSY:
        await story.given_agency("uas-agency-busy")
    else:
        await story.given_agency(answer_after=play.agency.after)
    await story.given_operators(*play.phones)
    real = Real(story)
    virtual = Virtual(story.centre, play.phones, play.agency)

    await play.scene(real)
    await play.scene(virtual)

    assert virtual.heard.legs == real.heard.legs
    assert virtual.heard.parts == real.heard.parts
    for leg in real.heard.parts:
        assert virtual.heard.own(leg) == real.heard.own(leg)
    for heard in (real.heard, virtual.heard):
        assert heard.sounds
        for sound, told in heard.sounds.items():
            assert told in WAYS_OF_A_SOUND, sound
