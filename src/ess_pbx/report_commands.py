"""``ess-pbx reports``: reports of incidents (laporan) of the running service."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from ess_pbx.asking import AsJson, Kind, SettingsFile, ask, local, of_centre, part
from ess_pbx.domain.incident import PlaceSource
from ess_pbx.errors import SettingsError
from ess_pbx.terminal import Named, err, print_json, print_rows

reports = App(name="reports", help="Reports of incidents (laporan).")
LISTED = ("report", "opened", "category", "place", "outcome")
Said = Literal["diserahkan", "diterima", "berangkat", "di-lokasi", "selesai"]
Number = Annotated[str, Parameter(help="The ticket, such as contoh-20261122-0001.")]


@Parameter(name="*")
@dataclass(frozen=True)
class Written:
    """What is written in a report; what is not given stays as it is."""

    kind: Kind | None = None
    category: Annotated[str | None, Parameter(help="See reports form, as for what follows.")] = None
    subcategory: str | None = None
    place: Annotated[str | None, Parameter(help="In words, as the caller says it.")] = None
    district: Annotated[str | None, Parameter(help="Kecamatan.")] = None
    village: Annotated[str | None, Parameter(help="Kelurahan or desa.")] = None
    latitude: Annotated[float | None, Parameter(help="WGS 84, with --longitude.")] = None
    longitude: float | None = None
    accuracy: Annotated[float | None, Parameter(help="Radius in metres.")] = None
    source: Annotated[PlaceSource, Parameter(help="Who says where.")] = "operator"
    caller_name: str | None = None
    contact_number: Annotated[str | None, Parameter(help="A second one to reach them.")] = None
    victims: int | None = None
    narrative: str | None = None
    priority: int | None = None
    answer: Annotated[tuple[str, ...], Parameter(help="question=answer, each.", negative="")] = ()

    def fields(self) -> dict[str, Any]:
        """As the API takes them. Raises SettingsError."""
        names = ("category", "subcategory", "place", "district", "village", "caller_name")
        more = ("contact_number", "victims", "narrative", "priority")
        values = {name: getattr(self, name) for name in (*names, *more)}
        given = {name: value for name, value in values.items() if value is not None}
        if self.kind is not None:
            given["kind"] = self.kind
        if (self.latitude is None) is not (self.longitude is None):
            raise SettingsError("half a point; expected both --latitude and --longitude")
        if self.latitude is not None:
            point = {"latitude": self.latitude, "longitude": self.longitude}
            given["point"] = {**point, "accuracy_m": self.accuracy, "source": self.source}
        if self.answer:
            given["answers"] = dict(_answers(self.answer))
        return given


NOTHING = Written()


@reports.command(name="list")
def list_reports(
    settings: SettingsFile,
    *,
    ticket: Annotated[str | None, Parameter(help="Of any day: the number or its end.")] = None,
    caller: Annotated[str | None, Parameter(help="Of any day: a number or part of a name.")] = None,
    day: Annotated[str | None, Parameter(help="Opened on this date: 2026-11-22.")] = None,
    as_json: AsJson = False,
    centre: Named = None,
) -> int:
    """Show the open reports, or with a ticket, caller or day those that fit, closed ones too."""
    asked = {"ticket": ticket, "caller": caller, "day": day}
    if any(value is not None for value in asked.values()):
        found = ask(settings, "POST", of_centre("/reports/search", centre), asked)
        rows = found
    else:
        found = ask(settings, "GET", of_centre("/reports", centre))
        rows = [{**each["report"], **each["report"]["fields"]} for each in found]
    if as_json:
        print_json(found)
        return 0
    # The number has the day.
    lines = [
        {**row, "report": row["number"], "opened": str(local(row["opened_at"]))[11:16]}
        for row in rows
    ]
    print_rows(lines, LISTED)
    return 0


@reports.command
def show(
    settings: SettingsFile, number: Number, *, as_json: AsJson = False, centre: Named = None
) -> int:
    """Show a report, open or closed, with steps, drafts and what it may be one with."""
    _print(ask(settings, "GET", of_centre(f"/reports/{part(number)}", centre)), as_json=as_json)
    return 0


@reports.command(name="form")
def show_form(settings: SettingsFile, *, as_json: AsJson = False, centre: Named = None) -> int:
    """Show what a report may be made of: categories, questions, districts and agencies."""
    found = ask(settings, "GET", of_centre("/form", centre))
    if as_json:
        print_json(found)
        return 0
    categories = found["categories"]
    rows = [
        {
            "category": each["id"],
            "subcategories": ", ".join(sub["id"] for sub in each["subcategories"]),
            "agencies": ", ".join(each["agencies"]),
        }
        for each in categories
    ]
    print_rows(rows, ("category", "subcategories", "agencies"))
    questions = [
        {
            "category": each["id"],
            "question": asked["id"],
            "text": asked["text"],
            "answer": ", ".join(asked["choices"]) or asked["answer"],
        }
        for each in categories
        for asked in each["questions"]
    ]
    print_rows(questions, ("category", "question", "text", "answer"))
    districts = [
        {"district": each["name"], "villages": ", ".join(each["villages"])}
        for each in found["districts"]
    ]
    print_rows(districts, ("district", "villages"))
    return 0


@reports.command(name="open")
def open_report(
    settings: SettingsFile,
    *,
    call: Annotated[str | None, Parameter(help="The call that told of it.")] = None,
    written: Written = NOTHING,
    as_json: AsJson = False,
    centre: Named = None,
) -> int:
    """Begin a report, and show it."""
    body = {"fields": written.fields(), "call": call}
    _print(ask(settings, "POST", of_centre("/reports", centre), body), as_json=as_json)
    return 0


@reports.command
def save(
    settings: SettingsFile,
    number: Number,
    *,
    base: Annotated[
        int | None, Parameter(help="The version that you saw; if not given, the one of now.")
    ] = None,
    written: Written = NOTHING,
    as_json: AsJson = False,
) -> int:
    """Write into a report, and show it."""
    fields, path = written.fields(), f"/reports/{part(number)}"
    if not fields:
        err.print("save: nothing to write; expected one field or more, as --place Pasar")
        return 2
    if base is None:
        base = ask(settings, "GET", path)["report"]["version"]
    found = ask(settings, "POST", f"{path}/save", {"base": base, "fields": fields})
    _print(found, as_json=as_json)
    return 0


@reports.command
def link(settings: SettingsFile, number: Number, call: str, *, as_json: AsJson = False) -> int:
    """One more call about it."""
    return _change(settings, number, "link", {"call": call}, as_json=as_json)


@reports.command
def join(settings: SettingsFile, number: Number, to: str, *, as_json: AsJson = False) -> int:
    """It is of the same event as another report, which goes on for both."""
    return _change(settings, number, "join", {"to": to}, as_json=as_json)


@reports.command
def step(
    settings: SettingsFile, number: Number, agency: str, said: Said, *, as_json: AsJson = False
) -> int:
    """An agency was given the report, or said how far it is."""
    what = f"agencies/{part(agency)}"
    return _change(settings, number, what, {"step": said}, as_json=as_json)


@reports.command
def close(
    settings: SettingsFile,
    number: Number,
    *,
    outcome: Annotated[str, Parameter(help="How it ended.")],
    as_json: AsJson = False,
) -> int:
    """A report is done with."""
    return _change(settings, number, "close", {"outcome": outcome}, as_json=as_json)


@reports.command
def reopen(
    settings: SettingsFile,
    number: Number,
    *,
    reason: Annotated[str, Parameter(help="Why; it is on record.")],
    as_json: AsJson = False,
) -> int:
    """A closed report goes on."""
    return _change(settings, number, "reopen", {"reason": reason}, as_json=as_json)


def _change(settings: Path, number: str, what: str, body: dict[str, Any], *, as_json: bool) -> int:
    _print(ask(settings, "POST", f"/reports/{part(number)}/{what}", body), as_json=as_json)
    return 0


def _answers(given: Sequence[str]) -> Iterator[tuple[str, str]]:
    for each in given:
        question, equals, answer = each.partition("=")
        if not equals or not question:
            raise SettingsError(f"--answer {each!r}; expected question=answer, as sadar=ya")
        yield question, answer


def _value(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return ", ".join(f"{name}={_value(each)}" for name, each in value.items())


def _print(found: dict[str, Any], *, as_json: bool) -> None:
    """A report: JSON, or a table of what is known."""
    if as_json:
        print_json(found)
        return
    report = found["report"]
    rows = {
        "number": report["number"],
        "version": report["version"],
        "opened": f"{local(report['opened_at'])} {report['opened_by']}",
        **report["fields"],
        "calls": " ".join(report["calls"]),
        **{
            f"{agency}: {said}": local(at)
            for agency, steps in report["agencies"].items()
            for said, at in steps.items()
        },
        **{f"draft of {by}": draft["fields"] for by, draft in report["drafts"].items()},
        **{f"{number} says": said for number, said in report["otherwise"].items()},
        **{f"perhaps {each['number']}": each["why"] for each in found["likely_same"]},
    }
    if report["closed_at"] is not None:
        rows["closed"] = f"{local(report['closed_at'])} {report['closed_by']}"
        rows["outcome"] = report["outcome"]
    if report["joined_to"] is not None:
        rows["goes on as"] = report["joined_to"]
    lines = [{"field": name, "value": _value(value)} for name, value in rows.items() if value != ""]
    print_rows(lines, ("field", "value"))
