"""A report of an incident (laporan): what is known of it, who wrote it, and how it goes on.

Several people may write one report. Each change names the version it was made from: what touches
other fields than those changed since is taken over, what touches the same ones is a conflict that
says who wrote what, and nothing typed is thrown away.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from ess_pbx.domain.commands import Mark
from ess_pbx.domain.config import Identifier

Text = Annotated[str, Meta(max_length=10_000)]
ShortText = Annotated[str, Meta(max_length=200)]
CallName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9.~-]{0,63}\Z")]
PlaceSource = Literal["caller", "operator", "network", "device", "map"]
"""Who says where: the caller's words, the operator's knowledge, the network's cell, the handset
(AML, PIDF-LO), a click on the map."""

EARTH_KM = 6371.0


class Point(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Coordinates in WGS 84, with how exact they are and who says so."""

    latitude: Annotated[float, Meta(ge=-90, le=90)]
    longitude: Annotated[float, Meta(ge=-180, le=180)]
    accuracy_m: Annotated[float, Meta(ge=0, le=1_000_000)] | None = None
    """Radius in metres."""
    source: PlaceSource


class Fields(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What people write in a report. Also a change of it: what is UNSET stays as it was."""

    kind: Mark | UnsetType = UNSET
    category: Identifier | UnsetType = UNSET
    subcategory: Identifier | UnsetType | None = UNSET
    place: ShortText | UnsetType = UNSET
    """In words, as the caller says it."""
    district: ShortText | UnsetType | None = UNSET
    """Kecamatan, of the centre's list."""
    village: ShortText | UnsetType | None = UNSET
    """Kelurahan or desa, of its district."""
    point: Point | UnsetType | None = UNSET
    caller_name: ShortText | UnsetType = UNSET
    contact_number: ShortText | UnsetType = UNSET
    """A second number to reach the caller, as they say it; empty once it is not theirs."""
    victims: Annotated[int, Meta(ge=0, le=1000000)] | UnsetType | None = UNSET
    narrative: Text | UnsetType = UNSET
    priority: Annotated[int, Meta(ge=0, le=9)] | UnsetType = UNSET
    answers: dict[Identifier, ShortText] | UnsetType = UNSET
    """Of the SOP's questions, by their ids. Those that are not named stay."""

    def given(self) -> dict[str, Any]:
        """The fields that are set, by name."""
        values = {name: getattr(self, name) for name in self.__struct_fields__}
        return {name: value for name, value in values.items() if value is not UNSET}


class Step(StrEnum):
    """What an agency said of a report that it was given, in order."""

    GIVEN = "diserahkan"
    RECEIVED = "diterima"
    ON_THE_WAY = "berangkat"
    ON_THE_SPOT = "di-lokasi"
    DONE = "selesai"


class Written(Struct, frozen=True):
    """Who set a field last, when and in which version of the report."""

    version: int
    by: str
    at: float


class Draft(Struct, frozen=True):
    """What somebody has typed and not saved yet."""

    base: int
    """The version of the report that they saw."""
    fields: Fields
    at: float


class HandedCall(Struct, frozen=True, kw_only=True):
    """A call of the centre that a report came from."""

    id: CallName
    number: Annotated[str, Meta(pattern=r"^\+[1-9][0-9]{4,14}\Z")] | None = None
    """E.164."""
    arrived_at: float | None = None


class HandedRecording(Struct, frozen=True, kw_only=True):
    """By what the centre that has it finds a recording, and whoever gets it proves it whole."""

    recording: CallName
    call: CallName
    seconds: float | None = None
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")] | None = None
    """Of the file as it was last known: the WAV, or FLAC once it is sealed."""
    entry: int | None = None
    """In that centre's manifest."""


class Origin(Struct, frozen=True, kw_only=True):
    """The neighbouring centre that a report came from, as its latest version says."""

    centre: str
    name: str
    ticket: str
    """The number of the report there."""
    version: int
    opened_at: float
    calls: tuple[HandedCall, ...] = ()
    recordings: tuple[HandedRecording, ...] = ()
    """Where they lie: with that centre."""
    agencies: dict[str, dict[Step, float]] = {}
    """By name, whom that centre gave it to: when each step was said."""
    closed_at: float | None = None
    outcome: str = ""


class Incident(Struct, frozen=True, kw_only=True):
    """One report as it stands."""

    number: str
    """The ticket: centre, local date and a number of that day."""
    opened_at: float
    opened_by: str
    version: int = 1
    fields: Fields = Fields()
    written: dict[str, Written] = {}
    """By field."""
    calls: tuple[str, ...] = ()
    agencies: dict[str, dict[Step, float]] = {}
    """By agency: when each step was said."""
    drafts: dict[str, Draft] = {}
    """By person."""
    closed_at: float | None = None
    closed_by: str = ""
    outcome: str = ""
    joined_to: str | None = None
    """The report of the same event that this one was joined to."""
    otherwise: dict[str, Fields] = {}
    """By the reports that were joined to this one: what they say otherwise."""
    origin: Origin | None = None
    """Where it came from, when that was not a call of this centre."""


class Conflict(Struct, frozen=True):
    """A field that two people set, and what stands there now."""

    field: str
    now: Any
    written: Written


def conflicts(incident: Incident, base: int, change: Fields) -> list[Conflict]:
    """The fields of a change from version ``base`` that others have set otherwise since."""
    found = []
    for name, value in change.given().items():
        written, now = incident.written.get(name), getattr(incident.fields, name)
        if written is None or written.version <= base:
            continue
        if name == "answers":
            value = {**now, **value}
        if value != now:
            found.append(Conflict(name, now, written))
    return found


def written_over(incident: Incident, change: Fields, by: str, at: float) -> Incident:
    """The next version of a report, with a change in it; the writer's draft of it is done with."""
    version = incident.version + 1
    return replace(
        incident,
        version=version,
        fields=merged(incident.fields, change),
        written={**incident.written, **dict.fromkeys(change.given(), Written(version, by, at))},
        drafts=with_draft(incident.drafts, by, undone(incident.drafts.get(by), change)),
    )


def merged(before: Fields, change: Fields) -> Fields:
    """Fields with a change in them; answers that are not named stay."""
    given = change.given()
    if "answers" in given and before.answers is not UNSET:
        given["answers"] = {**before.answers, **given["answers"]}
    return replace(before, **given)


def drafted(before: Draft | None, base: int, fields: Fields, at: float = 0.0) -> Draft:
    """A draft with more typed into it: what was typed before and is not typed anew stays.

    It counts as written from the older version: whoever saves it hears of all that others wrote.
    """
    if before is None:
        return Draft(base, fields, at)
    return Draft(min(base, before.base), merged(before.fields, fields), at)


def undone(draft: Draft | None, change: Fields) -> Draft | None:
    """What is left of a draft when a change was saved; None when nothing is."""
    if draft is None:
        return None
    saved, left = change.given(), draft.fields.given()
    asked = left.get("answers", {}).keys() - saved.get("answers", {}).keys()
    answers = {each: answer for each, answer in left.get("answers", {}).items() if each in asked}
    for name in saved:
        left.pop(name, None)
    if answers:
        left["answers"] = answers
    return replace(draft, fields=Fields(**left)) if left else None


def with_draft(drafts: Mapping[str, Draft], by: str, draft: Draft | None) -> dict[str, Draft]:
    """Everybody's drafts, of which one person's is now another, or is none."""
    others = {person: each for person, each in drafts.items() if person != by}
    return others if draft is None else {**others, by: draft}


def likely_same(
    incident: Incident, others: Iterable[Incident], within_seconds: float = 3600.0
) -> list[tuple[Incident, str]]:
    """Open reports that may be of the same event, likeliest first, each with the reason.

    Two are never called the same by themselves; people decide.
    """
    scored = []
    for other in others:
        apart = abs(other.opened_at - incident.opened_at)
        if other.number == incident.number or other.closed_at is not None or other.joined_to:
            continue
        if apart > within_seconds or not _same_category(incident.fields, other.fields):
            continue
        score, reason = _nearness(incident.fields, other.fields)
        if score > 0:
            scored.append((score - apart / within_seconds, other, reason))
    scored.sort(key=lambda each: (-each[0], each[1].number))
    return [(other, reason) for _, other, reason in scored]


def kilometres(one: Point, other: Point) -> float:
    """The great-circle distance, to about 0.5 %."""
    first, second = math.radians(one.latitude), math.radians(other.latitude)
    half_way = math.sin((second - first) / 2) ** 2
    east = math.radians(other.longitude - one.longitude)
    chord = half_way + math.cos(first) * math.cos(second) * math.sin(east / 2) ** 2
    return 2 * EARTH_KM * math.asin(math.sqrt(min(1.0, chord)))


def _same_category(one: Fields, other: Fields) -> bool:
    return UNSET in (one.category, other.category) or one.category == other.category


def _nearness(one: Fields, other: Fields) -> tuple[float, str]:
    """How near two places are said to be, 0 to 4, and in words."""
    if isinstance(one.point, Point) and isinstance(other.point, Point):
        apart = kilometres(one.point, other.point)
        unsure = sum((each.accuracy_m or 0) / 1000 for each in (one.point, other.point))
        if apart <= 1.0 + unsure:
            return 4.0 - min(apart, 1.0), f"{apart:.1f} km"
        return 0.0, ""
    if isinstance(one.village, str) and one.village == other.village:
        return 2.5, one.village
    common = _words(one.place) & _words(other.place)
    if isinstance(one.district, str) and one.district == other.district:
        return 1.5 + min(len(common), 3) / 3, one.district
    if len(common) >= 2:
        return 1.2, " ".join(sorted(common))
    return 0.0, ""


_EMPTY_WORDS = frozenset(
    {"dari", "yang", "dekat", "depan", "belakang", "samping", "jalan", "jln", "kampung", "gang"}
)
"""Of more than two letters, and of no help in telling places apart."""


def _words(place: str | UnsetType) -> frozenset[str]:
    """The telling words of a place."""
    if place is UNSET:
        return frozenset()
    letters = "".join(each if each.isalnum() else " " for each in place.lower())
    return frozenset(word for word in letters.split() if len(word) > 2) - _EMPTY_WORDS


def fields_from(given: Mapping[str, Any]) -> Fields:
    """Fields out of plain values. Raises msgspec.ValidationError, naming the field."""
    return msgspec.convert(given, Fields)
