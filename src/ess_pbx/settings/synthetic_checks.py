"""Holds the centres' calls to themselves against the numbers and ports there are."""

from __future__ import annotations

from collections.abc import Sequence

from ess_pbx.domain.config import SyntheticCall
from ess_pbx.settings.checks import CentreChecks, SettingsFile
from ess_pbx.settings.reading import INVALID, shown
from ess_pbx.sip.numbers import normalise_called


def check_synthetic(file: SettingsFile, centres: Sequence[CentreChecks]) -> None:
    """Note a test number that means something else, and a port that others have."""
    entries = {
        normalise_called(number)
        for _, trunk in file.each("trunks")
        for number in (*trunk.entry_numbers, *trunk.centres)
    }
    tested: dict[str, str] = {}
    for centre in centres:
        wanted = centre.values["synthetic_call"]
        if not isinstance(wanted, SyntheticCall):
            continue
        digits, own = normalise_called(wanted.number), centre.problems.file
        path = ("synthetic_call", "number")
        if digits in entries:
            found = f"{shown(wanted.number)}, an entry number"
            centre.problems.add(path, found, "a number that no caller is given")
        elif tested.setdefault(digits, own) != own:
            found = f"{shown(wanted.number)} as in {tested[digits]}"
            centre.problems.add(path, found, "a number of its own")
        if wanted.within >= wanted.every:
            found = f"{wanted.within:g}, and every is {wanted.every:g}"
            centre.problems.add(("synthetic_call", "within"), found, "less than every")
    if tested:
        _port(file)


def _port(file: SettingsFile) -> None:
    asterisk = file.values["asterisk"]
    if asterisk is INVALID:
        return
    port = asterisk.synthetic_port
    taken = {asterisk.sip_port: "sip_port"}
    taken |= {
        trunk.port: f"the port of trunk {trunk.id}"
        for _, trunk in file.each("trunks")
        if trunk.address == asterisk.sip_host
    }
    path = ("asterisk", "synthetic_port")
    if port in taken:
        file.problems.add(path, f"{port}, as {taken[port]}", "a port of its own")
    elif asterisk.rtp_first <= port <= asterisk.rtp_last:
        expected = f"outside RTP's {asterisk.rtp_first} to {asterisk.rtp_last}"
        file.problems.add(path, str(port), expected)
