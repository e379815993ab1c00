"""What it costs the core to choose: microseconds per dispatch, few and many side by side.

A dispatch is the cycle of an operator with everyone busy and a full queue: the call is taken, ends,
a new caller joins the queue and the operator is offered the most urgent one. Nothing but the ACD
runs; the sizes are measured in turns, so that the machine's mood falls on both.
"""

from __future__ import annotations

import statistics
import time
from collections import deque
from datetime import time as time_of_day

import msgspec

from ess_pbx.domain.acd import Acd
from ess_pbx.domain.config import Category, Centre, Operator, Policy, Queue, Shift, Strategy
from ess_pbx.domain.effects import JoinQueue, OfferTaken, ReleaseAgent
from ess_pbx.domain.events import OfferMade
from ess_pbx.domain.ids import CallId
from ess_pbx.domain.offers import Decision

STRATEGIES: tuple[Strategy, ...] = ("longest-idle", "round-robin", "fewest-calls", "skill-first")
SIZES = ((10, 5), (1000, 500))
"""Waiting calls and operators."""
SKILLS = (frozenset[str](), frozenset({"medis"}), frozenset({"bahasa-en"}))
ROUNDS = 5


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What one dispatch costs: the median of some rounds."""

    strategy: str
    waiting: int
    operators: int
    busy_us: float
    """Microseconds while calls wait: an operator becomes free and is offered one."""
    quiet_us: float
    """Microseconds while operators wait: a call comes and is offered to one."""


class DispatchBench(msgspec.Struct, frozen=True, kw_only=True):
    """The costs of all strategies and sizes."""

    dispatches: int
    """In each round."""
    costs: list[Cost]


def run_dispatch_bench(dispatches: int) -> DispatchBench:
    """Measure; ``dispatches`` in each of some rounds, of each strategy and size."""
    costs = []
    for strategy in STRATEGIES:
        busy: dict[tuple[int, int], list[float]] = {size: [] for size in SIZES}
        quiet: dict[tuple[int, int], list[float]] = {size: [] for size in SIZES}
        for _ in range(ROUNDS):
            for size in SIZES:
                busy[size].append(_Run(strategy, *size).measure(dispatches))
                quiet[size].append(_Run(strategy, 0, size[1]).measure(dispatches))
        costs += [
            Cost(
                strategy=strategy,
                waiting=waiting,
                operators=operators,
                busy_us=round(statistics.median(busy[waiting, operators]), 2),
                quiet_us=round(statistics.median(quiet[waiting, operators]), 2),
            )
            for waiting, operators in SIZES
        ]
    return DispatchBench(dispatches=dispatches, costs=costs)


def render(bench: DispatchBench) -> str:
    """The costs as a table of plain text."""
    lines = [
        f"{'strategy':<14}{'waiting':>8}{'operators':>11}{'calls wait':>14}{'operators wait':>18}"
    ]
    lines += [
        f"{each.strategy:<14}{each.waiting:>8}{each.operators:>11}"
        f"{each.busy_us:>11.1f} µs{each.quiet_us:>15.1f} µs"
        for each in bench.costs
    ]
    return "\n".join(lines)


class _Run:
    """One queue in which so many wait and so many work."""

    def __init__(self, strategy: Strategy, waiting: int, operators: int) -> None:
        extensions = tuple(str(20000 + n) for n in range(operators))
        self._acd = Acd(_centre(strategy, extensions))
        self._number = 0
        self._now = 0.0
        self._offers: deque[OfferMade] = deque()
        self._acd.set_on_duty(extensions, 0)
        for extension in extensions:
            self._acd.set_reachable(extension, True, 0)
        if waiting:
            for _ in range(operators + waiting):
                self._joins()

    def measure(self, dispatches: int) -> float:
        """Microseconds per dispatch, with as many waiting at the end as at the beginning."""
        started = time.perf_counter()
        for _ in range(dispatches):
            self._joins()
            self._is_over()
        return (time.perf_counter() - started) / dispatches * 1e6

    def _joins(self) -> None:
        self._number += 1
        self._now += 0.01
        call, priority = CallId(f"c-{self._number}"), self._number % 10
        skills = SKILLS[self._number % len(SKILLS)]
        self._follow(
            self._acd.apply(JoinQueue(call, "umum", priority, self._now, skills), self._now)
        )

    def _is_over(self) -> None:
        """Whoever was offered a call longest ago takes it, and it ends; without wrap-up."""
        offer = self._offers.popleft()
        self._now += 0.01
        self._acd.apply(OfferTaken(offer.call, offer.agent), self._now)
        self._follow(self._acd.apply(ReleaseAgent(offer.call, offer.agent), self._now))

    def _follow(self, decisions: list[Decision]) -> None:
        self._offers += [each for each in decisions if isinstance(each, OfferMade)]


def _centre(strategy: Strategy, extensions: tuple[str, ...]) -> Centre:
    whole_day = time_of_day(0)
    abilities: tuple[dict[str, int], ...] = (
        {"medis": 1, "bahasa-en": 2},
        {"medis": 3},
        {},
        {"bahasa-en": 1, "medis": 2},
    )
    return Centre(
        id="bench",
        name="Bench",
        default_queue="umum",
        default_category="lainnya",
        policy=Policy(wrap_up=0),
        queues=(Queue(id="umum", name="Umum", strategy=strategy),),
        categories=(Category(id="lainnya", name="Lainnya", queue="umum"),),
        shifts=(Shift(id="s", name="S", starts=whole_day, ends=whole_day, operators=extensions),),
        operators=tuple(
            Operator(extension=each, name=each, skills=abilities[at % len(abilities)])
            for at, each in enumerate(extensions)
        ),
    )
