"""Holds agencies against the rest of a centre: how they are reached, and what operators dial.

The trunks of an installation are known only when all of its centres are read:
``check_contact_trunks`` is for then.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from ipaddress import ip_address
from typing import Any

from ess_pbx.domain.config import Contact
from ess_pbx.domain.feature_codes import BLIND, COLLEAGUE
from ess_pbx.settings.reading import Problems, shown

Each = Callable[[str], Iterator[tuple[int, Any]]]
Path = tuple[str | int, ...]

WAYS = 'one of: sip = "sip:…"; trunk and number; extension'


def check_agencies(each: Each, extensions: Collection[str], problems: Problems) -> None:
    """Note contacts that cannot be reached, and codes that mean two things."""
    for at, agency in each("agencies"):
        path: Path = ("agencies", at)
        if agency.contact is None and not agency.contacts:
            problems.add((*path, "contacts"), "none", "one contact or more")
        elif agency.contact is not None and agency.contacts:
            problems.add((*path, "contact"), "contact and contacts", "one of them")
        if agency.contact is not None and not _reachable(agency.contact):
            problems.add((*path, "contact"), shown(agency.contact), "a valid host and port")
        for number, contact in enumerate(agency.contacts):
            _check_contact((*path, "contacts", number), contact, extensions, problems)
    _check_codes(each, extensions, problems)


def check_contact_trunks(each: Each, trunks: Collection[str], problems: Problems) -> None:
    """Note contacts on a trunk that there is not."""
    for at, agency in each("agencies"):
        for number, contact in enumerate(agency.contacts):
            if contact.trunk is not None and contact.trunk not in trunks:
                listed = ", ".join(trunks) or "there are none"
                path = ("agencies", at, "contacts", number, "trunk")
                problems.add(path, shown(contact.trunk), f"the id of a trunk ({listed})")


def _check_contact(
    path: Path, contact: Contact, extensions: Collection[str], problems: Problems
) -> None:
    by_trunk = contact.trunk is not None or contact.number is not None
    if [contact.sip is not None, by_trunk, contact.extension is not None].count(True) != 1:
        problems.add(path, "none of the ways, or several", WAYS)
    elif by_trunk and None in (contact.trunk, contact.number):
        problems.add(path, "trunk or number alone", "both of them")
    elif contact.sip is not None and not _reachable(contact.sip):
        problems.add((*path, "sip"), shown(contact.sip), "a valid host and port")
    elif contact.extension is not None and contact.extension not in extensions:
        listed = ", ".join(extensions)
        expected = f"an operator's extension ({listed})"
        problems.add((*path, "extension"), shown(contact.extension), expected)


def _check_codes(each: Each, extensions: Collection[str], problems: Problems) -> None:
    """What an operator dials after ``*`` is one thing: see ``domain.transfer_codes``."""
    codes = [agency.code for _, agency in each("agencies")]
    for at, agency in each("agencies"):
        first, rest = agency.code[0], agency.code[1:]
        path: Path = ("agencies", at, "code")
        if first == BLIND and rest in codes:
            found = f"{shown(agency.code)}, also the blind transfer to {rest}"
            problems.add(path, found, "a code that means nothing else")
        if first == COLLEAGUE and rest in extensions:
            found = f"{shown(agency.code)}, also the consult with {rest}"
            problems.add(path, found, "a code that means nothing else")
    for at, operator in each("operators"):
        if operator.extension in codes:
            found = f"{shown(operator.extension)}, also an agency's code"
            expected = "an extension that means nothing else"
            problems.add(("operators", at, "extension"), found, expected)


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
