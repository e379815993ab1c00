"""Reads what a centre's reports ask for from YAML: sub-categories, SOP questions and districts."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from ess_pbx.domain.config import ReportForm
from ess_pbx.settings.reading import Problems, holds_invalid, read, shown
from ess_pbx.settings.yaml_lines import read_mapping


def read_report_form(
    path: Path, shown_as: str | None, categories: Collection[str]
) -> tuple[ReportForm, Problems]:
    """Read the file; returns what is well-formed, and what is wrong or unknown in it."""
    raw, problems = read_mapping(
        path, shown_as, "a YAML mapping with categories and districts (docs/administrator.md)"
    )
    if raw is None:
        return ReportForm(), problems
    form = read(raw, ReportForm, (), problems)
    if holds_invalid(form):
        return ReportForm(), problems
    for name, sop in form.categories.items():
        place = ("categories", name)
        if name not in categories:
            problems.add(place, shown(name), f"the id of a category ({', '.join(categories)})")
        seen: set[str] = set()
        for at, question in enumerate(sop.questions):
            here = (*place, "questions", at)
            if question.id in seen:
                problems.add((*here, "id"), f"{shown(question.id)} again", "one of its own")
            seen.add(question.id)
            if (question.answer == "pilihan") is not bool(question.choices):
                found = "choices" if question.choices else 'answer "pilihan" without choices'
                expected = 'choices with answer "pilihan", and with no other'
                problems.add((*here, "choices"), found, expected)
    return form, problems
