"""What a fault may cost, what it cost, and whether that was too much."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import msgspec
from rich.console import Console
from rich.table import Table

WIDTH = 118


@dataclass(frozen=True)
class Check:
    """One figure and its bound. ``value`` None is a figure that could not be had: not passed.

    Without ``at_most`` and ``at_least`` it is told, and decides nothing.
    """

    name: str
    value: float | None
    at_most: float | None = None
    at_least: float | None = None
    unit: str = ""
    widest: float = float("inf")
    """No slack widens ``at_most`` beyond: as long as the fault itself lasts, all would pass."""

    @property
    def passed(self) -> bool:
        """Whether the figure keeps its bound."""
        if self.at_most is None and self.at_least is None:
            return True
        if self.value is None:
            return False
        too_much = self.at_most is not None and self.value > self.at_most
        too_little = self.at_least is not None and self.value < self.at_least
        return not too_much and not too_little

    def widened(self, slack: float) -> Check:
        """The same with more room, where it is a time."""
        if self.unit != "s" or self.at_most is None:
            return self
        return replace(self, at_most=max(self.at_most, min(self.at_most * slack, self.widest)))

    @property
    def bound(self) -> str:
        """The bound in words; empty where there is none."""
        if self.at_most is not None:
            sign = "" if self.at_most == 0 else "≤ "
            return f"{self.name} {sign}{_figure(self.at_most, self.unit)}"
        if self.at_least is not None:
            return f"{self.name} ≥ {_figure(self.at_least, self.unit)}"
        return ""

    @property
    def measured(self) -> str:
        """The figure in words; one that breaks its bound is marked."""
        figure = "not seen" if self.value is None else _figure(self.value, self.unit)
        return f"{self.name} {figure}{'' if self.passed else ' (!)'}"


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the table. ``passed`` None: it was left out, and ``measured`` says why."""

    fault: str
    """Its id, as the command takes it."""
    bound: str
    measured: str
    passed: bool | None


def judge(fault: str, checks: Sequence[Check], slack: float = 1.0) -> Verdict:
    """Passed when every bound is kept, and there is one.

    ``slack`` widens the bounds of times, never those of counts: for a machine busy with other work.
    """
    checks = [check.widened(slack) for check in checks]
    bounds = [check.bound for check in checks if check.bound]
    return Verdict(
        fault=fault,
        bound="; ".join(bounds),
        measured="; ".join(check.measured for check in checks),
        passed=bool(bounds) and all(check.passed for check in checks),
    )


def left_out(fault: str, why: str) -> Verdict:
    """A fault that this machine or this run cannot inject."""
    return Verdict(fault=fault, bound="", measured=f"left out: {why}", passed=None)


def failed(fault: str, why: str) -> Verdict:
    """A fault whose run broke off: nothing is proved by it."""
    return Verdict(fault=fault, bound="", measured=f"broke off: {why}", passed=False)


def render(verdicts: Sequence[Verdict], titles: Mapping[str, str] = MappingProxyType({})) -> str:
    """The table as people read it; ``titles`` says what each fault is, by its id."""
    table = Table(title="Faults and what they cost", show_lines=True)
    for column in ("fault", "bound", "measured", ""):
        table.add_column(column)
    words = {True: "pass", False: "FAIL", None: "left out"}
    for each in verdicts:
        # A line of a cell each: the figures beside their bounds.
        bound, measured = (text.replace("; ", "\n") for text in (each.bound, each.measured))
        name = "\n".join(filter(None, (titles.get(each.fault), each.fault)))
        table.add_row(name, bound, measured, words[each.passed])
    console = Console(width=WIDTH, no_color=True)
    with console.capture() as captured:
        console.print(table, markup=False)
    passed = sum(each.passed is True for each in verdicts)
    lost = sum(each.passed is False for each in verdicts)
    out = sum(each.passed is None for each in verdicts)
    return f"{captured.get()}{passed} passed, {lost} failed, {out} left out\n"


def _figure(value: float, unit: str) -> str:
    text = f"{value:.0f}" if value == round(value) else f"{value:.2f}"
    return f"{text} {unit}".rstrip()
