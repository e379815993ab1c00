"""What a centre is judged by: the one definition of each figure of its calls.

Calls as they were go in, figures come out. A call belongs to a period by the time of its INVITE.
Durations are seconds on the monotonic clock from the INVITE; what cannot be said (no call, nobody
answered) is None, never zero.

Sources: NFPA 1225 (2022) asks for 90 % of calls answered within 10 s and 95 % within 20 s,
NENA-STA-020.1-2020 for 90 % within 15 s and 95 % within 20 s; that steps of a service are counted
one by one, each as a share of the attempts, follows ITU-T E.800 (accessibility, retainability).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum
from math import ceil
from typing import TypeAlias

from ess_pbx.domain.commands import Mark

RING_NO_ANSWER = "no answer"
"""Why an offer was missed when the phone rang to its end (RONA)."""

LONGEST_STATE = 24 * 3600.0
"""Seconds for which a state is believed without a newer fact; also how far to read back."""

ON_DUTY = frozenset({"present", "available"})
"""Statuses of one whom calls can reach: on shift, phone registered, logged in and on no break."""

Window: TypeAlias = tuple[float, float]
"""From, inclusive, to, exclusive: seconds since 1970-01-01 UTC."""


class Step(IntEnum):
    """The loss funnel: how far a call came. ess-pbx's own chain, after ITU-T E.800.

    A step counts the calls that reached it **or a later one**: a caller whom an operator answers
    before the greeting begins is no loss at the greeting. So no step exceeds the one before it.
    """

    OFFERED = 0
    """Its INVITE arrived."""
    GREETED = 1
    """It heard the first prompt begin."""
    QUEUED = 2
    """It stood in a queue."""
    RUNG = 3
    """The phone of at least one operator rang for it (180, RFC 3261 §21.1.2)."""
    ANSWERED = 4
    """It could speak with a human; see ``CallFacts.answered_after``."""
    AGENCY_RUNG = 5
    """The phone of at least one agency rang for it."""
    AGENCY_ANSWERED = 6
    """An agency answered."""
    CLOSED = 7
    """An agency answered and the call then ended as a success. It becomes the closing of the
    incident's report once there are incidents."""


class Outcome(StrEnum):
    """What became of a call; each has exactly one, so the counts add up to all offered."""

    ANSWERED = "answered"
    """A human answered, whether the call is over or not."""
    ABANDONED = "abandoned"
    """The caller left before a human answered (NENA-STA-020.1: abandoned call)."""
    LOST = "lost"
    """It ended before a human answered, and not by the caller: a fault on our side or the
    telco's. Never counted among abandons, which would hide it."""
    INFORMED = "informed"
    """An information line answered it to its end; the caller asked for no human. Left out of the
    service level, which is of those who did."""
    WAITING = "waiting"
    """It has no end yet and no human has answered: unfinished, neither abandoned nor lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consult:
    """One try to bring an agency in, at one of its contacts. Times are seconds since the INVITE."""

    agency: str
    started: float
    contact: int = 1
    """Which of the agency's contacts was rung, from 1."""
    rung: bool = False
    answered: float | None = None
    failure: str | None = None
    """Why it was not answered, as the fact ``consult_failed`` says it."""
    given: bool = False
    """Whether the caller spoke with it."""

    @property
    def seconds_to_answer(self) -> float | None:
        """From our request for the agency's leg to its answer."""
        return None if self.answered is None else max(0.0, self.answered - self.started)


