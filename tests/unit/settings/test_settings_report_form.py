"""What reports ask for is read with file and line of whatever is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from ess_pbx.demo.stage import sample
from ess_pbx.settings.report_form import read_report_form

CATEGORIES = ("medis", "kebakaran")


def problems_of(folder: Path, text: str) -> list[str]:
    path = folder / "form.yaml"
    path.write_text(text)
    _, problems = read_report_form(path, "form.yaml", CATEGORIES)
    return [str(each) for each in problems.sorted()]


def test_the_sample_has_questions_and_districts() -> None:
    form = sample().centre_named().report_form
    assert [each.id for each in form.categories["medis"].questions][:2] == ["sadar", "napas"]
    assert "Sumberjaya" in form.districts["Sumur"]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("categories: {meteor: {}}", 'form.yaml:1: categories.meteor: "meteor"; expected the id'),
        (
            "categories:\n  medis:\n    questions:\n    - {id: a, text: A}\n    - {id: a, text: B}",
            'form.yaml:5: categories.medis.questions[1].id: "a" again; expected one of its own',
        ),
        (
            "categories:\n  medis:\n    questions:\n    - {id: a, text: A, answer: pilihan}",
            "form.yaml:4: categories.medis.questions[0].choices: answer",
        ),
        ("kategori: {}", "form.yaml:1: kategori: no such field"),
        ("- a", "form.yaml:1: something else; expected a YAML mapping with categories"),
    ],
    ids=["category", "twice", "choices", "field", "list"],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, text: str, error: str) -> None:
    (found,) = problems_of(tmp_path, text)
    assert found.startswith(error)
