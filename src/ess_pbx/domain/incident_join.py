"""Two reports of one event become one: what the one that goes on takes over, and what it cannot."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from ess_pbx.domain.config import Centre
from ess_pbx.domain.incident import Draft, Fields, Incident, drafted, merged
from ess_pbx.domain.incident_form import faults

HANGS_ON = {"subcategory": "category", "village": "district"}
"""A field that means something only with the same value in another."""


def carried_over(centre: Centre, to: Fields, joined: Fields) -> Fields:
    """What the report that goes on lacks and the joined one says."""
    carried = Fields()
    for name, value in _said(joined).items():
        after = merged(to, carried)
        now = getattr(after, name)
        parent = HANGS_ON.get(name)
        if parent is not None and getattr(after, parent) != getattr(joined, parent):
            continue
        if name == "answers":
            value = {each: answer for each, answer in value.items() if not _of(now).get(each)}
        elif now not in (UNSET, None, ""):
            continue
        fresh = Fields(**{name: value})
        if value != {} and not faults(centre, fresh, after):
            carried = merged(carried, fresh)
    return carried


def said_otherwise(to: Fields, joined: Fields) -> Fields:
    """What a joined report says and the one that goes on does not, for people to look at."""
    differs: dict[str, Any] = {}
    for name, value in _said(joined).items():
        now = getattr(to, name)
        if name == "answers":
            value = {each: said for each, said in value.items() if _of(now).get(each) != said}
        if value not in (now, {}):
            differs[name] = value
    return Fields(**differs)


def in_one(to: Incident, joined: Incident) -> Incident:
    """The report that goes on, with the calls, drafts and differing words of the joined one."""
    otherwise = {**to.otherwise, **joined.otherwise}
    differs = said_otherwise(to.fields, joined.fields)
    if differs.given():
        otherwise[joined.number] = differs
    drafts: dict[str, Draft] = dict(to.drafts)
    for person, draft in joined.drafts.items():
        # From version 0: whoever saves it hears of everything that is written there.
        known = drafts.get(person)
        newer = draft.fields if known is None else merged(draft.fields, known.fields)
        drafts[person] = drafted(known, 0, newer, draft.at)
    calls = tuple(dict.fromkeys((*to.calls, *joined.calls)))
    return replace(to, calls=calls, drafts=drafts, otherwise=otherwise)


def _said(fields: Fields) -> dict[str, Any]:
    given = fields.given().items()
    return {name: value for name, value in given if value is not None and value not in ("", {})}


def _of(answers: Any) -> dict[str, str]:
    return answers if isinstance(answers, dict) else {}
