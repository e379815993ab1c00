"""A report as one centre tells it to another: who, where, what, its calls and their recordings.

Centres have lists of their own: what is chosen from a list is told with its name too, and what the
other's list lacks is kept as words, so that nothing is lost on the way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct
from msgspec.structs import replace

from ess_pbx.domain.commands import Mark
from ess_pbx.domain.config import Centre, Identifier, Title
from ess_pbx.domain.effects import Refused
from ess_pbx.domain.incident import (
    Fields,
    HandedCall,
    HandedRecording,
    Incident,
    Origin,
    Point,
    ShortText,
    Step,
    Text,
    fields_from,
)

LISTED = (
    ("category", "Kategori"),
    ("subcategory", "Sub-kategori"),
    ("district", "Kecamatan"),
    ("village", "Kelurahan/desa"),
)
"""The fields that are chosen from a centre's lists, and what people call them."""
LONGEST_NARRATIVE = 10_000
MOST_CALLS = 1000
Ticket = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}\Z")]
Version = Annotated[int, Meta(ge=1, le=2**53)]


class Chosen(Struct, frozen=True, kw_only=True):
    """Something of a centre's list."""

    id: Identifier
    name: ShortText = ""


class Answered(Struct, frozen=True, kw_only=True):
    """A question of a centre's SOP, and what was answered."""

    id: Identifier
    question: ShortText = ""
    answer: ShortText


class What(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is written in the report. A field that nobody has written is not there."""

    kind: Mark | None = None
    category: Chosen | None = None
    subcategory: Chosen | None = None
    place: ShortText | None = None
    district: ShortText | None = None
    village: ShortText | None = None
    point: Point | None = None
    caller_name: ShortText | None = None
    contact_number: ShortText | None = None
    victims: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None
    narrative: Text | None = None
    priority: Annotated[int, Meta(ge=0, le=9)] | None = None
    answers: Annotated[tuple[Answered, ...], Meta(max_length=1000)] = ()


class HandedReport(Struct, frozen=True, kw_only=True):
    """The whole of it; what a later format adds is passed over by an older one."""

    format: Literal[1] = 1
    centre: Identifier
    centre_name: Title
    ticket: Ticket
    version: Version
    """Grows with whatever changes in it, calls and recordings too."""
    opened_at: float
    """Epoch seconds, as all times here."""
    what: What
    calls: Annotated[tuple[HandedCall, ...], Meta(max_length=MOST_CALLS)] = ()
    recordings: Annotated[tuple[HandedRecording, ...], Meta(max_length=MOST_CALLS)] = ()
    agencies: dict[Title, dict[Step, float]] = {}
    closed_at: float | None = None
    outcome: Annotated[str, Meta(max_length=500)] = ""

    @property
    def key(self) -> str:
        """Which report of the world it is."""
        return f"{self.centre}/{self.ticket}"

    @property
    def digest(self) -> str:
        """The same for the same content, whoever wrote its JSON."""
        plain = msgspec.json.encode(self, order="deterministic")
        return hashlib.sha256(plain).hexdigest()

    def origin(self) -> Origin:
        """What is kept of it beside the fields."""
        return Origin(
            centre=self.centre,
            name=self.centre_name,
            ticket=self.ticket,
            version=self.version,
            opened_at=self.opened_at,
            calls=self.calls,
            recordings=self.recordings,
            agencies=self.agencies,
            closed_at=self.closed_at,
            outcome=self.outcome,
        )


def told(
    centre: Centre,
    incident: Incident,
    version: int,
    calls: Iterable[HandedCall],
    recordings: Iterable[HandedRecording],
) -> HandedReport:
    """A report of ours in the words that another centre understands."""
    names = {agency.id: agency.name for agency in centre.agencies}
    return HandedReport(
        centre=centre.id,
        centre_name=centre.name,
        ticket=incident.number,
        version=version,
        opened_at=incident.opened_at,
        what=_what(centre, incident.fields),
        calls=tuple(calls)[:MOST_CALLS],
        recordings=tuple(recordings)[:MOST_CALLS],
        agencies={names.get(each, each): steps for each, steps in incident.agencies.items()},
        closed_at=incident.closed_at,
        outcome=incident.outcome[:500],
    )


def fitted(
    report: HandedReport, wrong: Callable[[Fields, Fields], Refused | None]
) -> dict[str, Any]:
    """The fields of our own report; ``wrong`` says what our lists do not know.

    What they do not know follows the narrative in words.
    """
    what, fields, beside = report.what, Fields(), []
    for name, label in LISTED:
        value: Chosen | str | None = getattr(what, name)
        if value is None:
            continue
        word = value if isinstance(value, str) else value.id
        tried = fields_from({name: word})
        if wrong(tried, fields) is None:
            fields = replace(fields, **tried.given())
        else:
            beside.append(f"{label}: {word if isinstance(value, str) else value.name or word}")
    answers = {}
    for each in what.answers:
        if wrong(Fields(answers={each.id: each.answer}), fields) is None:
            answers[each.id] = each.answer
        else:
            beside.append(f"{each.question or each.id}: {each.answer}")
    given = fields.given()
    if answers:
        given["answers"] = answers
    for name in ("kind", "place", "point", "caller_name", "contact_number", "victims", "priority"):
        value = getattr(what, name)
        if value is not None:
            given[name] = value
    narrative = "\n".join([*([what.narrative] if what.narrative else []), *beside])
    if narrative:
        given["narrative"] = narrative[:LONGEST_NARRATIVE]
    return given


def _what(centre: Centre, fields: Fields) -> What:
    given = fields.given()
    names = {category.id: category.name for category in centre.categories}
    sop = centre.report_form.categories.get(given.get("category", ""))
    questions = {} if sop is None else {each.id: each.text for each in sop.questions}
    subcategories = {} if sop is None else sop.subcategories
    category, subcategory = given.pop("category", None), given.pop("subcategory", None)
    answers = given.pop("answers", {})
    return What(
        category=_chosen(category, names),
        subcategory=_chosen(subcategory, subcategories),
        answers=tuple(
            Answered(id=each, question=questions.get(each, ""), answer=answer)
            for each, answer in answers.items()
        ),
        **{name: value for name, value in given.items() if value is not UNSET},
    )


def _chosen(value: str | None, names: dict[str, str]) -> Chosen | None:
    return None if value is None else Chosen(id=value, name=names.get(value, ""))
