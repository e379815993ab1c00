"""The Call-Info by which emergency centres tell each other of a call and its incident.

    Call-Info: <urn:emergency:uid:callid:ess1H1763786000D12:contoh>;purpose=emergency-CallId,
     <urn:emergency:uid:incidentid:202611220001:contoh>;purpose=emergency-IncidentId

RFC 3261 §20.9 has the header, NENA-STA-010.3 (i3) the URNs and purposes: a string of letters and
digits, unique at whoever made it, then their name. Ours are made of the call's id, whose ``-`` and
``.`` become ``H`` and ``D`` (ids have no capitals), and of the report's date and number.

Pure and total: a header is a stranger's text, and nothing here raises on it.
"""

from __future__ import annotations

import re

from msgspec import Struct

LONGEST = 2048
"""Characters that are looked at; two identifiers have some 200."""
MOST_VALUES = 16
_VALUE = re.compile(
    r"<urn:emergency:uid:(callid|incidentid):([A-Za-z0-9]{1,64}):([A-Za-z0-9.-]{1,255})>"
    r"\s*;\s*purpose\s*=\s*emergency-(callid|incidentid)\s*(?=,|$)",
    re.IGNORECASE,
)
_CENTRE = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_CALL = re.compile(r"[a-z0-9][a-z0-9.-]{2,63}")
_REPORT = re.compile(r"([0-9]{8})([0-9]{4,9})")


class CallInfo(Struct, frozen=True, kw_only=True):
    """What the header says."""

    centre: str
    """The id of the centre whose call and report they are."""
    call: str
    report: str = ""
    """Its number there; empty where none is told."""


def call_info(centre: str, call: str, report: str = "") -> str:
    """The header's value for a call of ours, with its report when there is one."""
    string = call.replace("-", "H").replace(".", "D")
    values = [f"<urn:emergency:uid:callid:{string}:{centre}>;purpose=emergency-CallId"]
    day_and_number = report.removeprefix(f"{centre}-").replace("-", "")
    if _REPORT.fullmatch(day_and_number):
        urn = f"urn:emergency:uid:incidentid:{day_and_number}:{centre}"
        values.append(f"<{urn}>;purpose=emergency-IncidentId")
    return ", ".join(values)


def read_call_info(value: str) -> CallInfo | None:
    """What a header's value says of a call; None when it says nothing that can be understood.

    Of several calls the first counts, and the first report of the same centre.
    """
    found: dict[tuple[str, str], str] = {}
    centre = ""
    for at, match in enumerate(_VALUE.finditer(value[:LONGEST])):
        kind, string, domain, purpose = match.groups()
        if at == MOST_VALUES:
            break
        if kind.lower() != purpose.lower() or not _CENTRE.fullmatch(domain):
            continue
        if kind.lower() == "callid" and not centre:
            centre = domain
        found.setdefault((kind.lower(), domain), string)
    call = found.get(("callid", centre), "").replace("H", "-").replace("D", ".")
    if not _CALL.fullmatch(call):
        return None
    number = _REPORT.fullmatch(found.get(("incidentid", centre), ""))
    report = f"{centre}-{number[1]}-{number[2]}" if number else ""
    return CallInfo(centre=centre, call=call, report=report)
