"""Holds the parts of a settings file against each other, once each is well-formed by itself.

It compares with names as they stand in the file, so one wrong field is not reported again by all
that refer to its table.
"""

from __future__ import annotations

import os
import re
import zoneinfo
from collections.abc import Collection, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import phonenumbers

from ess_pbx.domain.config import LANGUAGE_SKILL, Shift
from ess_pbx.domain.shift import is_on
from ess_pbx.errors import SettingsError
from ess_pbx.prompts.catalogue import load_catalogue
from ess_pbx.settings.menu_checks import Targets, check_menus
from ess_pbx.settings.menus import MenuFile, read_menus
from ess_pbx.settings.model import (
    LEAST_RTP_PORTS,
    Asterisk,
    CentreTable,
    Database,
    Folders,
    Recordings,
    Web,
)
from ess_pbx.settings.places import expand_database, place_folders, place_keys
from ess_pbx.settings.reading import INVALID, Problems, holds_invalid, shown
from ess_pbx.sip.numbers import normalise_called

SECTIONS = ("trunks", "queues", "categories", "shifts", "operators", "agencies")
"""The tables of a settings file that occur more than once."""

_TEMPLATE_SECTIONS = frozenset({"system", "global", "udp", "trunk", "phone", "agencies"})


class Checks:
    """Holds the parts of one file against each other. A part that was wrong itself is passed by."""

    def __init__(
        self, raw: dict[str, Any], values: dict[str, Any], problems: Problems, base: Path
    ) -> None:
        self.raw = raw
        self.values = values
        self.problems = problems
        self.base = base
        self.warnings = Problems(problems.file, problems.lines)
        self.menu_problems = Problems("", {})
        self.catalogue_error: str | None = None
        """What is wrong in the prompt catalogue, with file and line."""
        self.menus = MenuFile()
        self.folders = Folders()
        self.database = Database()
        self.recordings = Recordings()

    def run(self) -> None:
        """Check all, leaving what was found in the attributes."""
        self._uniqueness()
        self._references()
        self._numbers()
        self._shifts()
        if self.values["asterisk"] is not INVALID:
            self._ports(self.values["asterisk"])
            if self.values["web"] is not INVALID:
                self._web(self.values["web"], self.values["asterisk"])
        if self.values["folders"] is not INVALID:
            self.folders = place_folders(self.values["folders"], self.base, self.problems)
            if self.values["recordings"] is not INVALID:
                kept = self.values["recordings"]
                self.recordings = place_keys(kept, self.folders, self.base, self.problems)
            if self.values["database"] is not INVALID:
                url = self.values["database"].url
                self.database = expand_database(url, self.folders.state, self.base, self.problems)
        if self.values["centre"] is not INVALID:
            self._centre(self.values["centre"])

    def _each(self, section: str) -> Iterator[tuple[int, Any]]:
        if self.values[section] is not INVALID:
            for at, element in enumerate(self.values[section]):
                if not holds_invalid(element):
                    yield at, element

    def _names(self, section: str, field: str = "id") -> list[str]:
        """List the names that elements go by in the file, wrong elsewhere or not."""
        elements = self.raw.get(section)
        tables = elements if isinstance(elements, list) else []
        return [str(table[field]) for table in tables if isinstance(table, dict) and field in table]

    def _known(self, path: tuple[str | int, ...], name: str, names: list[str], what: str) -> None:
        if name not in names:
            listed = ", ".join(names) or "there are none"
            self.problems.add(path, shown(name), f"{what} ({listed})")

    def _uniqueness(self) -> None:
        fields = [(section, "id") for section in SECTIONS if section != "operators"]
        for section, field in [*fields, ("operators", "extension"), ("agencies", "code")]:
            seen: dict[str, int] = {}
            for at, element in self._each(section):
                name = getattr(element, field)
                if name in seen:
                    other = f"{section}[{seen[name]}]"
                    self.problems.add(
                        (section, at, field), f"{shown(name)} as in {other}", "one of its own"
                    )
                seen.setdefault(name, at)
        addresses: dict[tuple[str, int], str] = {}
        for at, trunk in self._each("trunks"):
            other_trunk = addresses.setdefault((trunk.address, trunk.port), trunk.id)
            if other_trunk != trunk.id:
                self.problems.add(
                    ("trunks", at, "port"),
                    f"{trunk.address}:{trunk.port} as trunk {other_trunk}",
                    "an address and port of its own, by which its calls are told apart",
                )

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
        for at, agency in self._each("agencies"):
            for index, name in enumerate(agency.categories):
                path = ("agencies", at, "categories", index)
                self._known(path, name, categories, "the id of a category")

    def _numbers(self) -> None:
        """Hold what can be dialled apart: entry numbers, extensions, agencies' codes."""
        entries = {
            normalise_called(number)
            for _, trunk in self._each("trunks")
            for number in trunk.entry_numbers
        }
        extensions = set(self._names("operators", "extension"))
        codes = set(self._names("agencies", "code"))
        for at, trunk in self._each("trunks"):
            numbers = [normalise_called(number) for number in trunk.entry_numbers]
            for index, number in enumerate(trunk.entry_numbers):
                if numbers[index] in numbers[:index]:
                    self.problems.add(
                        ("trunks", at, "entry_numbers", index),
                        f"{shown(number)} again",
                        "each number once",
                    )
            if not numbers:
                self.problems.add(("trunks", at, "entry_numbers"), "none", "one number or more")
            if not trunk.codecs or len(set(trunk.codecs)) < len(trunk.codecs):
                found = ", ".join(trunk.codecs) or "none"
                self.problems.add(("trunks", at, "codecs"), found, "one codec or more, each once")
            # Both name a section of pjsip.conf.
            if trunk.id in extensions or trunk.id in _TEMPLATE_SECTIONS:
                self.problems.add(
                    ("trunks", at, "id"), shown(trunk.id), "not an extension nor a reserved name"
                )
        for at, operator in self._each("operators"):
            if operator.extension in entries | codes:
                self.problems.add(
                    ("operators", at, "extension"),
                    f"{shown(operator.extension)}, also an entry number or an agency's code",
                    "an extension that means nothing else",
                )
        for at, agency in self._each("agencies"):
            path = ("agencies", at, "code")
            if agency.code in entries:
                found = f"{shown(agency.code)}, also an entry number"
                self.problems.add(path, found, "a code that means nothing else")
            if not _reachable(agency.contact):
                self.problems.add(
                    ("agencies", at, "contact"), shown(agency.contact), "a valid host and port"
                )
        if not self.raw.get("trunks"):
            self.warnings.add(("trunks",), "no trunk", "one, for calls to come in")

    def _shifts(self) -> None:
        shifts = [shift for _, shift in self._each("shifts")]
        if self.values["shifts"] == ():
            self.problems.add(("shifts",), "none", "one shift or more")
        if self.values["operators"] == ():
            self.problems.add(("operators",), "none", "one operator or more")
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
            if operator.extension not in on_duty:
                self.warnings.add(("operators", at), "on no shift", "one shift or more")

    def _ports(self, asterisk: Asterisk) -> None:
        first, last = asterisk.rtp_first, asterisk.rtp_last
        if first % 2:
            self.problems.add(("asterisk", "rtp_first"), str(first), "an even port")
        if last - first + 1 < LEAST_RTP_PORTS:
            self.problems.add(
                ("asterisk", "rtp_last"),
                str(last),
                f"{first + LEAST_RTP_PORTS - 1} or above: at least {LEAST_RTP_PORTS} ports",
            )
        for name, port in (("sip_port", asterisk.sip_port), ("ari_port", asterisk.ari_port)):
            if first <= port <= last:
                self.problems.add(("asterisk", name), str(port), f"outside RTP's {first} to {last}")
        if asterisk.sip_port == asterisk.ari_port:
            self.problems.add(
                ("asterisk", "ari_port"), f"{asterisk.ari_port} as sip_port", "a port of its own"
            )
        if not ip_address(asterisk.ari_host).is_loopback:
            self.warnings.add(
                ("asterisk", "ari_host"),
                f"{asterisk.ari_host}, where the network can reach it",
                "127.0.0.1, for ARI can place calls",
            )
        for at, trunk in self._each("trunks"):
            if (trunk.address, trunk.port) == (asterisk.sip_host, asterisk.sip_port):
                self.problems.add(
                    ("trunks", at, "port"), f"{trunk.port}, Asterisk's own", "the telco's"
                )

    def _web(self, web: Web, asterisk: Asterisk) -> None:
        if not web.enabled:
            return
        everywhere = "0.0.0.0"  # noqa: S104 - found in the settings, not bound
        same = web.host == asterisk.ari_host or everywhere in (web.host, asterisk.ari_host)
        if same and web.port == asterisk.ari_port:
            self.problems.add(("web", "port"), f"{web.port} as ari_port", "a port of its own")
        if not ip_address(web.host).is_loopback:
            self.warnings.add(
                ("web", "host"),
                f"{web.host}, where PINs and numbers pass in the clear",
                "127.0.0.1, behind a proxy with a certificate",
            )

    def _centre(self, table: CentreTable) -> None:
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
        prompts, languages = self._catalogue(table)
        self._skills(languages, rostered=table.roster is not None)
        if table.greeting and prompts is not None and table.greeting not in prompts:
            expected = f"a prompt in the catalogue ({', '.join(sorted(prompts))})"
            self.problems.add(("centre", "greeting"), shown(table.greeting), expected)
        whole = True
        if table.menus is not None:
            file = self.base / table.menus
            self.menus, self.menu_problems = read_menus(file, os.path.normpath(file))
            whole = not self.menu_problems.found
        if table.first_menu is not None and whole:
            path = ("centre", "first_menu")
            self._known(path, table.first_menu, list(self.menus.menus), "the id of a menu")
        targets = Targets(queues, categories, prompts, languages)
        if table.first_menu is None or table.first_menu in self.menus.menus or not whole:
            check_menus(self.menus, table.first_menu, targets, self.menu_problems)

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

    def _catalogue(self, table: CentreTable) -> tuple[Collection[str] | None, list[str]]:
        """Read the names of the centre's prompts, and the languages that there are texts for."""
        folder = self.folders.prompts
        if self.values["folders"] is INVALID or not folder.is_dir():
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


def _reachable(contact: str) -> bool:
    """Tell whether a SIP URI's host and port can exist."""
    found = re.fullmatch(
        r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::([0-9]{1,5}))?", contact.split("@")[1]
    )
    if found is None:
        return False
    host, port = found[1].strip("[]"), int(found[2] or 5060)
    if ":" in host or re.fullmatch(r"[0-9.]+", host):
        try:
            ip_address(host)
        except ValueError:
            return False
    return 1 <= port <= 65535 and not host.startswith((".", "-"))


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
