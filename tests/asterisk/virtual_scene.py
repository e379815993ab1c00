"""A scene in the simulation, with the same centre."""

from __future__ import annotations

from ess_pbx.domain.commands import Mode, PauseRecording, ResumeRecording, Supervise
from ess_pbx.domain.config import Centre
from ess_pbx.domain.effects import Role
from ess_pbx.domain.events import CallEvent, CentreEvent, PhoneReachable
from ess_pbx.domain.facts import Fact, FactKind
from ess_pbx.domain.ids import CallId, LegId
from ess_pbx.simulation.mixmonitors import File
from ess_pbx.simulation.story import Calls, CallsOut, Reaction, Setting, Trouble
from ess_pbx.simulation.story import Story as VirtualStory
from ess_pbx.simulation.world import World

from .scenes import BY, LOOK_SECONDS, NUMBER, SETTLES_SECONDS, Heard, Scene, part

PEOPLE_SECONDS = 0.2
AWAY_SECONDS, CUT_SECONDS = 40.0, 10.0
"""For so long no engine is there, or no line."""
STORY_SECONDS = 1000.0
CALLER_NUMBER = "+628123456781"


class Virtual(Scene):
    """One run, with people who do what the scene says."""

    def __init__(
        self,
        centre: Centre,
        phones: tuple[str, ...],
        reactions: dict[str, Reaction],
    ) -> None:

        nobody = {
            f"{role}{each.extension}#{ring}": Reaction(does="misses")
            for each in centre.operators
            for role in ("", f"{Role.SUPERVISOR} ", "dialplan ")
            for ring in range(20)
        }
        setting = Setting(phones=phones, record_waiting=centre.policy.record_waiting)
        story = VirtualStory(0, STORY_SECONDS, setting, (), {**nobody, **reactions})
        self.world = World(story, centre=centre)
        self.heard = Heard()
        hear = self.world.hear

        def hear_and_keep(event: CallEvent | CentreEvent) -> None:
            if self.world.alive:
                self.heard.events.append(event)
            hear(event)

        self.world.hear = hear_and_keep  # type: ignore[method-assign]
        self.world.open()

    @property
    def facts(self) -> list[Fact]:
        return self.world.facts

    async def registers(self, agent: str) -> None:
        line = self.world.line
        line.asterisk.unreachable.discard(agent)
        line.tell(PhoneReachable(agent))

    async def caller_dials(self, then: FactKind) -> None:
        self._dials_112()
        self._until(then)

    async def caller_dials_in_vain(self, agent: str) -> None:
        self._dials_112()
        self.world.go_on(lambda: self.world.line.asterisk.is_busy(agent))
        self._passes(PEOPLE_SECONDS)

    async def caller_dials_unanswered(self) -> None:
        self.world.line.trouble(Trouble(at=0.0, fault="engine-killed", much=AWAY_SECONDS))
        self._dials_112()
        self.world.go_on(lambda: not self.world.alive)

    async def caller_presses(self, key: str, then: FactKind) -> None:
        line = self.world.line
        line.act(line.asterisk.presses, LegId(self._caller), key)
        self._until(then)

    async def caller_hangs_up(self) -> None:
        self._hangs_up(LegId(self._caller))
        await self.is_over()

    async def gives_up(self) -> None:
        self._hangs_up(LegId(self._caller))
        self._passes(PEOPLE_SECONDS)

    async def answers(self, agent: str, then: FactKind) -> None:
        self._until(FactKind.OPERATOR_RUNG, agent=agent)
        await self.picks_up(agent)
        self._until(then, agent=agent)

    async def picks_up(self, agent: str) -> None:
        line = self.world.line
        self.world.go_on(lambda: line.asterisk.is_busy(agent))
        leg = self._leg_of(agent)
        if line.asterisk.channels[leg].served:
            line.dialplan.picks_up(leg)
        else:
            line.act(line.asterisk.picks_up, leg)
        self._passes(PEOPLE_SECONDS)

    async def operator_hangs_up(self, agent: str) -> None:
        self._hangs_up(self._leg_of(agent))
        await self.is_over()

    async def dials(self, agent: str, code: str, then: FactKind) -> None:
        line, leg = self.world.line, self._leg_of(agent)
        for key in code:
            line.act(line.asterisk.presses, leg, key)
        self._until(then)

    async def calls_out(self, agent: str, number: str, then: FactKind) -> None:
        number = f"+62{number.removeprefix('0')}"
        self.world.people.begins(CallsOut(at=0.0, agent=agent, number=number, stays=900.0))
        self._until(then)

    async def phone_outside(self, answers_after: float) -> None:
        reactions = self.world.story.reactions
        assert reactions is not None
        for who in (CALLER_NUMBER, f"{Role.OUTSIDE} {NUMBER}"):
            reactions[f"{who}#0"] = Reaction(after=answers_after)

    async def agency_hangs_up(self) -> None:
        channels = self.world.line.asterisk.channels.items()
        self._hangs_up(next(leg for leg, it in channels if it.role is Role.AGENCY))

    async def supervises(self, supervisor: str, mode: Mode) -> None:
        self.world.hear(Supervise(BY, self._call, supervisor, mode))

    async def pauses_recording(self) -> None:
        self.world.hear(PauseRecording(BY, self._call, "nomor rekening"))

    async def resumes_recording(self) -> None:
        self.world.hear(ResumeRecording(BY, self._call))

    async def stops_mixmonitor(self, leg: str) -> None:
        self.world.line.mixmonitors.stops(self._leg(leg))

    async def starts_mixmonitor(self, leg: str) -> None:
        of = self._leg(leg)
        self.world.line.mixmonitors.starts(of, of)

    async def engine_goes(self) -> None:
        line = self.world.line
        line.trouble(Trouble(at=0.0, fault="engine-killed", much=AWAY_SECONDS))
        line.engine_dies()

    async def engine_comes(self) -> None:
        self.world.go_on(lambda: self.world.alive and self.world.line.is_up)

    async def line_breaks(self) -> None:
        self.world.line.trouble(Trouble(at=0.0, fault="line-cut", much=CUT_SECONDS))

    async def line_comes_back(self) -> None:
        self.world.go_on(lambda: self.world.line.is_up)

    async def waits_for(self, then: FactKind, **data: str) -> None:
        self._until(then, **data)

    async def is_gone(self, leg: str) -> None:
        self.world.go_on(lambda: self.heard.is_gone(leg))

    async def is_over(self) -> None:
        world = self.world
        world.go_on(lambda: not world.core.calls and not world.line.asterisk.channels)
        self._passes(PEOPLE_SECONDS)

    async def looks(self, when: str) -> None:
        self._passes(SETTLES_SECONDS)
        before = self._files()
        self._passes(LOOK_SECONDS)
        after = self._files()
        assert before.keys() == after.keys(), when
        seen = {name: self._becomes(file) for name, file in after.items()}
        self.heard.files.append((when, seen))

    def _files(self) -> dict[str, File]:
        return {
            f"{part(recording)} {number}": file
            for recording, files in self.world.line.mixmonitors.files.items()
            for number, file in enumerate(files, start=1)
        }

    def _becomes(self, file: File) -> str:
        if file.growing is not None:
            return "grows"
        held = "is held open" if self.world.line.mixmonitors.holds(file) else "is closed"
        return f"{'is empty' if not file.seconds else 'stands still'} and {held}"

    @property
    def _caller(self) -> CallId:
        return CallId(f"n-{self.world.people.made}")

    @property
    def _call(self) -> CallId:
        (call,) = self.world.core.calls
        return call

    def _leg(self, leg: str) -> LegId:
        return LegId(self._call if leg == "caller" else f"{self._call}~{leg}")

    def _leg_of(self, agent: str) -> LegId:
        legs = self.world.line.asterisk.channels.items()
        return next(leg for leg, channel in legs if channel.address == agent)

    def _dials_112(self) -> None:
        number = int(CALLER_NUMBER[-1])
        self.world.people.begins(Calls(at=0.0, number=number, patience=900.0, talk=900.0))

    def _hangs_up(self, leg: LegId) -> None:
        line = self.world.line
        line.act(line.asterisk.hangs_up, leg, 16)

    def _until(self, then: FactKind, **data: str) -> None:
        def told() -> bool:
            return any(
                fact.kind is then and all(fact.data.get(key) == data[key] for key in data)
                for fact in self.world.facts
            )

        self.world.go_on(told)
        # People take their time, and what was asked of Asterisk is done by then.
        self._passes(PEOPLE_SECONDS)

    def _passes(self, seconds: float) -> None:
        passed: list[bool] = []
        self.world.later(seconds, passed.append, True)
        self.world.go_on(lambda: bool(passed))
