"""Recordings that are paused: who asked, why, and until when.

A centre allows it by ``Policy.recording_pause``, at most so many seconds at a time. What the call
says and does meanwhile is on record; its sound is not. A pause ends by itself, with its call, and
with its time also when an engine crashed in between.
"""

from __future__ import annotations

from collections.abc import Mapping

from ess_pbx.domain.commands import Asker, PauseRecording, ResumeRecording, Via
from ess_pbx.domain.config import Policy
from ess_pbx.domain.effects import Record, Refused
from ess_pbx.domain.facts import JSON, FactKind
from ess_pbx.domain.ids import CallId

BY_TIME = Asker("recording-pause", Via.SYSTEM)


class RecordingPauses:
    """The memory of the pauses of a centre."""

    name = "recording-pauses"

    def __init__(self) -> None:
        self.until: dict[CallId, float] = {}
        """Calls whose recording is paused, and when (epoch seconds) that ends at the latest."""

    def remember(self, kind: str, call: str | None, data: Mapping[str, JSON], _: float) -> None:
        """Follow pauses until they end."""
        if call is None:
            return
        until = data.get("until")
        if kind == FactKind.RECORDING_PAUSED and isinstance(until, int | float):
            self.until[CallId(call)] = until
        elif kind in (FactKind.RECORDING_RESUMED, FactKind.CALL_ENDED):
            self.until.pop(CallId(call), None)

    def dump(self) -> JSON:
        """The pauses that last."""
        return {str(call): until for call, until in self.until.items()}

    def load(self, state: JSON) -> None:
        """Take over what ``dump`` gave."""
        if isinstance(state, dict):
            self.until = {
                CallId(call): until
                for call, until in state.items()
                if isinstance(until, int | float)
            }

    def pause(
        self, command: PauseRecording, policy: Policy, *, talking: bool, at: float
    ) -> Record | Refused:
        """Pause, while people talk; ``at`` is epoch seconds. Asked again, its time begins anew."""
        if not policy.recording_pause:
            return Refused(
                "not-allowed",
                "this centre allows no pause of a recording; [policy] recording_pause is 0",
            )
        if not talking:
            return Refused(
                "not-talking",
                f"call {command.call!r}: nobody talks in it; expected a call in which someone does",
            )
        until = at + policy.recording_pause
        data: dict[str, JSON] = {"reason": command.reason, "until": until, **command.by.fields}
        return Record(command.call, FactKind.RECORDING_PAUSED, data)

    def resume(self, command: ResumeRecording) -> Record | Refused:
        """Record again."""
        if command.call not in self.until:
            return Refused("not-paused", f"call {command.call!r}: its recording is not paused")
        return _resumed(command.call, command.by)

    def clock(self, at: float, policy: Policy) -> list[Record]:
        """Pauses whose time is over at ``at`` (epoch seconds) end; also one that would last longer
        than any may, because the clock was set back.
        """
        latest = at + policy.recording_pause
        return [
            _resumed(call, BY_TIME)
            for call, until in self.until.items()
            if until <= at or until > latest
        ]


def _resumed(call: CallId, by: Asker) -> Record:
    return Record(call, FactKind.RECORDING_RESUMED, dict(by.fields))
