"""What is remembered of live calls, so that the next engine can go on with them.

The facts of a call are folded into what ``domain.adoption`` needs beside Asterisk's own truth.
A call is forgotten when it is over and its last leg gone.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping

import msgspec

from ess_pbx.domain import ids
from ess_pbx.domain.call import Phase
from ess_pbx.domain.effects import Role
from ess_pbx.domain.facts import JSON, FactKind
from ess_pbx.domain.ids import CallId, LegId, PlaybackId

MOST_IMPORTED = 20_000
"""More than the lines of the dialplan's file can tell of (``engine.absence``)."""
MOST_ENDED = 1000
"""Calls that are over and wait for the end of a leg that may never be told."""

MOST_RECENT = 3
"""Playbacks of a call that may go on at once: to the caller, into the bridge, and one that was to
be stopped."""
TORN_OFF = 3
"""Playbacks of a call whose facts may be lost in a crash."""


class KeptCall(msgspec.Struct, kw_only=True):
    """One live call by its facts. Times are epoch seconds."""

    id: CallId
    arrived: float
    invited_at: float
    last: float
    """When the latest fact was."""
    phase: Phase = Phase.IVR
    number: str = ""
    display: str = ""
    callable: bool = False
    called: str = ""
    language: str = ""
    category: str = ""
    queue: str = ""
    priority: int | None = None
    """None, like an empty queue: what the centre gives every caller."""
    rungs: int = 0
    menus: list[str] = []
    legs: dict[LegId, tuple[Role, str]] = {}
    """Role and party of each leg that was not told gone."""
    offers: dict[LegId, str] = {}
    """Operators whose phones ring, by leg."""
    operator: str = ""
    operator_leg: LegId = LegId("")
    agency: str = ""
    agency_leg: LegId = LegId("")
    recent: list[PlaybackId] = []
    """The latest prompts and tones; each may go on."""
    playing: PlaybackId | None = None
    """The prompt that the caller was to hear last."""
    operator_hears: PlaybackId | None = None
    answered: bool = False
    greeted: bool = False
    made_legs: int = 0
    made_playbacks: int = 0


class KeptSeat(msgspec.Struct, frozen=True):
    """What an operator was doing last, since when (epoch seconds), and in which call."""

    state: str
    since: float
    call: str | None


class CallMemory:
    """The live calls, and what the operators do."""

    name = "calls"

    def __init__(self) -> None:
        self.calls: dict[CallId, KeptCall] = {}
        self.seats: dict[str, KeptSeat] = {}
        self.imported: dict[CallId, None] = {}
        """Calls that the dialplan served and that are on record; the latest."""

    def remember(self, kind: str, call: str | None, data: Mapping[str, JSON], at: float) -> None:
        """Fold one fact in."""
        if kind == FactKind.AGENT_STATE:
            in_call = data.get("call")
            self.seats[str(data.get("agent"))] = KeptSeat(
                str(data.get("state")), at, None if in_call is None else str(in_call)
            )
        elif kind == FactKind.CALL_IMPORTED and call is not None:
            self._imported(CallId(call))
        elif kind == FactKind.CALL_ARRIVED and call is not None:
            self.calls[CallId(call)] = _arrived(self.calls.get(CallId(call)), call, data, at)
        elif call is not None and (kept := self.calls.get(CallId(call))) is not None:
            kept.last = max(kept.last, at)
            _fold(kept, kind, data)
            if kept.phase is Phase.ENDED:
                self._forget(kept)

    def dump(self) -> JSON:
        """All of it."""
        kept: JSON = msgspec.to_builtins(
            {
                "calls": list(self.calls.values()),
                "seats": self.seats,
                "imported": list(self.imported),
            }
        )
        return kept

    def load(self, state: JSON) -> None:
        """Take over; a call that this version cannot read is left to what Asterisk says."""
        if not isinstance(state, Mapping):
            return
        self.calls, self.seats = {}, {}
        imported = state.get("imported")
        listed = imported if isinstance(imported, list) else []
        self.imported = {CallId(str(call)): None for call in listed}
        calls, seats = state.get("calls"), state.get("seats")
        for each in calls if isinstance(calls, list) else ():
            try:
                kept = msgspec.convert(each, KeptCall)
            except msgspec.ValidationError:
                continue
            self.calls[kept.id] = kept
        for agent, seat in seats.items() if isinstance(seats, Mapping) else ():
            try:
                self.seats[agent] = msgspec.convert(seat, KeptSeat)
            except msgspec.ValidationError:
                continue

    def sounds(self, ours: Container[CallId]) -> Iterator[PlaybackId]:
        """Prompts and tones of which Asterisk alone knows whether they go on.

        For calls that are not ``ours`` also the next ones, whose facts may have been torn off.
        """
        for kept in self.calls.values():
            yield from kept.recent
            if kept.id not in ours:
                for number in range(1, TORN_OFF + 1):
                    yield ids.playback(kept.id, kept.made_playbacks + number)

    def _imported(self, call: CallId) -> None:
        self.calls.pop(call, None)
        self.imported[call] = None
        if len(self.imported) > MOST_IMPORTED:
            del self.imported[next(iter(self.imported))]

    def _forget(self, kept: KeptCall) -> None:
        if not kept.legs:
            del self.calls[kept.id]
            return
        ended = [each.id for each in self.calls.values() if each.phase is Phase.ENDED]
        for oldest in ended[:-MOST_ENDED]:
            del self.calls[oldest]


