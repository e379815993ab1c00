"""Which centre a request is about: the account's own, the one that it names, or that of what the
path speaks of.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.centres import Centres
from ess_pbx.domain.ids import CallId
from ess_pbx.web.accounts import Account
from ess_pbx.web.answers import ApiError

CENTRE = "centre"
"""The parameter of a query that names a centre."""


def seen(centres: Centres, account: Account, named: str | None) -> list[CallCentre]:
    """The centres whose lists an account is shown: its own, the one it names, or all.

    Raises ApiError (404) for a centre that is not known.
    """
    wanted = account.centre or named
    found = [each for each in centres if wanted in (None, each.config.id)]
    if not found:
        raise unknown_centre(centres)
    return found


def concerned(cores: list[CallCentre], fields: Mapping[str, Any]) -> CallCentre:
    """The one centre of several that a request concerns, by the fields of its path and body.

    Raises ApiError (422) when they do not say.
    """
    if len(cores) == 1:
        return cores[0]
    for core in cores:
        if _has(core, fields):
            return core
    raise ApiError(422, "no-centre", "which centre this concerns is not said", _one_of(cores))


def unknown_centre(centres: Iterable[CallCentre]) -> ApiError:
    """A centre was named that the installation does not have."""
    return ApiError(404, "unknown-centre", "no centre has this id", _one_of(centres))


def _one_of(centres: Iterable[CallCentre]) -> str:
    return f"?{CENTRE}= with one of {', '.join(each.config.id for each in centres)}"


def _has(core: CallCentre, fields: Mapping[str, Any]) -> bool:
    call = fields.get("call")
    return (
        fields.get("agent") in core.acd.seats
        or fields.get("task") in core.call_backs.open
        or centre_of(str(fields.get("report", ""))) == core.config.id
        or (call is not None and number_of(core, call) is not None)
    )


def centre_of(report: str) -> str:
    """The id of the centre that gave a report its number."""
    return report.rsplit("-", 2)[0]


def number_of(core: CallCentre, call: str) -> str | None:
    """The number of a call of this centre, empty when it has none; None for a call unknown."""
    going_on = core.calls.get(CallId(call))
    return core.callers.number_of(call) if going_on is None else going_on.number
