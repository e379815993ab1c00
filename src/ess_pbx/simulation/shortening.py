"""The shortest story that still fails: steps, reactions and their details are left out in turn.

Zeller's delta debugging (ddmin) over the steps; then each reaction becomes what one should do, each
detail of the setting the plain one, and each step its simplest form.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec.structs import fields, replace

from ess_pbx.simulation.story import AnyStep, Calls, Setting, Story
from ess_pbx.simulation.world import Outcome, World

MOST_RUNS = 1500


class Shortening:
    """Shortens one failing story."""

    def __init__(self, outcome: Outcome) -> None:
        self.runs = 0
        self._why = _kind(outcome.broken)
        # From here on nothing is drawn: the story says all.
        self.story = replace(outcome.story, reactions=outcome.reactions)

    def shortest(self) -> Story:
        """Until nothing more can be left out, or after many runs."""
        before = None
        while before != self.story and self.runs < MOST_RUNS:
            before = self.story
            self._end_sooner()
            self._drop_steps()
            self._simpler_steps()
            self._drop_reactions()
            self._plainer_setting()
        return self.story

    def _try(self, story: Story) -> bool:
        """Whether it fails as before; then it is taken."""
        if self.runs >= MOST_RUNS:
            return False
        self.runs += 1
        if _kind(World(story).run().broken) != self._why:
            return False
        self.story = story
        return True

    def _end_sooner(self) -> None:
        at = World(self.story).run().at
        if at < self.story.seconds:
            steps = tuple(step for step in self.story.steps if step.at <= at)
            self._try(replace(self.story, steps=steps, seconds=at + 1.0))

    def _drop_steps(self) -> None:
        size = max(1, len(self.story.steps) // 2)
        while True:
            at = 0
            while at < len(self.story.steps):
                steps = self.story.steps
                if not self._try(replace(self.story, steps=steps[:at] + steps[at + size :])):
                    at += size
            if size == 1:
                return
            size //= 2

    def _simpler_steps(self) -> None:
        for at, step in enumerate(self.story.steps):
            for simpler in _simpler(step):
                steps = list(self.story.steps)
                steps[at] = simpler
                if self._try(replace(self.story, steps=tuple(steps))):
                    break

    def _drop_reactions(self) -> None:
        used = World(self.story).run().reactions
        reactions = {key: each for key, each in (self.story.reactions or {}).items() if key in used}
        self._try(replace(self.story, reactions=reactions))
        for key in list(self.story.reactions or {}):
            fewer = {k: each for k, each in (self.story.reactions or {}).items() if k != key}
            if not self._try(replace(self.story, reactions=fewer)):
                now = (self.story.reactions or {})[key]
                for number in range(len(now.then)):
                    then = now.then[:number]
                    self_changed = {**(self.story.reactions or {}), key: replace(now, then=then)}
                    if self._try(replace(self.story, reactions=self_changed)):
                        break

    def _plainer_setting(self) -> None:
        plain = Setting()
        for field in fields(plain):
            if field.name == "phones":
                continue
            usual = {field.name: getattr(plain, field.name)}
            self._change_setting(**usual)
        for phone in self.story.setting.phones:
            fewer = tuple(each for each in self.story.setting.phones if each != phone)
            self._change_setting(phones=fewer)

    def _change_setting(self, **changes: object) -> None:
        setting = replace(self.story.setting, **changes)
        if setting != self.story.setting:
            self._try(replace(self.story, setting=setting))


def shorten(outcome: Outcome) -> Story:
    """The shortest story that fails as this one did."""
    return Shortening(outcome).shortest()


def _simpler(step: AnyStep) -> Iterator[AnyStep]:
    whole = float(int(step.at))
    if not isinstance(step, Calls):
        if whole != step.at:
            yield replace(step, at=whole)
        return
    plain = Calls(at=whole, number=step.number, patience=120.0, talk=60.0)
    for less in (
        plain,
        replace(plain, talk=step.talk),
        replace(plain, patience=step.patience),
        replace(plain, keys=step.keys),
        replace(step, redials=None, speaks=None),
        replace(step, redials=None),
        replace(step, keys=step.keys[:-1]),
    ):
        if less != step:
            yield less


def _kind(broken: str | None) -> str | None:
    """What did not hold, whoever it was and however long."""
    return None if broken is None else re.sub(r"[0-9]+(\.[0-9]+)?", "#", broken)