def _arrived(before: KeptCall | None, call: str, data: Mapping[str, JSON], at: float) -> KeptCall:
    invited_at = data.get("invited_at")
    caller = ids.caller_leg(CallId(call))
    number, display = str(data.get("caller_e164") or ""), str(data.get("caller_display") or "")
    return KeptCall(
        id=CallId(call),
        arrived=at,
        invited_at=invited_at if isinstance(invited_at, int | float) and invited_at else at,
        last=at,
        number=number,
        display=display,
        callable=bool(data.get("callable")),
        called=str(data.get("called") or ""),
        legs={caller: (Role.CALLER, number or display)},
        # A caller who came through the dialplan once more: what was made before stays made.
        made_legs=1 if before is None else before.made_legs,
        made_playbacks=0 if before is None else before.made_playbacks,
    )


def _fold(kept: KeptCall, kind: str, data: Mapping[str, JSON]) -> None:
    """Change what is kept of a call by one of its facts."""
    leg = LegId(str(data.get("leg") or ""))
    match kind:
        case FactKind.CALL_ANSWERED:
            kept.answered = True
        case FactKind.GREETING_STARTED:
            kept.greeted = True
        case FactKind.MENU_ENTERED:
            name = str(data.get("menu"))
            before = kept.menus[: kept.menus.index(name)] if name in kept.menus else kept.menus
            kept.phase, kept.menus = Phase.IVR, [*before, name]
        case FactKind.CLASSIFIED:
            kept.category, kept.queue = str(data.get("category")), str(data.get("queue"))
            kept.language = str(data.get("language"))
            kept.priority = _whole(data.get("priority"))
        case FactKind.QUEUED:
            kept.phase = Phase.WAITING
            kept.queue, kept.priority = str(data.get("queue")), _whole(data.get("priority"))
            kept.operator, kept.agency = "", ""
        case FactKind.LADDER_STEP:
            kept.rungs += 1
        case FactKind.ANNOUNCED:
            playback = PlaybackId(str(data.get("playback")))
            kept.made_playbacks = max(kept.made_playbacks, ids.number_of(playback))
            kept.recent = [*kept.recent[-(MOST_RECENT - 1) :], playback]
            if data.get("to") == Role.OPERATOR:
                kept.operator_hears = playback
            else:
                kept.playing = playback
        case FactKind.OFFERED:
            _add_leg(kept, leg, Role.OPERATOR, str(data.get("agent")))
            kept.offers[leg] = str(data.get("agent"))
        case FactKind.OFFER_MISSED:
            kept.offers.pop(leg, None)
        case FactKind.OPERATOR_ANSWERED:
            kept.phase, kept.offers, kept.playing = Phase.TALKING, {}, None
            kept.operator, kept.operator_leg = str(data.get("agent")), leg
            if leg not in kept.legs:
                _add_leg(kept, leg, Role.OPERATOR, kept.operator)
        case FactKind.CONSULT_STARTED:
            _add_leg(kept, leg, Role.AGENCY, str(data.get("agency")))
            kept.phase = Phase.CONSULT_RINGING
            kept.agency, kept.agency_leg = str(data.get("agency")), leg
        case FactKind.AGENCY_ANSWERED:
            kept.phase, kept.operator_hears = Phase.CONSULT, None
            kept.agency, kept.agency_leg = str(data.get("agency")), leg
            if leg not in kept.legs:
                _add_leg(kept, leg, Role.AGENCY, kept.agency)
        case FactKind.CONSULT_FAILED:
            kept.agency = ""
            kept.phase = Phase.RETURNING if kept.phase is not Phase.CONFERENCE else Phase.TALKING
        case FactKind.BACK_TO_CALLER:
            _goes_on(kept, Phase.TALKING)
        case FactKind.CONFERENCE:
            _goes_on(kept, Phase.CONFERENCE)
        case FactKind.OPERATOR_LEFT:
            _goes_on(kept, Phase.HANDED_OVER)
        case FactKind.CALL_ADOPTED:
            kept.made_legs = kept.made_playbacks = _whole(data.get("made")) or 0
            phase = data.get("phase")
            if phase in [*Phase]:
                _goes_on(kept, Phase(str(phase)))
        case FactKind.LEG_ENDED:
            kept.legs.pop(leg, None)
            if leg == kept.agency_leg and kept.phase is Phase.CONFERENCE:
                _goes_on(kept, Phase.TALKING)
        case FactKind.CALL_ENDED:
            kept.phase = Phase.ENDED
        case _:
            pass


def _add_leg(kept: KeptCall, leg: LegId, role: Role, party: str) -> None:
    kept.legs[leg] = role, party
    kept.made_legs = max(kept.made_legs, ids.number_of(leg))


def _goes_on(kept: KeptCall, phase: Phase) -> None:
    kept.phase = phase
    if phase in (Phase.TALKING, Phase.CONFERENCE, Phase.HANDED_OVER):
        kept.playing = kept.operator_hears = None
    if phase in (Phase.TALKING, Phase.IVR, Phase.WAITING):
        kept.agency = ""
    if phase in (Phase.HANDED_OVER, Phase.IVR, Phase.WAITING):
        kept.operator = ""


def _whole(value: JSON) -> int | None:
    return value if isinstance(value, int) else None
