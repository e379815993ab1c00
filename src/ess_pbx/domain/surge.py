"""Surge mode (siaga bencana): when it is on, why, until when, and what the wallboard shows of it.

It is declared by hand or by an earthquake of BMKG's feed, and ends by itself or by hand. What it
does to calls is in ``surge_centre``; here is what is decided and remembered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeAlias

from ess_pbx.domain.commands import AcknowledgeAlarm, Asker, Command, DeclareSurge, EndSurge, Via
from ess_pbx.domain.config import Surge
from ess_pbx.domain.earthquake import Concern, Earthquake, Level, Tsunami, assess, concern
from ess_pbx.domain.effects import Record, Refused
from ess_pbx.domain.facts import JSON, FactKind

FEED = Asker("bmkg", Via.SYSTEM)
ITSELF = Asker("surge", Via.SYSTEM)
SURGE_ALARM = "surge"
"""The wallboard's line for a surge that somebody declared."""
FEED_ALARM = "surge-feed"
MOST_SEEN = 100
"""Alarms that are remembered after they are over, so that old news is not told again."""

Outcome: TypeAlias = Record | Refused


@dataclass(frozen=True, slots=True)
class SurgeState:
    """A surge that is on. Times are epoch seconds."""

    since: float
    until: float
    reason: str
    prompt: str
    event: str | None
    """The earthquake that it is announced for."""
    by: str
    via: str


@dataclass(frozen=True, slots=True)
class WallboardAlarm:
    """What the wall screen shows; ``full-screen`` sounds and covers all until acknowledged."""

    alarm: str
    level: str
    title: str
    detail: str
    since: float
    """Epoch seconds."""
    acknowledged: bool = False

    @property
    def sounds(self) -> bool:
        """Whether it has the whole screen, with sound."""
        return self.level == Level.FULL_SCREEN and not self.acknowledged


