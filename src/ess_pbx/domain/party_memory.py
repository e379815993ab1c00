"""What is remembered of the parties of a call (``domain.parties``), fact by fact.

A part of ``call_memory``. The latest facts of a crash are torn off: what does not fit together is
put right by ``domain.restoring``, which knows who is in which bridge.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec

from ess_pbx.domain.call import ON_THE_LINE, Phase, Standing
from ess_pbx.domain.facts import JSON, FactKind
from ess_pbx.domain.ids import LegId


class KeptParty(msgspec.Struct, frozen=True, kw_only=True):
    """An agency, a colleague or a supervisor; agencies that ring for who waits as well."""

    name: str
    leg: LegId
    agency: bool = True
    contact: int = 0
    """Which of the agency's contacts, from 0."""
    standing: Standing = Standing.RINGING
    since: float = 0.0
    """When they came to the caller, or were left alone with them (epoch seconds)."""


class Kept(Protocol):
    """What is kept of a call, as far as its parties change it."""

    phase: Phase
    parties: list[KeptParty]
    overflows: list[KeptParty]
    operator: str
    operator_leg: LegId


def started(data: Mapping[str, JSON], leg: LegId) -> KeptParty:
    """An agency whose contact is rung."""
    contact = data.get("contact")
    number = contact - 1 if isinstance(contact, int) and contact > 0 else 0
    return KeptParty(name=str(data.get("agency")), leg=leg, contact=number)


def called(data: Mapping[str, JSON], leg: LegId) -> KeptParty:
    """A colleague or supervisor who is rung."""
    standing = Standing.CALLED if data.get("supervisor") else Standing.RINGING
    return KeptParty(name=str(data.get("party")), leg=leg, agency=False, standing=standing)


def fold(kept: Kept, kind: str, data: Mapping[str, JSON], at: float) -> None:
    """Change what is kept by one fact of a call that is with humans."""
    leg = LegId(str(data.get("leg") or ""))
    match kind:
        case FactKind.CONSULT_STARTED:
            _rung(kept, started(data, leg))
        case FactKind.COLLEAGUE_CALLED:
            _rung(kept, called(data, leg))
        case FactKind.AGENCY_ANSWERED if kept.phase in (Phase.IVR, Phase.WAITING):
            found = _on(kept.overflows, leg) or KeptParty(name=str(data.get("agency")), leg=leg)
            joined = msgspec.structs.replace(found, standing=Standing.JOINED, since=at)
            kept.phase, kept.parties = Phase.HANDED_OVER, [joined]
        case FactKind.AGENCY_ANSWERED | FactKind.COLLEAGUE_ANSWERED:
            _answered(kept, data, leg, at)
        case FactKind.PARTY_CONSULTED:
            _stands(kept, leg, Standing.CONSULTED, at)
            kept.phase = Phase.CONSULT
        case FactKind.PARTY_HELD:
            _stands(kept, leg, Standing.HELD, at)
        case FactKind.PARTY_JOINED:
            _stands(kept, leg, Standing.JOINED, at)
            if kept.phase is Phase.BLIND_RINGING:
                kept.phase = Phase.HANDED_OVER
        case FactKind.CONSULT_FAILED | FactKind.COLLEAGUE_FAILED | FactKind.PARTY_LEFT:
            _gone(kept, leg)
        case FactKind.BLIND_TRANSFER:
            kept.phase = Phase.BLIND_RINGING
        case FactKind.OPERATOR_LEFT:
            _left_alone(kept, at)


def _rung(kept: Kept, party: KeptParty) -> None:
    kept.parties = [*kept.parties, party]
    if party.standing is Standing.RINGING and kept.phase is not Phase.BLIND_RINGING:
        kept.phase = Phase.CONSULT_RINGING


def _answered(kept: Kept, data: Mapping[str, JSON], leg: LegId, at: float) -> None:
    agency = "agency" in data
    if _on(kept.parties, leg) is None:
        name = str(data.get("agency") if agency else data.get("party"))
        kept.parties = [*kept.parties, KeptParty(name=name, leg=leg, agency=agency)]
    found = _on(kept.parties, leg)
    supervisor = found is not None and found.standing is Standing.CALLED
    _stands(kept, leg, Standing.JOINED if supervisor else Standing.INTRODUCED, at)


def _stands(kept: Kept, leg: LegId, standing: Standing, at: float) -> None:
    kept.parties = [
        msgspec.structs.replace(each, standing=standing, since=at) if each.leg == leg else each
        for each in kept.parties
    ]


def _gone(kept: Kept, leg: LegId) -> None:
    party = _on(kept.parties, leg)
    kept.parties = [each for each in kept.parties if each.leg != leg]
    if party is None:
        return
    rang = kept.phase is Phase.CONSULT_RINGING and party.standing is not Standing.CALLED
    if rang or party.standing is Standing.CONSULTED:
        kept.phase = Phase.RETURNING


def _left_alone(kept: Kept, at: float) -> None:
    kept.operator = ""
    if kept.phase is Phase.BLIND_RINGING:
        return
    kept.phase = Phase.HANDED_OVER
    kept.parties = [
        msgspec.structs.replace(each, since=at) if each.standing in ON_THE_LINE else each
        for each in kept.parties
    ]


def _on(parties: list[KeptParty], leg: LegId) -> KeptParty | None:
    return next((each for each in parties if each.leg == leg), None)
