"""Holds the menus of a file against each other: every caller gets out of them, to a human.

Whoever presses nothing may be unable to: pressing nothing must never end a call, nor go round for
ever.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from ess_pbx.domain.config import Choice, Classification, Hours, Menu
from ess_pbx.domain.ivr import FAREWELL_PROMPT
from ess_pbx.settings.menus import QUEUE_KEYS, MenuFile
from ess_pbx.settings.reading import Problems, shown
from ess_pbx.settings.toml_lines import Path as FieldPath


@dataclass(frozen=True)
class Targets:
    """What menus may refer to. ``prompts`` is None when the catalogue could not be read."""

    queues: Collection[str]
    categories: Collection[str]
    prompts: Collection[str] | None
    languages: Collection[str]
    taken: Collection[str] = ()
    """Keys that mean something already to a caller who waits."""


def check_menus(file: MenuFile, first: str | None, targets: Targets, problems: Problems) -> None:
    """Note references to what is not there, menus nobody can reach, and ways without an end."""
    menus = file.menus
    whole = not problems.found  # a menu that was dropped as wrong must not be missed here
    for name, menu in menus.items():
        _check_prompts((name, "prompts"), menu.prompts, targets, problems)
        if menu.hours is not None:
            _check_hours((name, "hours", "open"), menu.hours, problems)
        for path, choice in _choices(name, menu):
            _check_targets(choice, path, targets, problems)
            _check_way(choice, path, name == first, problems)
            if whole and choice.menu is not None and choice.menu not in menus:
                _unknown((*path, "menu"), choice.menu, menus, "the id of a menu", problems)
    for key, wanted in file.queue_keys.items():
        if key in targets.taken:
            found = "the key of callers who cannot speak"
            expected = "another key, or silent_after = 0 in [policy]"
            problems.add((QUEUE_KEYS, key), found, expected)
        _check_targets(wanted, (QUEUE_KEYS, key), targets, problems)
        if wanted.hint is not None and wanted.hint not in (targets.prompts or [wanted.hint]):
            expected = "a prompt in the centre's catalogue"
            problems.add((QUEUE_KEYS, key, "hint"), shown(wanted.hint), expected)
    if not whole:
        return
    reached = _reached(menus, first)
    for name in menus:
        if name not in reached:
            problems.add((name,), "no menu leads here", "a way to it from first_menu")
    silent = {name: list(_silent_ways(name, menus)) for name in menus}
    for path, loop in _loops(silent):
        way = " → ".join((*loop, loop[0]))
        problems.add(path, f"pressing nothing never ends: {way}", "a queue at the end of the way")
    for name in _silently_reached(silent, first):
        hours = menus[name].hours
        if hours is not None and hours.closed.then == "end":
            found = '"end", though a caller comes here without pressing a key'
            problems.add((name, "hours", "closed", "then"), found, '"queue"')


def _choices(name: str, menu: Menu) -> Iterator[tuple[FieldPath, Choice]]:
    for place, choice in menu.choices():
        yield (name, *place), choice


def _unknown(
    path: FieldPath, name: str, names: Collection[str], what: str, problems: Problems
) -> None:
    listed = ", ".join(sorted(names)) or "there are none"
    problems.add(path, shown(name), f"{what} ({listed})")


def _check_prompts(
    path: FieldPath, prompts: tuple[str, ...], targets: Targets, problems: Problems
) -> None:
    for at, prompt in enumerate(prompts):
        if targets.prompts is not None and prompt not in targets.prompts:
            problems.add((*path, at), shown(prompt), "a prompt in the centre's catalogue")


def _check_targets(
    chosen: Classification, path: FieldPath, targets: Targets, problems: Problems
) -> None:
    for field, name, names, what in (
        ("queue", chosen.queue, targets.queues, "the id of a queue"),
        ("category", chosen.category, targets.categories, "the id of a category"),
        ("language", chosen.language, targets.languages, "a language with a prompt catalogue"),
    ):
        if name is not None and name not in names:
            _unknown((*path, field), name, names, what, problems)
    _check_prompts((*path, "play"), chosen.play, targets, problems)
    if not isinstance(chosen, Choice):
        return
    _check_prompts((*path, "information"), chosen.information, targets, problems)
    farewell = chosen.then != "end" or FAREWELL_PROMPT in (targets.prompts or [FAREWELL_PROMPT])
    if not farewell:
        expected = f'the farewell "{FAREWELL_PROMPT}" in the centre\'s catalogue'
        problems.add((*path, "then"), "no prompt for it", expected)


def _check_way(choice: Choice, path: FieldPath, first: bool, problems: Problems) -> None:
    """Hold one choice against where it stands."""
    ways = [name for name in ("menu", "back", "repeat", "information") if getattr(choice, name)]
    if len(ways) > 1:
        problems.add((*path, ways[1]), f"{ways[1]} beside {ways[0]}", "one way on")
        return
    if choice.then is not None and not choice.information:
        problems.add((*path, "then"), "no information before it", "information: [prompts]")
    stays = choice.repeat or (choice.play != () and not ways)
    place = path[1]
    field = "repeat" if choice.repeat else "play"
    if first and choice.back:
        problems.add((*path, "back"), "back in the first menu", "a menu, or a queue")
    elif first and stays and place == "hours":
        problems.add((*path, field), "no menu to go on to", "a menu, an information, or a queue")
    if place == "otherwise" and stays:
        expected = "repeats, and then a menu or a queue"
        problems.add((*path, field), "pressing nothing never ends", expected)
    if place == "otherwise" and choice.then == "end":
        found = '"end": pressing nothing would end the call'
        problems.add((*path, "then"), found, '"queue", for who cannot press a key')


def _check_hours(path: FieldPath, hours: Hours, problems: Problems) -> None:
    if not hours.open:
        problems.add(path, "none", "one period or more")
    for at, period in enumerate(hours.open):
        if not period.days:
            problems.add((*path, at, "days"), "none", "one day or more")


def _reached(menus: Mapping[str, Menu], first: str | None) -> set[str]:
    reached: set[str] = set()
    ahead = [first]
    while ahead:
        name = ahead.pop()
        if name is None or name in reached or name not in menus:
            continue
        reached.add(name)
        ahead.extend(choice.menu for _, choice in _choices(name, menus[name]))
    return reached


def _silent_ways(name: str, menus: Mapping[str, Menu]) -> Iterator[tuple[FieldPath, str]]:
    """Where a caller who presses nothing can come to from a menu, and by which field."""
    before = [
        other for other in menus if any(way.menu == name for _, way in menus[other].choices())
    ]
    for path, choice in _choices(name, menus[name]):
        if path[1] == "keys":
            continue
        if choice.menu is not None and choice.menu in menus:
            yield (*path, "menu"), choice.menu
        elif choice.back or (path[1] == "hours" and (choice.play or choice.repeat)):
            for other in before:
                yield path, other


def _loops(
    silent: Mapping[str, list[tuple[FieldPath, str]]],
) -> Iterator[tuple[FieldPath, list[str]]]:
    """Yield circles of menus that a caller who presses nothing can go round, and where each is."""
    done: set[str] = set()
    for start in silent:
        if start in done:
            continue
        way: list[str] = [start]
        ahead = [iter(silent[start])]
        while ahead:
            _, name = next(ahead[-1], ((), ""))
            if not name:
                ahead.pop()
                done.add(way.pop())
            elif name in way:
                loop = way[way.index(name) :]
                yield next((at, loop) for at, to in silent[name] if to in loop)
            elif name not in done:
                way.append(name)
                ahead.append(iter(silent[name]))


def _silently_reached(
    silent: Mapping[str, list[tuple[FieldPath, str]]], first: str | None
) -> set[str]:
    reached: set[str] = set()
    ahead = [] if first not in silent else [first]
    while ahead:
        name = ahead.pop()
        if name is not None and name not in reached:
            reached.add(name)
            ahead.extend(to for _, to in silent[name])
    return reached
