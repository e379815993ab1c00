"""Marks of calls, and numbers that are confirmed as pranksters': who said so, why, for how long.

No call is ever refused for it: a confirmed prankster waits behind others (``priority``), until
the confirmation ends or something speaks for them. Silence marks nobody; people do.
"""

from __future__ import annotations

import re

from ess_pbx.domain import hearing
from ess_pbx.domain.call import Turn
from ess_pbx.domain.callers import DAY, Callers
from ess_pbx.domain.commands import Asker, ConfirmPrank, LiftPrank, Mark, MarkCall, Via
from ess_pbx.domain.config import Policy
from ess_pbx.domain.effects import Ask, Record, Refused
from ess_pbx.domain.facts import JSON, FactKind

BY_MARKS = Asker("prank-marks", Via.SYSTEM)
BY_TIME = Asker("prank-days", Via.SYSTEM)
MARKED_PROMPT = "dicatat"
"""Told to the operator alone."""

_E164 = re.compile(r"\+[1-9][0-9]{5,14}")


def from_phone(turn: Turn, mark: Mark) -> None:
    """An operator marked the call in hand on the keys of their phone."""
    operator = turn.call.operator
    if operator is None:
        return
    turn.do(Ask(MarkCall(Asker(operator.agent, Via.PHONE), turn.call.id, mark)))
    hearing.tell_operator(turn, MARKED_PROMPT)


def mark(
    callers: Callers, policy: Policy, command: MarkCall, number: str | None, at: float
) -> list[Record | Refused]:
    """Mark a call of ``number``, None when no such call is remembered.

    Enough marks as prank confirm the number; without enough of them, such a confirmation ends.
    """
    call = command.call
    if number is None:
        detail = f"no call {call!r} of the last day; expected the id of a call that goes on or was"
        return [Refused("unknown-call", detail)]
    data: dict[str, JSON] = {"mark": command.mark.value, "note": command.note}
    data |= {"number": number or None, **command.by.fields}
    done: list[Record | Refused] = [Record(call, FactKind.CALL_MARKED, data)]
    if not number or policy.prank_marks == 0:
        return done
    pranks = callers.prank_calls(number, at) - {call}
    if command.mark is Mark.PRANK:
        pranks.add(call)
        if len(pranks) >= policy.prank_marks and not callers.is_prank(number, at):
            reason = f"{len(pranks)} calls marked as prank"
            done.append(_confirmed(number, reason, BY_MARKS, policy, at))
    else:
        confirmed = callers.confirmed(number)
        if (
            confirmed is not None
            and confirmed.by == BY_MARKS.name
            and len(pranks) < policy.prank_marks
        ):
            reason = f"{len(pranks)} calls marked as prank"
            done.append(_ended(FactKind.PRANK_LIFTED, number, reason, BY_MARKS))
    return done


def confirm(policy: Policy, command: ConfirmPrank, at: float) -> list[Record | Refused]:
    """A supervisor confirms a number, for another ``prank_days`` when it is confirmed already."""
    if _E164.fullmatch(command.number) is None:
        detail = "not a number in E.164; expected + and the country code, such as +62812…"
        return [Refused("invalid-number", detail)]
    return [_confirmed(command.number, command.reason, command.by, policy, at)]


def lift(callers: Callers, command: LiftPrank) -> list[Record | Refused]:
    """A supervisor lifts a confirmation; the marks that led to it count no more."""
    if callers.confirmed(command.number) is None:
        detail = "the number is not confirmed as a prankster's; nothing is to be lifted"
        return [Refused("not-confirmed", detail)]
    return [_ended(FactKind.PRANK_LIFTED, command.number, command.reason, command.by)]


def expire(callers: Callers, at: float) -> list[Record]:
    """Confirmations that end by now."""
    reason = "its time is over"
    return [_ended(FactKind.PRANK_EXPIRED, number, reason, BY_TIME) for number in callers.over(at)]


def _confirmed(number: str, reason: str, by: Asker, policy: Policy, at: float) -> Record:
    until = at + policy.prank_days * DAY
    data: dict[str, JSON] = {"number": number, "reason": reason, "until": until}
    data |= by.fields
    return Record(None, FactKind.PRANK_CONFIRMED, data)


def _ended(kind: FactKind, number: str, reason: str, by: Asker) -> Record:
    return Record(None, kind, {"number": number, "reason": reason, **by.fields})
