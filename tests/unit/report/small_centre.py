"""A centre with three shifts, and calls of one of its days."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from ess_pbx.db.figures import PeriodFacts
from ess_pbx.domain.config import Agency, Category, Centre, Operator, Queue, Shift
from ess_pbx.domain.roster import Roster
from ess_pbx.domain.service_level import CallFacts, Consult, MissedOffer, StateFact
from ess_pbx.report.asked import Asked, By
from ess_pbx.report.build import build_report
from ess_pbx.report.period import choose
from ess_pbx.report.tables import Report, Value

ZONE = ZoneInfo("Asia/Jakarta")
DAY = "2026-11-21"
MIDNIGHT = datetime(2026, 11, 21, tzinfo=ZONE)
NOW = datetime(2026, 11, 22, 9, 0, tzinfo=ZONE)

CENTRE = Centre(
    id="contoh",
    name="Pusat Contoh",
    default_queue="umum",
    default_category="lainnya",
    queues=(Queue(id="umum", name="Umum"),),
    categories=(Category(id="medis", name="Medis", queue="umum"),),
    shifts=(
        Shift(id="pagi", name="Pagi", starts=time(6), ends=time(14), operators=("1001",)),
        # From 13.30: half an hour in which the shifts overlap.
        Shift(id="siang", name="Siang", starts=time(13, 30), ends=time(22), operators=("1002",)),
        Shift(id="malam", name="Malam", starts=time(22), ends=time(6), operators=("1002",)),
    ),
    operators=(Operator(extension="1001", name="Sari"), Operator(extension="1002", name="Budi")),
    agencies=(Agency(id="psc119", name="PSC 119", code="119", contact="sip:119@10.0.0.9"),),
)
ROSTER = Roster.of(CENTRE)


def a_call(name: str, at: str, **known: Any) -> CallFacts:
    """A call that was invited at HH:MM of the day."""
    hour, minute = map(int, at.split(":"))
    call = CallFacts(id=name, invited_at=MIDNIGHT.replace(hour=hour, minute=minute))
    return replace(call, **known)


def a_day() -> PeriodFacts:
    """An answered call, an abandoned one and one that waits; Sari works for an hour."""
    ambulance = Consult(agency="psc119", started=20.0, rung=True, answered=26.0)
    answered = a_call(
        *("call-1", "08:00"),
        category="medis",
        trunk="telkom",
        operator="1001",
        operator_answered=8.0,
        consults=(ambulance,),
        ended=90.0,
        result="success",
    )
    left = a_call("call-2", "13:45", trunk="telkom", queued=True, ended=30.0, result="client")
    waits = a_call("call-3", "23:30", trunk="indosat", queued=True)
    eight = MIDNIGHT.timestamp() + 8 * 3600
    states = [("present", "talking"), ("present", "idle"), ("away", "idle")]
    return PeriodFacts(
        calls=(answered, left, waits),
        missed=(MissedOffer(call="call-2", agent="1002", reason="no answer"),),
        states=tuple(
            StateFact(agent="1001", status=status, state=state, at=eight + 1800 * number)
            for number, (status, state) in enumerate(states)
        ),
    )


def a_report(facts: PeriodFacts, by: By = By.CENTRE) -> Report:
    """The report of the whole day."""
    asked = Asked(
        centre=CENTRE,
        roster=ROSTER,
        trunks={"telkom": "Telkom"},
        period=choose(ZONE, NOW, ROSTER, day=DAY),
        by=by,
        now=NOW,
    )
    return build_report(facts, asked)


def no_calls() -> PeriodFacts:
    """A day on which nothing happened."""
    return PeriodFacts(calls=(), missed=(), states=())


def value(report: Report, section: str, code: str, heading: str) -> Value:
    """One figure of a report."""
    (table,) = (each for each in report.sections if each.title == section)
    place = [column.heading for column in table.columns].index(heading)
    (line,) = (each for each in table.lines if each.code == code)
    return line.values[place]
