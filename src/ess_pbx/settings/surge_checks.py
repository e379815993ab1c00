"""Holds the settings of surge mode against the rest of the centre."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit

from ess_pbx.domain.config import EarthquakeFeed, Surge
from ess_pbx.settings.reading import Problems, shown
from ess_pbx.settings.toml_lines import Path as FieldPath


def check_surge(
    surge: Surge,
    given: Collection[str],
    prompts: Collection[str] | None,
    categories: Collection[str],
    problems: Problems,
    warnings: Problems,
) -> None:
    """Note what is named and not there, and what would do nothing.

    ``given`` are the fields that stand in the file: whether a default prompt is there is asked when
    prompts are built, like that of any other. ``prompts`` is None when the catalogue could not be
    read.
    """
    for path, name in _named(surge, given):
        if prompts is not None and name not in prompts:
            expected = f"a prompt in the catalogue ({_listed(prompts)})"
            problems.add(("surge", *path), shown(name), expected)
    if surge.category is not None and surge.category not in categories:
        expected = f"the id of a category ({_listed(categories)})"
        problems.add(("surge", "category"), shown(surge.category), expected)
    if surge.other_priority > surge.need_priority:
        problems.add(
            ("surge", "other_priority"),
            f"{surge.other_priority}, above need_priority",
            f"{surge.need_priority} or less: who needs help goes first",
        )
    if surge.ask_own_need == "inform" and not surge.information:
        problems.add(("surge", "information"), "none", 'a prompt, or ask_own_need = "wait"')
    if surge.feed is not None:
        _check_feed(surge.feed, problems, warnings)


def _named(surge: Surge, given: Collection[str]) -> Iterator[tuple[FieldPath, str]]:
    for field in ("prompt", "earthquake_prompt", "tsunami_prompt", "need_prompt"):
        if field in given:
            yield (field,), getattr(surge, field)
    for field in ("prompts", "information"):
        if field in given:
            for at, name in enumerate(getattr(surge, field)):
                yield (field, at), name


def _check_feed(feed: EarthquakeFeed, problems: Problems, warnings: Problems) -> None:
    path = ("surge", "feed")
    if feed.url and not _is_address(feed.url):
        expected = "the whole address, such as https://host/autogempa.json"
        problems.add((*path, "url"), shown(feed.url), expected)
    elif feed.url and not _is_secure(feed.url):
        found = "http, which anybody on the way can answer"
        warnings.add((*path, "url"), found, "https")
    if not feed.thresholds and feed.tsunami_within_km == 0:
        found = "none, and no tsunami either: no earthquake begins surge mode"
        warnings.add((*path, "thresholds"), found, "one or more")
    if feed.max_age <= feed.every:
        found = f"{feed.max_age:g}, no more than every"
        problems.add((*path, "max_age"), found, f"above {feed.every:g}, or news is old on arrival")


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _is_secure(url: str) -> bool:
    parts = urlsplit(url)
    try:
        own = ip_address(parts.hostname or "").is_loopback
    except ValueError:
        own = parts.hostname == "localhost"
    return parts.scheme == "https" or own


def _listed(names: Collection[str]) -> str:
    return ", ".join(sorted(names)) or "there are none"
