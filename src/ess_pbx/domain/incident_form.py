"""Holds what is written in a report against the centre's lists and the SOP of its category."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from msgspec import UNSET

from ess_pbx.domain.config import Centre, Question, Sop
from ess_pbx.domain.effects import Refused
from ess_pbx.domain.incident import Fields, merged

YES_OR_NO = ("ya", "tidak")
NUMBER = re.compile(r"-?[0-9]{1,12}([.,][0-9]{1,6})?")
TELEPHONE = re.compile(r"\+?[0-9](?:[ ().-]{0,2}[0-9]){2,19}")
ANSWERS = "answers."
"""Begins the name of an answer among the faults: its question follows."""


def faults(centre: Centre, change: Fields, before: Fields) -> dict[str, Refused]:
    """What is wrong with a change of a report, by field; a list that is not there allows anything.

    An answer is wrong by itself, as ``answers.<question>``. An empty one is none yet.
    """
    form, after = centre.report_form, merged(before, change)
    sop = form.categories.get(after.category) if isinstance(after.category, str) else None
    known: dict[str, Collection[str]] = {
        "category": [category.id for category in centre.categories],
        "subcategory": [] if sop is None else list(sop.subcategories),
    }
    if form.districts:
        of_district = after.district if isinstance(after.district, str) else ""
        known["district"] = list(form.districts)
        known["village"] = form.districts.get(of_district, ())
    found: dict[str, Refused] = {}
    for name, values in known.items():
        value = getattr(change, name)
        if isinstance(value, str) and value not in values:
            found[name] = _unknown(name, value, values)
    number = change.contact_number
    if isinstance(number, str) and number and TELEPHONE.fullmatch(number.strip()) is None:
        detail = f"contact_number {number!r}; expected a telephone number, such as 0812-3456-7890"
        found["contact_number"] = Refused("invalid-contact-number", detail)
    return {**found, **dict(_wrong_answers(change, sop))}


def parted(change: Fields, wrong: Collection[str]) -> tuple[Fields, Fields]:
    """A change as what is right in it and what is wrong, by the names of ``faults``."""
    right: dict[str, Any] = {}
    rest: dict[str, Any] = {}
    for name, value in change.given().items():
        if name != "answers":
            (rest if name in wrong else right)[name] = value
            continue
        for question, answer in value.items():
            side = rest if ANSWERS + question in wrong else right
            side.setdefault(name, {})[question] = answer
    return Fields(**right), Fields(**rest)


def told(found: dict[str, Refused], end: str) -> Refused:
    """All that is wrong as one refusal, with what became of what was typed."""
    first, *others = found.values()
    detail = ". ".join([first.detail, *(each.detail for each in others), end])
    return Refused(first.code, detail)


def choices(question: Question) -> tuple[str, ...]:
    """What can be answered; empty when it is for the operator to say."""
    return YES_OR_NO if question.answer == "ya-tidak" else question.choices


def _wrong_answers(change: Fields, sop: Sop | None) -> Iterator[tuple[str, Refused]]:
    asked = {} if sop is None else {each.id: each for each in sop.questions}
    if change.answers is UNSET or not asked:
        return
    for name, answer in change.answers.items():
        question = asked.get(name)
        if question is None:
            yield ANSWERS + name, _unknown("question", name, list(asked))
        elif answer and (expected := _expected(question, answer)) is not None:
            yield (
                ANSWERS + name,
                Refused("invalid-answer", f"{name}: {answer!r}; expected {expected}"),
            )


def _expected(question: Question, answer: str) -> str | None:
    """What would be an answer; None when this is one."""
    listed = choices(question)
    if listed:
        return None if answer in listed else "one of " + ", ".join(listed)
    if question.answer == "angka" and NUMBER.fullmatch(answer.strip()) is None:
        return "a number, in digits"
    return None


def _unknown(what: str, found: str, known: Collection[str] | Sequence[str]) -> Refused:
    listed = ", ".join(known) or "none here"
    return Refused(f"unknown-{what}", f"no {what} {found!r}; expected one of {listed}")
