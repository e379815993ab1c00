"""Holds neighbouring centres against the rest: who they are, where, and what they sign with."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from yarl import URL

from ess_pbx.domain.config import Agency, Neighbour
from ess_pbx.settings.reading import Problems, shown

Each = Callable[[str], Iterator[tuple[int, Any]]]


def check_neighbours(each: Each, own: str | None, problems: Problems, warnings: Problems) -> None:
    """Note what cannot be a neighbour; ``own`` is the id of the centre itself."""
    seen: set[str] = set()
    for at, agency in each("agencies"):
        neighbour: Neighbour | None = agency.neighbour
        if neighbour is None:
            continue
        path = ("agencies", at, "neighbour")
        if neighbour.centre == own:
            problems.add((*path, "centre"), f"{shown(own)}, this centre", "another centre's id")
        if neighbour.centre in seen:
            problems.add((*path, "centre"), f"{shown(neighbour.centre)} again", "each centre once")
        seen.add(neighbour.centre)
        if bool(neighbour.url) is not bool(neighbour.secret):
            expected = "url and secret, or neither: then calls alone are handed over"
            problems.add(path, "url without secret" if neighbour.url else "no url", expected)
        elif neighbour.url:
            _check_url((*path, "url"), neighbour.url, problems, warnings)


def check_neighbours_trunks(each: Each, trunks: Collection[str], problems: Problems) -> None:
    """Note trunks of neighbours that there are not."""
    for at, agency in each("agencies"):
        trunk = None if agency.neighbour is None else agency.neighbour.trunk
        if trunk is not None and trunk not in trunks:
            expected = f"the id of a trunk ({', '.join(trunks) or 'there are none'})"
            problems.add(("agencies", at, "neighbour", "trunk"), shown(trunk), expected)


def with_whole_paths(agencies: tuple[Agency, ...], base: Path) -> tuple[Agency, ...]:
    """The same agencies; relative files of secrets start at ``base``."""

    def whole(agency: Agency) -> Agency:
        neighbour = agency.neighbour
        if neighbour is None or not neighbour.secret:
            return agency
        secret = str((base / neighbour.secret).resolve())
        return replace(agency, neighbour=replace(neighbour, secret=secret))

    return tuple(map(whole, agencies))


def _check_url(
    path: tuple[str | int, ...], text: str, problems: Problems, warnings: Problems
) -> None:
    try:
        url = URL(text)
        host, _ = url.host or "", url.port
    except ValueError:
        host = ""
    if not host:
        problems.add(path, shown(text), "https:// and a host, with a port or without")
    elif url.scheme == "http" and not _is_loopback(host):
        found = f"{shown(text)}, over which reports pass in the clear"
        warnings.add(path, found, "https://")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
