"""The figures of a running service for Prometheus, in a registry of its own.

What goes on now is read off the core when somebody asks; what is over is counted as its fact is
told. Counting takes microseconds and waits for nothing, so that no call ever notices.
"""

from __future__ import annotations

import time
from collections import Counter as Count
from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from ess_pbx.domain.agent import AgentState
from ess_pbx.domain.call import Phase
from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.facts import JSON, Fact, FactKind
from ess_pbx.domain.ids import is_call_back
from ess_pbx.engine.service import Engine

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
NO_HUMAN = frozenset({Phase.ARRIVING, Phase.IVR, Phase.WAITING})
STATUSES = ("present", "break", "logged-out", "away")
LONGEST_MEMORY = 10_000
"""Calls without a human that are remembered for the answer figure."""
ANSWER_SECONDS = (1, 2, 3, 5, 7.5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600)
"""NENA-STA-020.1 and NFPA 1225 count at 10, 15 and 20 s."""
SHORT_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)


class Metrics:
    """All figures of one engine, from when they are made."""

    def __init__(self, engine: Engine, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self._engine = engine
        self._monotonic = monotonic
        self._waiting: dict[str, Answer] = {}
        self._instruments()
        ProcessCollector(registry=self.registry)
        self.registry.register(self)
        engine.listeners.append(self.told)
        engine.ari.on_settled(self._request)

    def follow_journal(self) -> None:
        """Time the journal's commits from now on: there is none before the engine's start."""
        self._engine.journal.on_commit = self._committed

    def text(self) -> bytes:
        """Everything, in the text format that Prometheus reads (``CONTENT_TYPE``)."""
        return generate_latest(self.registry)

    def _instruments(self) -> None:
        def counter(name: str, what: str, *labels: str) -> Counter:
            return Counter(f"ess_pbx_{name}", what, labels, registry=self.registry)

        def gauge(name: str, what: str, *labels: str) -> Gauge:
            return Gauge(f"ess_pbx_{name}", what, labels, registry=self.registry)

        def histogram(
            name: str, what: str, *labels: str, buckets: Iterable[float] = SHORT_SECONDS
        ) -> Histogram:
            return Histogram(
                f"ess_pbx_{name}", what, labels, registry=self.registry, buckets=tuple(buckets)
            )

        self._arrived = counter("calls_arrived", "Calls that came in", "centre")
        self._ended = counter("calls_ended", "Calls that are over", "centre", "result")
        self._answers = histogram(
            "answer_seconds",
            "From INVITE to two-way audio with a human",
            "centre",
            buckets=ANSWER_SECONDS,
        )
        self._recordings_failed = counter(
            "recordings_failed", "Recordings that could not be had", "centre"
        )
        self._alarms_raised = counter("alarms_raised", "Alarms raised", "centre", "kind")
        self.loop_lag = histogram(
            "loop_lag_seconds", "How late the event loop comes to what is due"
        )
        self._requests = histogram(
            "ari_request_seconds", "From an ARI request to its answer", "method", "outcome"
        )
        self._commits = histogram("journal_commit_seconds", "Writing and fsync of a group of facts")
        self._records = counter("journal_records", "Facts on disk since the start")
        self.disk_free = gauge("disk_free_bytes", "Room where things are kept", "of")
        self._test_calls = counter(
            "synthetic_calls", "Test calls, by how far they came", "centre", "result"
        )
        self._test_ok = gauge("synthetic_call_ok", "Whether the last came all the way", "centre")
        self._test_seconds = histogram(
            "synthetic_call_seconds",
            "From sending a test call to its answer, and to speech heard",
            "centre",
            "step",
        )
        self.webhooks = counter("webhook_deliveries", "Alarms sent on", "webhook", "outcome")
        self.webhook_waiting = gauge("webhook_waiting", "Alarms still to be sent on", "webhook")

    # What is over

    def told(self, fact: Fact) -> None:
        """Count a fact."""
        centre, data = fact.centre, fact.data
        match fact.kind:
            case FactKind.CALL_ARRIVED:
                self._arrived.labels(centre).inc()
                self._waits(fact)
            case FactKind.CALL_ADOPTED if data.get("phase") in NO_HUMAN:
                self._waits(fact, connected=0)
            case FactKind.CALL_ANSWERED | FactKind.OPERATOR_ANSWERED | FactKind.AGENCY_ANSWERED:
                self._answered(fact)
            case FactKind.CALL_ENDED:
                self._ended.labels(centre, str(data.get("result"))).inc()
                self._waiting.pop(fact.call or "", None)
            case FactKind.RECORDING_FAILED:
                self._recordings_failed.labels(centre).inc()
            case FactKind.SYNTHETIC_CALL:
                self._tested(centre, data)
            case FactKind.ALARM_RAISED:
                kind = str(data.get("alarm")).partition(":")[0]
                self._alarms_raised.labels(centre, kind).inc()

    def _tested(self, centre: str, data: Mapping[str, JSON]) -> None:
        result = str(data.get("result"))
        self._test_calls.labels(centre, result).inc()
        self._test_ok.labels(centre).set(result == "ok")
        for step in ("answered", "heard"):
            if isinstance(ms := data.get(f"{step}_ms"), int):
                self._test_seconds.labels(centre, step).observe(ms / 1000)

    def _waits(self, fact: Fact, connected: int | None = None) -> None:
        if fact.call is None or is_call_back(fact.call):
            return
        self._waiting[fact.call] = Answer(connected)
        if len(self._waiting) > LONGEST_MEMORY:
            del self._waiting[next(iter(self._waiting))]

    def _answered(self, fact: Fact) -> None:
        """As ``domain.service_level`` counts: a human, and our own answer on its way out."""
        waits = self._waiting.get(fact.call or "")
        if waits is None or fact.ms is None:
            return
        if fact.kind == FactKind.CALL_ANSWERED:
            waits.connected = fact.ms
        elif waits.human is None:
            waits.human = fact.ms
        if waits.connected is not None and waits.human is not None:
            del self._waiting[fact.call or ""]
            seconds = max(waits.connected, waits.human) / 1000
            self._answers.labels(fact.centre).observe(seconds)

    def _request(self, method: str, seconds: float, outcome: str) -> None:
        self._requests.labels(method, outcome).observe(seconds)

    def _committed(self, seconds: float, facts: int) -> None:
        self._commits.observe(seconds)
        self._records.inc(facts)

    # What goes on

    def collect(self) -> Iterator[Metric]:
        """What is true at this moment; the registry asks when somebody reads it."""
        yield from self._of_centres()
        engine = self._engine
        readings = {
            "ari_connected": ("Whether ARI is connected", float(engine.ari.connected)),
            "ari_backlog": ("Events read and not decided yet", engine.ari.backlog),
            "ari_failed_requests": ("Requests that failed and mattered", engine.failed_requests),
            "journal_waiting": ("Facts in memory only", engine.journal.waiting),
            "journal_refused": ("Whether the disk refuses facts", float(engine.journal.refused)),
            "journal_stuck_seconds": ("How long the disk has not answered", engine.journal.stuck),
            "projector_lag": ("Facts on disk that the database lacks", engine.not_stored),
        }
        for name, (what, value) in readings.items():
            yield GaugeMetricFamily(f"ess_pbx_{name}", what, value=value)

    def _of_centres(self) -> Iterator[Metric]:
        calls = _family("calls", "Calls now", "phase")
        waiting = _family("waiting_calls", "Callers without a human")
        longest = _family("longest_wait_seconds", "The longest that one of them has waited")
        operators = _family("operators", "Operators now", "status", "state")
        alarms = _family("alarm", "1 for every alarm that stands", "alarm")
        now = self._monotonic()
        for core in self._engine.centres:
            centre = core.config.id
            phases = Count(call.phase for call in core.calls.values())
            for phase in Phase:
                calls.add_metric([centre, phase], phases[phase])
            waits = [now - each.arrived for each in core.calls.values() if each.phase in NO_HUMAN]
            waiting.add_metric([centre], len(waits))
            longest.add_metric([centre], max(waits, default=0.0))
            for (status, state), count in _operators(core).items():
                operators.add_metric([centre, status, state], count)
            for alarm in core.alarms.standing:
                alarms.add_metric([centre, alarm], 1)
        yield from (calls, waiting, longest, operators, alarms)


class Answer:
    """A caller who waits for a human: when our answer went out, and when a human picked up, ms."""

    __slots__ = ("connected", "human")

    def __init__(self, connected: int | None) -> None:
        self.connected = connected
        self.human: int | None = None


def _operators(core: CallCentre) -> Count[tuple[str, str]]:
    """How many there are of each status and state; 0 of those that nobody has."""
    found: Count[tuple[str, str]] = Count()
    found.update({(status, state): 0 for status in STATUSES for state in AgentState})
    for seat in core.acd.seats.values():
        found[seat.status, seat.state] += 1
    return found


def _family(name: str, what: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"ess_pbx_{name}", what, labels=["centre", *labels])
