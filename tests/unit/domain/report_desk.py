"""People of a centre who write reports, and the facts that come of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.commands import Asker, Via
from ess_pbx.domain.config import Centre, Question, ReportForm, Sop
from ess_pbx.domain.effects import Record, Refused
from ess_pbx.domain.events import CallEvent, CentreEvent, ClockRead
from ess_pbx.domain.facts import Fact, FactKind, fields_differ
from ess_pbx.domain.ids import CallId
from ess_pbx.domain.incident import Incident, fields_from
from ess_pbx.domain.incidents import OpenReport

from .centre import CENTRE

FORM = ReportForm(
    categories={
        "medis": Sop(
            subcategories={"sakit": "Sakit"},
            questions=(Question(id="sadar", text="Sadar?", answer="ya-tidak"),),
        )
    },
    districts={"Sumur": ("Sumberjaya",), "Carita": ("Tembong",)},
)
ANI, BUDI = Asker("2001", Via.API), Asker("2002", Via.API)
DAY = datetime(2026, 11, 22, 8, 0)
FIRST = "contoh-20261122-0001"


class Desk:
    """A centre whose people write reports; every fact is kept."""

    def __init__(self, config: Centre = CENTRE) -> None:
        self.config = config
        self.core = CallCentre(config)
        self.facts: list[Fact] = []
        self.now = 0.0
        self.day(DAY)

    def day(self, local: datetime) -> None:
        self.core.decide(ClockRead(local), self.now)

    def does(self, event: CallEvent | CentreEvent) -> Refused | None:
        self.now += 1
        refused = None
        for effect in self.core.decide(event, self.now):
            if isinstance(effect, Record):
                fact = Fact(
                    id=f"b-{len(self.facts)}",
                    centre="contoh",
                    call=effect.call,
                    kind=effect.kind,
                    at=self.core.wall(self.now) if effect.at is None else effect.at,
                    ms=None,
                    data=effect.data,
                )
                assert fields_differ(fact) is None
                self.facts.append(fact)
            elif isinstance(effect, Refused):
                refused = effect
        return refused

    def opens(self, call: str | None = None, **fields: Any) -> Incident:
        assert self.does(OpenReport(ANI, fields_from(fields), call)) is None
        return list(self.core.incidents.open.values())[-1]

    @property
    def report(self) -> Incident:
        return self.core.incidents.open[FIRST]

    @property
    def draft(self) -> dict[str, Any]:
        """Budi's, of the first report."""
        kept = self.report.drafts.get("2002")
        return {} if kept is None else kept.fields.given()

    def saw(self, call: str, kind: FactKind, **data: Any) -> None:
        """A fact of a call."""
        self.now += 1
        self.core.saw(CallId(call), kind, data, self.now)
        at = self.core.wall(self.now)
        self.facts.append(
            Fact(
                id=f"b-{len(self.facts)}",
                centre="",
                call=call,
                kind=kind,
                at=at,
                ms=None,
                data=data,
            )
        )

    def restarted(self, *, checkpoint: bool) -> CallCentre:
        """The next engine's, by the facts or by what a checkpoint has of them."""
        after = CallCentre(self.config)
        if checkpoint:
            data = msgspec.json.decode(msgspec.json.encode(self.core.checkpoint().data))
            kind = FactKind.CHECKPOINT
            after.recall(Fact(id="c", centre="", call=None, kind=kind, at=0, ms=None, data=data))
        for fact in () if checkpoint else self.facts:
            after.recall(msgspec.json.decode(msgspec.json.encode(fact), type=Fact))
        return after