class SurgeMode:
    """A centre's surge mode: a ``Memory``, and what follows from commands, quakes and time.

    Its methods return what is to be recorded; only ``remember`` changes it.
    """

    name = "surge"

    def __init__(self, settings: Surge) -> None:
        self._settings = settings
        self.state: SurgeState | None = None
        self.alarms: dict[str, WallboardAlarm] = {}
        """What stands on the wallboard, oldest first."""
        self._seen: dict[str, str] = {}
        self._feed_trouble = False

    # What is decided

    def command(self, command: Command, wall: float) -> list[Outcome]:
        """Carry out what a person asks, at ``wall`` (epoch seconds)."""
        match command:
            case DeclareSurge():
                return self._declare(command, wall)
            case EndSurge(by, reason) if self.state is not None:
                return [_ended(reason, by)]
            case EndSurge():
                return [Refused("not-in-surge", "surge mode is not on")]
            case AcknowledgeAlarm(by, alarm) if alarm in self.alarms and self.alarms[alarm].sounds:
                data = {"alarm": alarm, **by.fields}
                return [Record(None, FactKind.ALARM_ACKNOWLEDGED, {**data})]
            case AcknowledgeAlarm(_, alarm):
                sounding = ", ".join(each.alarm for each in self.alarms.values() if each.sounds)
                detail = f"{alarm!r} does not sound; those that do: {sounding or 'none'}"
                return [Refused("alarm-not-sounding", detail)]
            case _:
                return []

    def clock(self, wall: float) -> list[Outcome]:
        """Time has passed: a surge ends by itself."""
        if self.state is not None and wall >= self.state.until:
            return [_ended("its time is over", ITSELF)]
        return []

    def earthquake(self, quake: Earthquake, wall: float) -> list[Outcome]:
        """The feed tells of a quake; each is acted upon once, and again when its level changed.

        What is said anew of one that was acted upon counts at any age, and though that quake would
        begin nothing by itself: mostly it is the all clear.
        """
        feed = self._settings.feed
        if feed is None:
            return []
        alarm = f"earthquake:{quake.id}"
        before = self._seen.get(alarm)
        found = concern(quake, feed, wall) if before is None else assess(quake, feed)
        if found is None or before == found.level:
            return []
        calmer = before == Level.FULL_SCREEN
        if calmer and self.state is None and alarm not in self.alarms:
            return []  # over, and less than it was
        shown = Record(
            None,
            FactKind.WALLBOARD_ALARM,
            {
                "alarm": alarm,
                "level": found.level,
                "title": _title(quake, found),
                "detail": _detail(quake),
                **FEED.fields,
            },
        )
        if calmer and self.state is None:
            return [shown]
        return [self._announce(quake, found, wall), shown]

    def feed_read(self, trouble: str | None) -> list[Outcome]:
        """The feed failed for some time, or works: an alarm, raised and cleared once."""
        if (trouble is not None) is self._feed_trouble:
            return []
        kind = FactKind.ALARM_CLEARED if trouble is None else FactKind.ALARM_RAISED
        return [Record(None, kind, {"alarm": FEED_ALARM, "detail": trouble or "bmkg"})]

    def _declare(self, command: DeclareSurge, wall: float) -> list[Outcome]:
        settings, state = self._settings, self.state
        if not command.reason.strip():
            return [Refused("reason-missing", "why surge mode is declared is on record: say it")]
        prompt = command.prompt
        if prompt is not None and prompt not in self.prompts:
            known = ", ".join(sorted(self.prompts))
            return [Refused("unknown-prompt", f"{prompt!r}; expected one of {known}")]
        if prompt is None:
            prompt = settings.prompt if state is None else state.prompt
        until = self._until(wall)
        event = None if state is None or state.prompt != prompt else state.event
        title = f"Siaga bencana: {command.reason}"
        alarm = {"alarm": SURGE_ALARM, "level": str(Level.LINE), "title": title, "detail": ""}
        return [
            self._surge(command.reason, prompt, event, until, command.by),
            Record(None, FactKind.WALLBOARD_ALARM, {**alarm, **command.by.fields}),
        ]

    def _announce(self, quake: Earthquake, found: Concern, wall: float) -> Record:
        settings, state = self._settings, self.state
        until = self._until(wall)
        loud = found.level is Level.FULL_SCREEN
        if state is not None and state.event != quake.id and not loud:
            # What callers hear stays: a person's own words, or a tsunami that is still feared.
            return self._surge(state.reason, state.prompt, state.event, until, FEED)
        prompt = settings.tsunami_prompt if loud else settings.earthquake_prompt
        return self._surge(_title(quake, found), prompt, quake.id, until, FEED)

    def _surge(
        self, reason: str, prompt: str, event: str | None, until: float, by: Asker
    ) -> Record:
        kind = FactKind.SURGE_DECLARED if self.state is None else FactKind.SURGE_CHANGED
        data: dict[str, JSON] = {"reason": reason, "prompt": prompt, "event": event}
        return Record(None, kind, {**data, "until": until, **by.fields})

    def _until(self, wall: float) -> float:
        ends = wall + self._settings.lasts
        return ends if self.state is None else max(ends, self.state.until)

    @property
    def prompts(self) -> frozenset[str]:
        """What can be said of an event."""
        own = self._settings
        return frozenset((own.prompt, own.earthquake_prompt, own.tsunami_prompt, *own.prompts))

    # What is remembered

    def remember(self, kind: str, _: str | None, data: Mapping[str, JSON], at: float) -> None:
        """Change by a fact."""
        told: Any = data
        match kind:
            case FactKind.SURGE_DECLARED | FactKind.SURGE_CHANGED:
                since = at if self.state is None else self.state.since
                self.state = SurgeState(since=since, **told)
            case FactKind.SURGE_ENDED:
                self.state = None
                self.alarms = {key: each for key, each in self.alarms.items() if each.sounds}
            case FactKind.WALLBOARD_ALARM:
                self._stands(told, at)
            case FactKind.ALARM_ACKNOWLEDGED if told["alarm"] in self.alarms:
                seen = replace(self.alarms.pop(told["alarm"]), acknowledged=True)
                if self.state is not None:
                    self.alarms[seen.alarm] = seen
            case FactKind.ALARM_RAISED | FactKind.ALARM_CLEARED if told["alarm"] == FEED_ALARM:
                self._feed_trouble = kind == FactKind.ALARM_RAISED

    def _stands(self, told: Mapping[str, Any], at: float) -> None:
        name, level = told["alarm"], told["level"]
        self._seen.pop(name, None)
        self._seen[name] = level
        while len(self._seen) > MOST_SEEN:
            del self._seen[next(iter(self._seen))]
        if self.state is None and level != Level.FULL_SCREEN:
            self.alarms.pop(name, None)
            return
        self.alarms[name] = WallboardAlarm(name, level, told["title"], told["detail"], at)

    def dump(self) -> JSON:
        """All of it, for a checkpoint."""
        return {
            "state": None if self.state is None else asdict(self.state),
            "alarms": [asdict(each) for each in self.alarms.values()],
            "seen": dict(self._seen),
            "feed_trouble": self._feed_trouble,
        }

    def load(self, state: JSON) -> None:
        """Take over what ``dump`` gave."""
        kept: Any = state
        self.state = None if kept["state"] is None else SurgeState(**kept["state"])
        self.alarms = {each["alarm"]: WallboardAlarm(**each) for each in kept["alarms"]}
        self._seen = dict(kept["seen"])
        self._feed_trouble = kept["feed_trouble"]


def _ended(reason: str, by: Asker) -> Record:
    return Record(None, FactKind.SURGE_ENDED, {"reason": reason, **by.fields})


def _title(quake: Earthquake, found: Concern) -> str:
    magnitude = f"{quake.magnitude:.1f}".replace(".", ",")
    what = f"Gempa M{magnitude}, {found.distance:.0f} km dari pusat daerah"
    match quake.tsunami:
        case Tsunami.POSSIBLE:
            return f"BERPOTENSI TSUNAMI. {what}"
        case Tsunami.UNCLEAR:
            return f"POTENSI TSUNAMI BELUM JELAS. {what}"
        case Tsunami.NONE:
            return f"{what}, tidak berpotensi tsunami"
        case Tsunami.UNSAID:
            return what


def _detail(quake: Earthquake) -> str:
    depth = "" if quake.depth is None else f"kedalaman {quake.depth:.0f} km"
    felt = f"dirasakan {quake.felt}" if quake.felt else ""
    said = f"BMKG: {quake.potential or 'tanpa keterangan tentang tsunami'}"
    return "; ".join(part for part in (quake.place, depth, felt, said) if part)
