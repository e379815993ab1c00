"""Holds the parts of a centre's settings against each other, once each is well-formed by itself.

It compares with names as they stand in the file, so one wrong field is not reported again by all
that refer to its table.
"""

from __future__ import annotations

import os
import zoneinfo
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import phonenumbers

from ess_pbx.domain import silence
from ess_pbx.domain.agent import NOT_ANSWERING
from ess_pbx.domain.config import LANGUAGE_SKILL, Policy, ReportForm, Shift
from ess_pbx.domain.shift import is_on
from ess_pbx.errors import SettingsError
from ess_pbx.prompts.catalogue import load_catalogue
from ess_pbx.settings.agency_checks import check_agencies
from ess_pbx.settings.ladder_checks import check_ladder
from ess_pbx.settings.menu_checks import Targets, check_menus
from ess_pbx.settings.menus import MenuFile, read_menus
from ess_pbx.settings.model import CentreTable
from ess_pbx.settings.neighbour_checks import check_neighbours
from ess_pbx.settings.reading import INVALID, Problems, holds_invalid, shown
from ess_pbx.settings.report_form import read_report_form
from ess_pbx.settings.surge_checks import check_surge

SECTIONS = ("queues", "categories", "shifts", "operators", "agencies")
"""The tables of a centre's settings that occur more than once."""


@dataclass
class SettingsFile:
    """One settings file as it was read: what it says, and what is wrong or odd in it."""

    raw: dict[str, Any]
    values: dict[str, Any]
    """Fields by name; what was wrong by itself is ``INVALID``, and passed by."""
    problems: Problems
    base: Path
    """From where its relative paths start."""

    def __post_init__(self) -> None:
        self.warnings = Problems(self.problems.file, self.problems.lines)

    def each(self, section: str) -> Iterator[tuple[int, Any]]:
        """The elements of a section that are right by themselves, and their places."""
        if self.values[section] is not INVALID:
            for at, element in enumerate(self.values[section]):
                if not holds_invalid(element):
                    yield at, element

    def names(self, section: str, field: str = "id") -> list[str]:
        """The names that elements go by in the file, wrong elsewhere or not."""
        elements = self.raw.get(section)
        tables = elements if isinstance(elements, list) else []
        return [str(table[field]) for table in tables if isinstance(table, dict) and field in table]

    def known(
        self, path: tuple[str | int, ...], name: str, names: Collection[str], what: str
    ) -> None:
        """Note a name at ``path`` that is not one of ``names``."""
        if name not in names:
            listed = ", ".join(names) or "there are none"
            self.problems.add(path, shown(name), f"{what} ({listed})")

    def unique(self, section: str, field: str = "id") -> None:
        """Note elements that go by the name of another."""
        seen: dict[str, int] = {}
        for at, element in self.each(section):
            name = getattr(element, field)
            if name in seen:
                other = f"{section}[{seen[name]}]"
                self.problems.add(
                    (section, at, field), f"{shown(name)} as in {other}", "one of its own"
                )
            seen.setdefault(name, at)