@dataclass(frozen=True, slots=True, kw_only=True)
class PassedOver:
    """An agency's contact that was wanted and not rung; ``reason`` as the fact says it."""

    agency: str
    contact: int = 1
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MissedOffer:
    """An offer that an operator did not take; ``reason`` as the fact ``offer_missed`` says it."""

    call: str
    agent: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFacts:
    """What the figures need to know of one call. Times are seconds since the INVITE."""

    id: str
    invited_at: datetime
    category: str | None = None
    trunk: str | None = None
    operator: str | None = None
    """The first who answered: it is their answer that the service level counts."""
    greeted: bool = False
    queued: bool = False
    rung: bool = False
    caller_connected: float | None = None
    """When our 200 went out to the caller."""
    operator_answered: float | None = None
    consults: tuple[Consult, ...] = ()
    passed_over: tuple[PassedOver, ...] = ()
    holds: tuple[float | None, ...] = ()
    """How long the operator held the caller, each time; None for what still goes on."""
    ended: float | None = None
    result: str | None = None
    """``ess_pbx.domain.call.Result``; None while the call has no end."""
    ended_by: str | None = None
    mark: str | None = None
    """What people last said it was: ``ess_pbx.domain.commands.Mark``."""
    redial: bool = False
    """Whether the same number had called in vain shortly before."""
    silent: bool = False
    """Whether the caller said by key 5 that they cannot speak."""

    @property
    def answered_after(self) -> float | None:
        """Seconds from INVITE to two-way audio with a human: the clock of every answer figure.

        That is when the operator picked up, or an agency that was rung for a caller in the queue;
        or when our own answer went out to the caller if that was later. A greeting or menu is no
        answer. None when nobody answered.
        """
        humans = [self.operator_answered, *(consult.answered for consult in self.consults)]
        first = min((each for each in humans if each is not None), default=None)
        return None if first is None else max(first, self.caller_connected or 0.0)

    @property
    def step(self) -> Step:
        """The furthest step of the funnel that the call reached."""
        if any(consult.answered is not None for consult in self.consults):
            return Step.CLOSED if self.result == "success" else Step.AGENCY_ANSWERED
        if self.operator_answered is not None:
            # An agency that only rang for a caller in the queue was no answer.
            rung = any(consult.rung for consult in self.consults)
            return Step.AGENCY_RUNG if rung else Step.ANSWERED
        if self.rung:
            return Step.RUNG
        if self.queued:
            return Step.QUEUED
        return Step.GREETED if self.greeted else Step.OFFERED

    @property
    def outcome(self) -> Outcome:
        """What became of it."""
        if self.step >= Step.ANSWERED:
            return Outcome.ANSWERED
        if self.result is None:
            return Outcome.WAITING
        if self.result == "success":
            return Outcome.INFORMED
        by_caller = self.ended_by == "caller" or self.result == "client"
        return Outcome.ABANDONED if by_caller else Outcome.LOST

    @property
    def waited(self) -> float | None:
        """Seconds until a human answered or the call ended without one; None while it waits.

        None too for a caller who asked for none.
        """
        if self.outcome is Outcome.INFORMED:
            return None
        return self.answered_after if self.outcome is Outcome.ANSWERED else self.ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """What a centre measures itself by, in seconds."""

    within: tuple[float, ...] = (10.0, 20.0)
    """T of each service level; NFPA 1225 has 10 s and 20 s."""
    short: float = 5.0
    """S: abandons shorter than this are left out of the second service level."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceLevel:
    """Share of calls answered within T, 0..1; None without calls.

    NFPA 1225 and NENA-STA-020.1 ask for it over all calls: ``of_all`` = answered within T ÷ all
    offered, calls that still wait included. ``without_short`` leaves out of the divisor the
    abandons shorter than S, as centres with many mistaken calls are used to compare it.
    """

    within: float
    of_all: float | None
    without_short: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How durations lie: mean and percentiles in seconds, None without values.

    A percentile p is the nearest rank, value number ⌈p·n⌉ of the sorted n: a time that some caller
    really had.
    """

    count: int
    mean: float | None
    p50: float | None
    p90: float | None
    p95: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgencyFigures:
    """How agencies answered; counted in consults, of which a call may have several, one for each
    contact that was rung."""

    consults: int
    rung: int
    """The agency's phone rang, or was answered without ringing first."""
    answered: int
    given: int
    """The caller spoke with it."""
    busy: int
    unanswered: int
    """It rang until its time was over."""
    refused: int
    """It was declined on the phone."""
    closed: int
    """It was not rung, for it is outside its hours; such a try is no consult."""
    to_answer: Spread
    """From our request for the agency's leg to its answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The figures of one group of calls."""

    funnel: dict[Step, int]
    offered: int
    answered: int
    abandoned: int
    short_abandons: int
    """Of the abandoned, those in which the caller left before S."""
    lost: int
    informed: int
    waiting: int
    unfinished: int
    """Calls without an end yet, answered or not; ``waiting`` are those not answered."""
    without_agency: int
    """Answered and ended as a success, no agency rung: no loss, though not in the funnel's end."""
    service_levels: tuple[ServiceLevel, ...]
    answer: Spread
    """Speed of answer. Its mean is the ASA: over answered calls only, from the INVITE."""
    longest_wait: float | None
    """The longest ``CallFacts.waited``, abandoned and lost calls included."""
    missed_offers: int
    """Offers that an operator did not take, for whatever reason."""
    rona: int
    """Of these, where the phone rang to its end (redirection on no answer)."""
    agency: AgencyFigures
    invite_to_agency: Spread
    """From the INVITE to the first answer of an agency."""
    marks: Mapping[Mark, int]
    """Calls by what people said they were; the others are unmarked."""
    redials: int
    silent: int
    """Calls whose caller said by key 5 that they cannot speak."""
    held: int
    """Calls whose caller was on hold at least once."""
    holds: int
    """How often callers were put on hold."""
    hold: Spread
    """How long, of the holds that are over."""
    longest_hold: float | None


