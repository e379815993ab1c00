"""Calls that no engine had, brought on record afterwards: the dialplan served them, or nobody did.

The dialplan writes a line for each step (``[emergency]`` in ``dialplan/``), and one for the end of
each call; ``engine.absence`` and ``engine.ended_calls`` read them. Facts get ids made of the
call's, so that bringing them in twice does no harm.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ess_pbx.domain import ids
from ess_pbx.domain.call import Result
from ess_pbx.domain.effects import Record, Role
from ess_pbx.domain.ending import UNKNOWN_CAUSE
from ess_pbx.domain.events import Arrived, CentreEvent
from ess_pbx.domain.facts import JSON, FactKind
from ess_pbx.domain.ids import CallId


@dataclass(frozen=True, slots=True)
class ServedCall:
    """One call as the dialplan served it. Times are epoch seconds."""

    arrival: Arrived
    agent: str | None = None
    """Who answered; None while, or when, nobody did."""
    leg: str = ""
    answered: float | None = None
    ended: float | None = None
    cause: int = UNKNOWN_CAUSE
    unheard: bool = False
    """Nobody had it: its caller left before anybody claimed it, or whoever did died in that moment.
    Whether it was answered is not known.
    """
    lost: bool = False
    """Asterisk itself ended without a word."""

    @property
    def waited(self) -> float:
        """Seconds until it ended or was answered."""
        over = self.answered or self.ended or self.arrival.invited_at
        return over - self.arrival.invited_at

    @property
    def call(self) -> CallId:
        """The call's id."""
        return self.arrival.call


@dataclass(frozen=True, slots=True)
class DialplanServed(CentreEvent):
    """What the dialplan has told of the calls that it served, as of now."""

    over: Sequence[ServedCall]
    """Ended, and not on record yet."""
    talking: Sequence[ServedCall]
    """Those whose operators are busy with them."""


def records(served: ServedCall) -> Iterator[Record]:
    """The facts of a call that is over, oldest first."""
    numbered = enumerate(_steps(served), start=1)
    for number, (kind, at, data) in numbered:
        yield Record(served.call, kind, data, at=at, id=f"{served.call}-absent-{number}")


def imported(served: ServedCall) -> Record:
    """That all is told of a call; the last of what is."""
    at = served.arrival.invited_at if served.ended is None else served.ended
    data: dict[str, JSON] = {"operator": served.agent}
    name = f"{served.call}-absent-imported"
    return Record(served.call, FactKind.CALL_IMPORTED, data, at=at, id=name)


def _steps(served: ServedCall) -> Iterator[tuple[FactKind, float, dict[str, JSON]]]:
    arrival, agent, answered = served.arrival, served.agent, served.answered
    ended = arrival.invited_at if served.ended is None else served.ended
    caller, party = str(ids.caller_leg(served.call)), arrival.caller_e164 or arrival.caller_display
    yield FactKind.CALL_ARRIVED, arrival.invited_at, arrival.fields(caller)
    if not served.unheard:
        yield FactKind.CALL_ANSWERED, arrival.invited_at, {}
    if agent is not None and answered is not None:
        yield FactKind.OPERATOR_ANSWERED, answered, {"agent": agent, "leg": served.leg}
        yield FactKind.LEG_ENDED, ended, _gone(served.leg, Role.OPERATOR, agent, served.cause)
    yield FactKind.LEG_ENDED, ended, _gone(caller, Role.CALLER, party, served.cause)
    if served.lost:
        result, reason, by = Result.SERVER, "asterisk-lost", None
    elif agent is not None:
        result, reason, by = Result.SUCCESS, "completed", None
    else:
        result, reason, by = Result.CLIENT, "abandoned", Role.CALLER
    ending: dict[str, JSON] = {
        "result": result,
        "reason": reason,
        "channel_cause": served.cause,
        "ended_by": by,
    }
    yield FactKind.CALL_ENDED, ended, ending


def _gone(leg: str, role: Role, party: str, cause: int) -> dict[str, JSON]:
    return {"leg": leg, "role": role, "party": party, "cause": cause}
