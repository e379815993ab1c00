"""The core as the API shows it: read in one turn of the loop, so that all of it fits together."""

from __future__ import annotations

from collections.abc import Sequence

from ess_pbx.domain.agent import Seat
from ess_pbx.domain.call import Call, Phase
from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.config import Centre
from ess_pbx.domain.suggested import agencies_for
from ess_pbx.web.accounts import Account
from ess_pbx.web.masking import shown, shown_number
from ess_pbx.web.models import (
    AlarmView,
    CallView,
    CentreView,
    OperatorView,
    Snapshot,
    SuggestedAgency,
)

NO_HUMAN = frozenset({Phase.ARRIVING, Phase.IVR, Phase.WAITING})


def centre_view(core: CallCentre) -> CentreView:
    """The centre and what goes on in it."""
    calls, seats = core.calls.values(), core.acd.seats.values()
    return CentreView(
        id=core.config.id,
        name=core.config.name,
        time_zone=core.config.time_zone,
        waiting=sum(call.phase in NO_HUMAN for call in calls),
        talking=sum(call.phase not in {*NO_HUMAN, Phase.ENDED} for call in calls),
        operators_present=sum(seat.present for seat in seats),
        operators_free=sum(seat.free for seat in seats),
    )


def operator_views(core: CallCentre) -> list[OperatorView]:
    """All operators, in the order of the settings."""
    names = {operator.extension: operator.name for operator in core.config.operators}
    return [_operator(core.config.id, seat, names) for seat in core.acd.seats.values()]


def operator_view(core: CallCentre, extension: str) -> OperatorView | None:
    """One operator; None when there is nobody with that extension."""
    return next((each for each in operator_views(core) if each.extension == extension), None)


def call_views(core: CallCentre, account: Account, now: float) -> list[CallView]:
    """The calls that go on, the oldest first; ``now`` is monotonic seconds."""
    going_on = [call for call in core.calls.values() if call.phase is not Phase.ENDED]
    going_on.sort(key=lambda each: each.arrived)
    return [_call(core.config, call, account, now) for call in going_on]


def alarm_views(core: CallCentre, account: Account) -> list[AlarmView]:
    """The alarms that stand, the oldest first."""
    return [
        AlarmView(
            centre=core.config.id,
            alarm=alarm.alarm,
            detail=str(shown(alarm.detail, whole=account.sees_numbers)),
            since=alarm.since,
            acknowledged_by=alarm.acknowledged_by,
            acknowledged_at=alarm.acknowledged_at,
        )
        for alarm in core.alarms.standing.values()
    ]


def snapshot(cores: Sequence[CallCentre], account: Account, now: float) -> Snapshot:
    """All that a screen of these centres begins with."""
    return Snapshot(
        centres=[centre_view(core) for core in cores],
        operators=[each for core in cores for each in operator_views(core)],
        calls=[each for core in cores for each in call_views(core, account, now)],
        alarms=[each for core in cores for each in alarm_views(core, account)],
        at=cores[0].wall(now),
    )


def _operator(centre: str, seat: Seat, names: dict[str, str]) -> OperatorView:
    return OperatorView(
        centre=centre,
        extension=seat.extension,
        name=names.get(seat.extension, ""),
        status=seat.status,
        state=seat.state,
        on_duty=seat.on_duty,
        reachable=seat.reachable,
        on_break=seat.on_break,
        call=seat.call,
        queues=seat.queues,
        missed=seat.missed,
    )


def suggested(centre: Centre, category: str) -> list[SuggestedAgency]:
    """Whom to bring in for a category."""
    found = agencies_for(centre, category)
    return [SuggestedAgency(id=each.id, name=each.name, code=each.code) for each in found]


def _call(centre: Centre, call: Call, account: Account, now: float) -> CallView:
    operator = None if call.operator is None else call.operator.agent
    offered_to = tuple(side.agent for side in call.offers)
    whole = account.sees_numbers or account.name in (operator, *offered_to)
    return CallView(
        centre=centre.id,
        id=call.id,
        phase=call.phase,
        number=shown_number(call.number or call.display, whole=whole),
        category=call.category,
        queue=call.queue,
        priority=call.priority,
        seconds=round(now - call.arrived, 3),
        waiting=round(now - call.arrived, 3) if call.phase in NO_HUMAN else None,
        operator=operator,
        offered_to=offered_to,
        agency=None if call.agency is None else call.agency.name,
        suggested_agencies=suggested(centre, call.category),
    )