def figures(
    calls: Iterable[CallFacts],
    missed: Iterable[MissedOffer] = (),
    thresholds: Thresholds = Thresholds(),
) -> Figures:
    """The figures of these calls and of these missed offers."""
    calls, reasons = tuple(calls), [offer.reason for offer in missed]
    steps = [call.step for call in calls]
    outcomes = [call.outcome for call in calls]
    answers = [call.answered_after for call in calls if call.outcome is not Outcome.INFORMED]
    short = sum(
        call.outcome is Outcome.ABANDONED
        and call.ended is not None
        and call.ended < thresholds.short
        for call in calls
    )
    agency_answers = (
        min((c.answered for c in call.consults if c.answered is not None), default=None)
        for call in calls
    )
    return Figures(
        funnel={step: sum(reached >= step for reached in steps) for step in Step},
        offered=len(calls),
        answered=outcomes.count(Outcome.ANSWERED),
        abandoned=outcomes.count(Outcome.ABANDONED),
        short_abandons=short,
        lost=outcomes.count(Outcome.LOST),
        informed=outcomes.count(Outcome.INFORMED),
        waiting=outcomes.count(Outcome.WAITING),
        unfinished=sum(call.result is None for call in calls),
        without_agency=sum(
            call.step is Step.ANSWERED and call.result == "success" for call in calls
        ),
        service_levels=tuple(_service_level(answers, short, t) for t in thresholds.within),
        answer=spread(answers),
        longest_wait=max((w for call in calls if (w := call.waited) is not None), default=None),
        missed_offers=len(reasons),
        rona=reasons.count(RING_NO_ANSWER),
        agency=agency_figures(
            (consult for call in calls for consult in call.consults),
            (contact for call in calls for contact in call.passed_over),
        ),
        invite_to_agency=spread(agency_answers),
        marks={mark: sum(call.mark == mark for call in calls) for mark in Mark},
        redials=sum(call.redial for call in calls),
        silent=sum(call.silent for call in calls),
        held=sum(bool(call.holds) for call in calls),
        holds=sum(len(call.holds) for call in calls),
        hold=spread(lasted for call in calls for lasted in call.holds),
        longest_hold=max((h for call in calls for h in call.holds if h is not None), default=None),
    )


def agency_figures(
    consults: Iterable[Consult], passed_over: Iterable[PassedOver] = ()
) -> AgencyFigures:
    """The figures of these consults, and of contacts that were not rung."""
    consults, reasons = tuple(consults), [each.reason for each in passed_over]
    return AgencyFigures(
        consults=len(consults),
        rung=sum(consult.rung or consult.answered is not None for consult in consults),
        answered=sum(consult.answered is not None for consult in consults),
        given=sum(consult.given for consult in consults),
        busy=sum(consult.failure == "busy" for consult in consults) + reasons.count("busy"),
        unanswered=sum(consult.failure == "no answer" for consult in consults),
        refused=sum(consult.failure == "refused" for consult in consults),
        closed=reasons.count("closed"),
        to_answer=spread(consult.seconds_to_answer for consult in consults),
    )


