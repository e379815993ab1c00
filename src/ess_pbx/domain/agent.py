"""An operator as the queue sees them.

Status and state are two things (as in FreeSWITCH's mod_callcenter): whether the operator takes
calls at all (logged in, on no break), and what they are doing. Whom calls can reach is on duty, has
a phone that answers, and is logged in without a break.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ess_pbx.domain.ids import CallId


class Status(StrEnum):
    """What an operator said, or what was said for them, of taking calls."""

    AVAILABLE = "available"
    BREAK = "break"
    LOGGED_OUT = "logged-out"


class AgentState(StrEnum):
    """What an operator is doing."""

    IDLE = "idle"
    OFFERED = "offered"
    TALKING = "talking"
    WRAP_UP = "wrap-up"
    PAUSED = "paused"
    """Passed over for a while after an offer that was not answered (RONA)."""
    SUPERVISING = "supervising"
    """Listens to an operator's call, whispers or has barged in."""


BETWEEN_CALLS = frozenset({AgentState.IDLE, AgentState.WRAP_UP, AgentState.PAUSED})
"""Where nobody needs their phone, so that they may call somebody by themselves."""


class AgentEvent(StrEnum):
    """What changes that."""

    OFFER = "offer"
    WITHDRAW = "withdraw"
    MISS = "miss"
    TAKE = "take"
    RELEASE = "release"
    WRAPPED_UP = "wrapped-up"
    PAUSE_OVER = "pause-over"
    ATTEND = "attend"


class Verdict(StrEnum):
    """An event that does not change the state."""

    IGNORED = "ignored"
    ILLEGAL = "illegal"


NOT_ANSWERING = "tidak menjawab"
"""Why an operator is on break who missed too many offers."""
MISSED_IN_PERSON = frozenset({"no answer", "busy", "refused"})
"""Reasons of a missed offer that count towards the break; others are the network's fault."""

_S, _E, _V = AgentState, AgentEvent, Verdict

TABLE: Mapping[AgentState, Mapping[AgentEvent, AgentState | Verdict]] = {
    _S.IDLE: {
        _E.OFFER: _S.OFFERED,
        _E.WITHDRAW: _V.ILLEGAL,
        _E.MISS: _V.ILLEGAL,
        _E.TAKE: _V.ILLEGAL,
        _E.RELEASE: _V.ILLEGAL,
        _E.WRAPPED_UP: _V.IGNORED,
        _E.PAUSE_OVER: _V.IGNORED,
        _E.ATTEND: _S.SUPERVISING,
    },
    _S.OFFERED: {
        _E.OFFER: _V.ILLEGAL,
        _E.WITHDRAW: _S.IDLE,
        _E.MISS: _S.PAUSED,
        _E.TAKE: _S.TALKING,
        _E.RELEASE: _V.ILLEGAL,
        _E.WRAPPED_UP: _V.IGNORED,
        _E.PAUSE_OVER: _V.IGNORED,
        _E.ATTEND: _V.ILLEGAL,
    },
    _S.TALKING: {
        _E.OFFER: _V.ILLEGAL,
        _E.WITHDRAW: _V.ILLEGAL,
        _E.MISS: _V.ILLEGAL,
        _E.TAKE: _V.ILLEGAL,
        _E.RELEASE: _S.WRAP_UP,
        _E.WRAPPED_UP: _V.IGNORED,
        _E.PAUSE_OVER: _V.IGNORED,
        _E.ATTEND: _V.ILLEGAL,
    },
    _S.WRAP_UP: {
        _E.OFFER: _V.ILLEGAL,
        _E.WITHDRAW: _V.ILLEGAL,
        _E.MISS: _V.ILLEGAL,
        _E.TAKE: _V.ILLEGAL,
        _E.RELEASE: _V.ILLEGAL,
        _E.WRAPPED_UP: _S.IDLE,
        _E.PAUSE_OVER: _V.IGNORED,
        _E.ATTEND: _S.SUPERVISING,
    },
    _S.PAUSED: {
        _E.OFFER: _V.ILLEGAL,
        _E.WITHDRAW: _V.ILLEGAL,
        _E.MISS: _V.ILLEGAL,
        _E.TAKE: _V.ILLEGAL,
        _E.RELEASE: _V.ILLEGAL,
        _E.WRAPPED_UP: _V.IGNORED,
        _E.PAUSE_OVER: _S.IDLE,
        _E.ATTEND: _S.SUPERVISING,
    },
    _S.SUPERVISING: {
        _E.OFFER: _V.ILLEGAL,
        _E.WITHDRAW: _V.ILLEGAL,
        _E.MISS: _V.ILLEGAL,
        _E.TAKE: _S.TALKING,
        _E.RELEASE: _S.WRAP_UP,
        _E.WRAPPED_UP: _V.IGNORED,
        _E.PAUSE_OVER: _V.IGNORED,
        _E.ATTEND: _V.ILLEGAL,
    },
}


@dataclass(slots=True)
class Seat:
    """One operator's place in the centre; only the ACD changes it."""

    extension: str
    queues: tuple[str, ...]
    """Queues whose calls this operator is offered."""
    state: AgentState = AgentState.IDLE
    on_duty: bool = False
    reachable: bool = False
    idle_since: float = 0.0
    """Monotonic seconds; the longest idle is offered the next call."""
    wraps_since: float = 0.0
    """Monotonic seconds; when the wrap-up began that goes on or was last."""
    wraps_up: bool = False
    """Whether a wrap-up was left for what they do now, and begins anew after it."""
    call: CallId | None = None
    """The call offered to or taken by this operator."""
    skills: Mapping[str, int] = field(default_factory=dict)
    logged_in: bool = True
    on_break: str | None = None
    """Why calls pass this operator by who is on duty, reachable and logged in."""
    phone_known: bool = False
    """Whether the phone's state was told since the start: the first telling is no registration."""
    missed: int = 0
    """Offers not answered in a row."""
    calls: int = 0
    """Calls taken since the operator came on duty."""
    turn: int = 0
    """Number of the last offer that was taken or missed: for those who go in turn."""
    offer: int = 0
    """Number of the offer in flight."""
    idle_number: int = 0
    """Counts who became idle when; parts those who stand equal in a line."""
    supervisor: bool = False
    """Rung by the ladder alone, whatever shift it is."""

    @property
    def here(self) -> bool:
        """Whether it is this operator's time, and their phone is there."""
        return self.reachable and (self.on_duty or self.supervisor)

    @property
    def present(self) -> bool:
        """Whether calls can reach this operator at all."""
        here = self.reachable and (self.on_duty or self.supervisor)
        return here and self.logged_in and self.on_break is None

    @property
    def standing(self) -> tuple[Status, str | None]:
        """The status, and the reason of a break."""
        if not self.logged_in:
            return Status.LOGGED_OUT, None
        return (Status.AVAILABLE if self.on_break is None else Status.BREAK), self.on_break

    @property
    def status(self) -> str:
        """``present``, ``break``, ``logged-out`` or ``away`` (off duty, or the phone is)."""
        if self.present:
            return "present"
        if not self.logged_in:
            return str(Status.LOGGED_OUT)
        return str(Status.BREAK) if self.here else "away"

    @property
    def free(self) -> bool:
        """Whether this operator can be offered a call now."""
        return self.present and self.state is AgentState.IDLE

    def apply(self, event: AgentEvent) -> bool:
        """Move along the table; returns whether the event was legal and changed the state."""
        outcome = TABLE[self.state][event]
        if isinstance(outcome, Verdict):
            return False
        self.state = outcome
        return True
