"""Whether an account may do what a row of the table says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ess_pbx.web.accounts import Account, Role
from ess_pbx.web.had_calls import HadCalls
from ess_pbx.web.table import Row


def may_not(row: Row, account: Account, centre: str | None) -> str | None:
    """Why an account may not do this at all in the centre that it names; None when it may."""
    if account.role not in row.roles:
        return f"a {account.role} may not do this; expected {' or '.join(sorted(row.roles))}"
    if account.role is not Role.ADMIN and centre not in (None, account.centre):
        return f"{account.name} belongs to another centre; expected {account.centre}"
    return None


def not_own(row: Row, account: Account, fields: Mapping[str, Any], had: HadCalls) -> str | None:
    """Why it is not an operator's own; None when it is, or need not be.

    ``fields`` are those of the path and of the body.
    """
    if row.own is None or account.role is not Role.OPERATOR:
        return None
    if row.own == "call":
        if had.by(account.name, fields["call"]):
            return None
        return "not a call of this operator; expected one that they had since the engine started"
    if fields[row.own] == account.name:
        return None
    return f"an operator may do this only for themselves; expected {row.own} {account.name}"
