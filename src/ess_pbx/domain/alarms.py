"""The alarms that stand: raised, and not cleared since.

They are read off the facts, whoever decided them, so that a wallboard shows the same after a
restart. What raised an alarm may have forgotten it with the engine that stopped, and would never
clear it: such an alarm (``WATCHED_ANEW``) falls when it is not raised again within ``SETTLE``
seconds after the phones are known. All others are kept by what raised them, and left to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

from ess_pbx.domain.commands import AcknowledgeAlarm
from ess_pbx.domain.effects import Record, Refused
from ess_pbx.domain.events import AlarmChanged
from ess_pbx.domain.facts import JSON, FactKind

KINDS = frozenset(
    {
        *("no-operator", "operator-not-answering", "shift-unmanned", "shift-short", "roster"),
        *("wrong-pin", "unknown-number", "surge-feed", "web", "webhook", "clock"),
        *("recording-failed", "recording-lost", "recording-not-sealed", "test-not-recorded"),
        *("asterisk", "trunk-down", "synthetic-call", "journal", "disk", "database"),
        *("standby-missing", "neighbour", "fallback-list"),
    }
)
"""Every kind of alarm that can be raised, for whoever names some."""
WATCHED_ANEW = frozenset(
    {
        "no-operator",
        "operator-not-answering",
        "shift-unmanned",
        "shift-short",
        "roster",
        "web",
        "neighbour",
        "recording-not-sealed",
        "standby-missing",
        "asterisk",
        "journal",
        "disk",
        "database",
        "trunk-down",
        "webhook",
        "test-not-recorded",
        "recording-failed",
        "fallback-list",
    }
)
"""Kinds of alarm (what stands before the colon) that each engine finds out for itself."""
TOLD_ONCE = frozenset({"unknown-number", "recording-lost"})
"""Kinds that nobody clears: seen is over."""
SETTLE = 30.0
"""Seconds: six readings of the clock, and time for a phone to register."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm that stands."""

    alarm: str
    """Its name: a kind, and what it is about behind a colon."""
    detail: str
    since: float
    """Epoch seconds."""
    acknowledged_by: str | None = None
    acknowledged_at: float | None = None


class Alarms:
    """The memory of the alarms of a centre."""

    name = "alarms"

    def __init__(self) -> None:
        self.standing: dict[str, Alarm] = {}
        self._doubtful: set[str] | None = None
        """Standing since before this engine; None until it has read the clock."""
        self._settled_at: float | None = None

    def remember(self, kind: str, _call: str | None, data: Mapping[str, JSON], at: float) -> None:
        """Follow what is raised, acknowledged and cleared."""
        name = str(data.get("alarm"))
        before = self.standing.get(name)
        match kind:
            case FactKind.ALARM_RAISED:
                detail = str(data.get("detail"))
                self.standing[name] = (
                    Alarm(name, detail, at) if before is None else replace(before, detail=detail)
                )
                if self._doubtful is not None:
                    self._doubtful.discard(name)
            case FactKind.ALARM_CLEARED:
                self.standing.pop(name, None)
            case FactKind.ALARM_ACKNOWLEDGED if _kind(name) in TOLD_ONCE:
                self.standing.pop(name, None)
            case FactKind.ALARM_ACKNOWLEDGED if before is not None:
                by = str(data.get("by"))
                self.standing[name] = replace(before, acknowledged_by=by, acknowledged_at=at)

    def dump(self) -> JSON:
        """All that stand, in the order in which they were raised."""
        return [asdict(alarm) for alarm in self.standing.values()]

    def load(self, state: JSON) -> None:
        """Take over what ``dump`` gave."""
        if isinstance(state, list):
            alarms = [Alarm(**each) for each in state if isinstance(each, dict)]
            self.standing = {alarm.alarm: alarm for alarm in alarms}

    def changed(self, event: AlarmChanged) -> list[Record]:
        """The engine found something wrong, or right again; said only when it is news."""
        before = self.standing.get(event.alarm)
        if event.standing:
            news = before is None or before.detail != event.detail
            return [_raised(event.alarm, event.detail)] if news else self._confirm(event.alarm)
        return [] if before is None else [_cleared(event.alarm, event.detail)]

    def clock_read(self, now: float, *, phones_known: bool) -> list[Record]:
        """Clear what nobody raised again after a restart; ``now`` is monotonic seconds."""
        if self._doubtful is None:
            self._doubtful = {each for each in self.standing if _kind(each) in WATCHED_ANEW}
        if not phones_known or not self._doubtful:
            return []
        if self._settled_at is None:
            self._settled_at = now + SETTLE
        if now < self._settled_at:
            return []
        gone, self._doubtful = sorted(self._doubtful & self.standing.keys()), set()
        return [_cleared(each, "over when the engine was started again") for each in gone]

    def acknowledge(self, command: AcknowledgeAlarm) -> Record | Refused:
        """Somebody has seen it; it stands on."""
        if command.alarm not in self.standing:
            standing = ", ".join(self.standing) or "none"
            return Refused(
                "unknown-alarm", f"{command.alarm!r} does not stand; expected one of: {standing}"
            )
        data: dict[str, JSON] = {"alarm": command.alarm, **command.by.fields}
        return Record(None, FactKind.ALARM_ACKNOWLEDGED, data)

    def _confirm(self, name: str) -> list[Record]:
        if self._doubtful is not None:
            self._doubtful.discard(name)
        return []


def _kind(alarm: str) -> str:
    return alarm.partition(":")[0]


def _raised(alarm: str, detail: str) -> Record:
    return Record(None, FactKind.ALARM_RAISED, {"alarm": alarm, "detail": detail})


def _cleared(alarm: str, detail: str) -> Record:
    return Record(None, FactKind.ALARM_CLEARED, {"alarm": alarm, "detail": detail})