def spread(values: Iterable[float | None]) -> Spread:
    """How the values that are known lie."""
    known = sorted(value for value in values if value is not None)
    mean = sum(known) / len(known) if known else None
    p50, p90, p95 = (_nearest_rank(known, percent) for percent in (50, 90, 95))
    return Spread(count=len(known), mean=mean, p50=p50, p90=p90, p95=p95)


def ratio(part: float, whole: float) -> float | None:
    """``part`` ÷ ``whole``; None when there is nothing to divide by."""
    return part / whole if whole else None


@dataclass(frozen=True, slots=True, kw_only=True)
class StateFact:
    """One ``agent_state``. ``run`` names the engine's run that wrote it, ``at`` is the epoch."""

    agent: str
    status: str
    state: str
    at: float
    run: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Seconds of one operator."""

    talking: float = 0.0
    wrap_up: float = 0.0
    on_duty: float = 0.0
    """On shift with the phone registered, or talking or in wrap-up though the shift is over."""

    @property
    def occupancy(self) -> float | None:
        """(talking + wrap-up) ÷ on duty, 0..1; None without time on duty.

        The usual workforce figure (load carried ÷ load that could be carried). Ringing, idle and
        the pause after a missed offer count as on duty and not as work.
        """
        # The same seconds, added up in another order, may differ in the last digit.
        return ratio(min(self.talking + self.wrap_up, self.on_duty), self.on_duty)


def work(facts: Iterable[StateFact], windows: Sequence[Window], now: float) -> dict[str, Work]:
    """What each operator did within windows that do not overlap, by extension.

    Used are the facts ``agent_state`` (operator, status, state, wall clock) and nothing else, in
    order of time, beginning ``LONGEST_STATE`` before the first window. A state lasts until the
    operator's next fact, with these limits, each on the side of claiming too little:

    - it is cut to the windows, and to ``now``;
    - after a restart of the engine nothing is known until the operator's first fact of the new
      run: states of the old run end with that run's last ``agent_state`` of any operator;
    - it lasts at most ``LONGEST_STATE``: an engine that went away leaves its last states standing.
    """
    done: dict[str, Work] = {}
    for fact, until in _lasting(facts, now):
        inside = sum(max(0.0, min(until, end) - max(fact.at, start)) for start, end in windows)
        talking = inside if fact.state == "talking" else 0.0
        wrap_up = inside if fact.state == "wrap-up" else 0.0
        on_duty = inside if fact.status in ON_DUTY or talking or wrap_up else 0.0
        if on_duty:
            before = done.get(fact.agent, Work())
            done[fact.agent] = Work(
                talking=before.talking + talking,
                wrap_up=before.wrap_up + wrap_up,
                on_duty=before.on_duty + on_duty,
            )
    return done


def _service_level(answers: Sequence[float | None], short: int, within: float) -> ServiceLevel:
    in_time = sum(answer is not None and answer <= within for answer in answers)
    return ServiceLevel(
        within=within,
        of_all=ratio(in_time, len(answers)),
        without_short=ratio(in_time, len(answers) - short),
    )


def _nearest_rank(values: Sequence[float], percent: int) -> float | None:
    return values[ceil(percent * len(values) / 100) - 1] if values else None


def _lasting(facts: Iterable[StateFact], now: float) -> Iterator[tuple[StateFact, float]]:
    """Each fact and when its state ended."""
    standing: dict[str, StateFact] = {}
    run: str | None = None
    last = 0.0
    for fact in facts:
        if fact.run != run:
            for old in standing.values():
                yield old, min(last, old.at + LONGEST_STATE)
            standing.clear()
            run = fact.run
        before = standing.get(fact.agent)
        if before is not None:
            yield before, min(fact.at, before.at + LONGEST_STATE)
        standing[fact.agent] = fact
        last = fact.at
    for left in standing.values():
        yield left, min(now, left.at + LONGEST_STATE)
