"""What the API takes and gives to find reports and to show a form for them."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from ess_pbx.web.models import Answer, Body

LINE = r"^[^\x00-\x1f\x7f]*\Z"


class FindReportsBody(Body, frozen=True, kw_only=True):
    """What is known of a report; all that is given must fit.

    It is no query: callers' numbers are in no path, for paths end up in the logs of proxies.
    """

    ticket: Annotated[str, Meta(min_length=1, max_length=80, pattern=LINE)] | None = None
    """The number or its end."""
    caller: Annotated[str, Meta(min_length=2, max_length=60, pattern=LINE)] | None = None
    """The number of a call of it or the second one, in any form, or a part of the caller's name."""
    day: Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")] | None = None
    """The centre's date on which it was opened."""


class FoundReport(Answer, frozen=True, kw_only=True):
    """A report of any day, in short."""

    centre: str
    number: str
    opened_at: float | None
    closed_at: float | None
    kind: str | None
    category: str | None
    place: str | None
    district: str | None
    outcome: str | None
    joined_to: str | None


class Choice(Answer, frozen=True, kw_only=True):
    """Something of a list."""

    id: str
    name: str


class QuestionView(Answer, frozen=True, kw_only=True):
    """A question of the SOP, and what its answer may be: in ``choices`` where there are any."""

    id: str
    text: str
    answer: str
    """``ya-tidak``, ``angka``, ``teks`` or ``pilihan``."""
    choices: tuple[str, ...]


class CategoryView(Choice, frozen=True, kw_only=True):
    """A category, with what its reports ask for and whom they mostly go to."""

    subcategories: list[Choice]
    questions: list[QuestionView]
    agencies: list[str]


class DistrictView(Answer, frozen=True, kw_only=True):
    """A kecamatan and its kelurahan and desa."""

    name: str
    villages: tuple[str, ...]


class AgencyView(Choice, frozen=True, kw_only=True):
    """An agency; ``code`` is what an operator's phone dials for it."""

    code: str
    categories: tuple[str, ...]
    neighbour: bool
    """A neighbouring centre."""


class FormView(Answer, frozen=True, kw_only=True):
    """What a centre's reports are made of."""

    centre: str
    kinds: tuple[str, ...]
    steps: tuple[str, ...]
    """Of an agency, in order."""
    place_sources: tuple[str, ...]
    categories: list[CategoryView]
    districts: list[DistrictView]
    """Empty where any may be written."""
    agencies: list[AgencyView]