class CentreChecks:
    """Holds the parts of one centre against each other."""

    def __init__(self, file: SettingsFile) -> None:
        self.file = file
        self.raw, self.values, self.base = file.raw, file.values, file.base
        self.problems, self.warnings = file.problems, file.warnings
        self._each, self._names, self._known = file.each, file.names, file.known
        self.menu_problems = Problems("", {})
        self.catalogue_error: str | None = None
        """What is wrong in the prompt catalogue, with file and line."""
        self.menus = MenuFile()
        self.report_form = ReportForm()
        self.form_problems = Problems("", {})

    @property
    def id(self) -> str | None:
        """What the centre is called in the file, wrong elsewhere or not."""
        table = self.raw.get("centre")
        return str(table["id"]) if isinstance(table, dict) and "id" in table else None

    def run(self, prompts: Path | None) -> None:
        """Check all, leaving what was found in the attributes.

        ``prompts`` is the folder of the installation's catalogue, None when it is not known.
        """
        for section in SECTIONS:
            if section != "operators":
                self.file.unique(section)
        self.file.unique("operators", "extension")
        self.file.unique("agencies", "code")
        self._references()
        check_agencies(self._each, self._names("operators", "extension"), self.problems)
        check_neighbours(self._each, self.id, self.problems, self.warnings)
        self._shifts()
        if self.values["policy"] is not INVALID:
            self._call_backs(self.values["policy"])
        if self.values["centre"] is not INVALID:
            self._centre(self.values["centre"], prompts)

    def _references(self) -> None:
        queues, categories = self._names("queues"), self._names("categories")
        extensions = self._names("operators", "extension")
        for at, category in self._each("categories"):
            self._known(("categories", at, "queue"), category.queue, queues, "the id of a queue")
        for section in ("queues", "shifts"):
            for at, element in self._each(section):
                for index, operator in enumerate(element.operators):
                    path = (section, at, "operators", index)
                    self._known(path, operator, extensions, "an operator's extension")
                    if operator in element.operators[:index]:
                        self.problems.add(path, f"{shown(operator)} again", "each operator once")
        supervisors = {e.extension for _, e in self._each("operators") if e.role == "supervisor"}
        for at, queue in self._each("queues"):
            for index, operator in enumerate(queue.operators):
                if operator in supervisors:
                    found = f"{shown(operator)}, a supervisor"
                    expected = "an operator; supervisors are rung by the ladder"
                    self.problems.add(("queues", at, "operators", index), found, expected)
        for at, agency in self._each("agencies"):
            for index, name in enumerate(agency.categories):
                path = ("agencies", at, "categories", index)
                self._known(path, name, categories, "the id of a category")

    def _call_backs(self, policy: Policy) -> None:
        delays, attempts = policy.call_back_delays, policy.call_back_attempts
        path = ("policy", "call_back_delays")
        if not delays:
            self.problems.add(path, "none", "one delay or more, such as [0, 120, 600]")
        elif policy.call_back and len(delays) > attempts:
            found = f"{len(delays)} delays for {attempts} attempts (call_back_attempts)"
            self.warnings.add(path, found, "no more delays than attempts")
        last = sum(delays[min(each, len(delays) - 1)] for each in range(attempts)) if delays else 0
        if policy.call_back and last >= policy.call_back_expires * 3600:
            found = f"{policy.call_back_expires:g} h, before the last attempt is due"
            self.warnings.add(("policy", "call_back_expires"), found, "longer than all delays")

    def _shifts(self) -> None:
        shifts = [shift for _, shift in self._each("shifts")]
        if self.values["shifts"] == ():
            self.problems.add(("shifts",), "none", "one shift or more")
        if self.values["operators"] == ():
            self.problems.add(("operators",), "none", "one operator or more")
        elif not holds_invalid(self.values["operators"]) and all(
            operator.role == "supervisor" for _, operator in self._each("operators")
        ):
            self.problems.add(("operators",), "supervisors only", "one operator or more")
        centre = self.values["centre"]
        rostered = centre is not INVALID and centre.roster is not None
        for at, shift in self._each("shifts"):
            if rostered:
                continue  # who works is for the roster to say
            if not shift.operators:
                self.warnings.add(("shifts", at, "operators"), "none", "one operator or more")
            elif len(shift.operators) < shift.minimum:
                found = f"{shift.minimum}, of {len(shift.operators)} operators"
                self.warnings.add(("shifts", at, "minimum"), found, "no more than there are")
        if holds_invalid(self.values["shifts"]):
            return
        ordinary = [shift for shift in shifts if not shift.holiday]
        special = [shift for shift in shifts if shift.holiday]
        if shifts and not ordinary:
            self.problems.add(("shifts",), "all for holidays", "one for ordinary days or more")
        for days, group in (("", ordinary), (" on holidays", special)):
            for begins, ends in _uncovered(group):
                found = f"no shift from {begins:%H:%M} to {ends:%H:%M}{days}"
                self.warnings.add(("shifts",), found, "all day covered")
        if rostered:
            return
        on_duty = {extension for shift in shifts for extension in shift.operators}
        for at, operator in self._each("operators"):
            if operator.extension not in on_duty and operator.role == "operator":
                self.warnings.add(("operators", at), "on no shift", "one shift or more")

    def _centre(self, table: CentreTable, folder: Path | None) -> None:
        queues, categories = self._names("queues"), self._names("categories")
        self._known(("centre", "default_queue"), table.default_queue, queues, "the id of a queue")
        category = table.default_category
        self._known(("centre", "default_category"), category, categories, "the id of a category")
        try:
            zoneinfo.ZoneInfo(table.time_zone)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            expected = "a time zone such as Asia/Jakarta, Asia/Makassar or Asia/Jayapura"
            self.problems.add(("centre", "time_zone"), shown(table.time_zone), expected)
        if not phonenumbers.country_code_for_region(table.country):
            expected = "a country of ISO 3166, such as ID"
            self.problems.add(("centre", "country"), shown(table.country), expected)
        prompts, languages = self._catalogue(table, folder)
        if not holds_invalid(self.values["policy"]):
            self._breaks(self.values["policy"], prompts)
        if self.values["policy"] is not INVALID:
            check_ladder(self.values["policy"], self._names("agencies"), prompts, self.problems)
        for at, category in self._each("categories"):
            if prompts is not None and category.prompt not in {None, *prompts}:
                expected = f"a prompt in the catalogue ({', '.join(sorted(prompts))})"
                self.problems.add(("categories", at, "prompt"), shown(category.prompt), expected)
        self._skills(languages, rostered=table.roster is not None)
        if table.greeting and prompts is not None and table.greeting not in prompts:
            expected = f"a prompt in the catalogue ({', '.join(sorted(prompts))})"
            self.problems.add(("centre", "greeting"), shown(table.greeting), expected)
        if self.values["surge"] is not INVALID:
            surge, given = self.values["surge"], self.raw.get("surge", {})
            check_surge(surge, given, prompts, categories, self.problems, self.warnings)
        if table.report_form is not None:
            file = self.base / table.report_form
            self.report_form, self.form_problems = read_report_form(
                file, os.path.normpath(file), categories
            )
        whole = True
        if table.menus is not None:
            file = self.base / table.menus
            self.menus, self.menu_problems = read_menus(file, os.path.normpath(file))
            whole = not self.menu_problems.found
        if table.first_menu is not None and whole:
            path = ("centre", "first_menu")
            self._known(path, table.first_menu, list(self.menus.menus), "the id of a menu")
        policy = self.values["policy"]
        asks = policy is not INVALID and policy.silent_after > 0
        targets = Targets(queues, categories, prompts, languages, silence.KEY if asks else ())
        self._policy(prompts)
        if table.first_menu is None or table.first_menu in self.menus.menus or not whole:
            check_menus(self.menus, table.first_menu, targets, self.menu_problems)

    def _breaks(self, policy: Policy, prompts: Collection[str] | None) -> None:
        """Each reason and each key means one break, and the system's own reason is none of them."""
        table = self.raw.get("policy")
        if not isinstance(table, dict) or "break_reasons" not in table:
            return
        for at, reason in enumerate(policy.break_reasons):
            path = ("policy", "break_reasons", at)
            earlier = policy.break_reasons[:at]
            if reason.name == NOT_ANSWERING:
                expected = "another: this one is for who misses too many calls"
                self.problems.add((*path, "name"), shown(reason.name), expected)
            if reason.name in {each.name for each in earlier}:
                self.problems.add((*path, "name"), f"{shown(reason.name)} again", "each once")
            if reason.key is not None and reason.key in {each.key for each in earlier}:
                self.problems.add((*path, "key"), f"{shown(reason.key)} again", "one of its own")
            if prompts is not None and reason.prompt not in {None, *prompts}:
                expected = f"a prompt in the catalogue ({', '.join(sorted(prompts))})"
                self.problems.add((*path, "prompt"), shown(str(reason.prompt)), expected)

    def _policy(self, prompts: Collection[str] | None) -> None:
        policy = self.values["policy"]
        if policy is INVALID:
            return
        warning = policy.prank_warning
        if warning is not None and prompts is not None and warning not in prompts:
            expected = f"a prompt in the catalogue ({', '.join(sorted(prompts))})"
            self.problems.add(("policy", "prank_warning"), shown(warning), expected)
        if policy.prank_priority > policy.default_priority:
            found = f"{policy.prank_priority}, above default_priority"
            expected = f"{policy.default_priority} or less, for it holds nobody back"
            self.warnings.add(("policy", "prank_priority"), found, expected)

    def _skills(self, languages: list[str], *, rostered: bool) -> None:
        """Hold what categories ask for against what operators can do.

        Warnings only: a call that asks for what nobody there can do is for anyone of its queue.
        """
        asked = {skill for _, each in self._each("categories") for skill in each.skills}
        spoken = {LANGUAGE_SKILL + language for language in languages}
        known = ", ".join(sorted(asked | spoken))
        for at, operator in self._each("operators"):
            for skill in operator.skills:
                if skill not in asked | spoken:
                    path = ("operators", at, "skills", skill)
                    found = f"{shown(skill)}, which no call asks for"
                    self.warnings.add(path, found, f"a skill of a category or language ({known})")
        on_shift = {name for _, shift in self._each("shifts") for name in shift.operators}
        able = {
            skill
            for _, operator in self._each("operators")
            if rostered or operator.extension in on_shift
            for skill in operator.skills
        }
        for at, category in self._each("categories"):
            for index, skill in enumerate(category.skills):
                if skill not in able:
                    path = ("categories", at, "skills", index)
                    found = f"{shown(skill)}, which nobody on any shift has"
                    self.warnings.add(path, found, "a skill of an operator on a shift")

    def _catalogue(
        self, table: CentreTable, folder: Path | None
    ) -> tuple[Collection[str] | None, list[str]]:
        """Read the names of the centre's prompts, and the languages that there are texts for."""
        if folder is None or not folder.is_dir():
            return None, [table.language]
        try:
            prompts = load_catalogue(folder).prompts
        except (SettingsError, OSError) as error:
            self.catalogue_error = str(error)
            if isinstance(error, OSError):
                self.catalogue_error = f"{folder}: {error.strerror}; expected readable prompts"
            return None, [file.stem for file in folder.glob("*.yaml")]
        languages = sorted(prompts)
        if table.language not in prompts:
            expected = f"a language with a prompt catalogue ({', '.join(languages)})"
            self.problems.add(("centre", "language"), shown(table.language), expected)
            return None, languages
        return prompts[table.language].keys(), languages


def _uncovered(shifts: list[Shift]) -> Iterator[tuple[Any, Any]]:
    """Yield the parts of the day, from and to, in which no shift is on duty."""
    edges = sorted({edge for shift in shifts for edge in (shift.starts, shift.ends)})
    gaps: list[tuple[Any, Any]] = []
    for begins, ends in zip(edges, edges[1:] + edges[:1], strict=True):
        if any(is_on(shift, begins) for shift in shifts):
            continue
        if gaps and gaps[-1][1] == begins:
            gaps[-1] = (gaps[-1][0], ends)
        else:
            gaps.append((begins, ends))
    yield from gaps
