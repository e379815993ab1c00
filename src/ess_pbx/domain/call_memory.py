"""What is remembered of live calls, so that the next engine can go on with them.

The facts of a call are folded into what ``domain.adoption`` needs beside Asterisk's own truth.
A call is forgotten when it is over and its last leg gone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Container, Iterator, Mapping, Set

import msgspec

from ess_pbx.domain import ids, party_memory
from ess_pbx.domain.agent import AgentState
from ess_pbx.domain.call import Phase
from ess_pbx.domain.commands import Mode
from ess_pbx.domain.effects import Role
from ess_pbx.domain.facts import JSON, FactKind
from ess_pbx.domain.ids import CallId, LegId, PlaybackId
from ess_pbx.domain.party_memory import KeptParty
from ess_pbx.domain.silence import ASK_PROMPT

MOST_IMPORTED = 20_000
"""More than the lines of the dialplan's file can tell of (``engine.absence``)."""
MOST_ENDED = 1000
LONGEST_BEFORE = 3600.0
MOST_OVER = 1000
"""More calls than end in the seconds of which ``engine.ended_calls`` tells a new engine."""
"""Calls that are over and wait for the end of a leg that may never be told."""

MOST_RECENT = 12
"""Playbacks of a call that may go on at once: to the caller, to the operator, to an agency that is
introduced to it, into the bridge, and some that were to be stopped when the line was slow."""
TORN_OFF = 3
"""Playbacks of a call whose facts may be lost in a crash."""


class Urgency(msgspec.Struct, frozen=True):
    """What a priority is made of; see ``domain.priority``."""

    usual: int
    chosen: int | None
    raises: dict[str, int]
    prank: int | None
    head_start: float


def waited_before(invited_at: float, at: float) -> float:
    """Seconds that a caller has waited since the INVITE when the call comes to us ``at`` then.

    That is no time, unless no engine took the call, and the dialplan had it. Both in epoch seconds;
    what is not within an hour says that the clock was set, or is not known (0).
    """
    waited = at - invited_at
    return waited if 0.0 <= waited < LONGEST_BEFORE else 0.0


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
    number_fault: str = ""
    called: str = ""
    trunk: str = ""
    outgoing: bool = False
    """Whether the centre itself began the call, to call somebody back."""
    earlier: str = ""
    language: str = ""
    category: str = ""
    queue: str = ""
    priority: int | None = None
    """None, like an empty queue: what the centre gives every caller."""
    urgency: Urgency | None = None
    silence_asked: float | None = None
    lost_at: float | None = None
    steps: list[tuple[str, float]] = []
    """Steps of the ladder that were done: which, and after how many seconds."""
    menus: list[str] = []
    menu_again: bool = False
    """Whether an engine that adopted the call has begun its menu anew."""
    legs: dict[LegId, tuple[Role, str]] = {}
    """Role and party of each leg that was not told gone."""
    offers: dict[LegId, str] = {}
    """Operators whose phones ring, by leg."""
    overflows: list[KeptParty] = []
    """Agencies whose phones ring for a caller who waits."""
    operator: str = ""
    operator_leg: LegId = LegId("")
    parties: list[KeptParty] = []
    """Whom the operator has brought in or rings, in order."""
    supervisor: str = ""
    supervisor_leg: LegId = LegId("")
    supervision_mode: Mode = Mode.LISTEN
    """As it was wanted last."""
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
    wraps_up: bool = False
    """Whether a wrap-up was left for it."""


class CallMemory:
    """The live calls, and what the operators do."""

    name = "calls"

    def __init__(self) -> None:
        self.calls: dict[CallId, KeptCall] = {}
        self.seats: dict[str, KeptSeat] = {}
        self.imported: dict[CallId, None] = {}
        """Calls that no engine had and that are on record; the latest."""
        self.over: dict[CallId, None] = {}
        """Calls whose end is on record; the latest."""

    def remember(self, kind: str, call: str | None, data: Mapping[str, JSON], at: float) -> None:
        """Fold one fact in."""
        if kind == FactKind.CALL_ENDED and call is not None:
            _latest(self.over, CallId(call), MOST_OVER)
        if kind == FactKind.AGENT_STATE:
            self._seat(data, at)
        elif kind == FactKind.CALL_IMPORTED and call is not None:
            self._imported(CallId(call))
        elif kind == FactKind.CALL_ARRIVED and call is not None:
            self.calls[CallId(call)] = _arrived(self.calls.get(CallId(call)), call, data, at)
        elif kind == FactKind.CALL_BACK_STARTED and call is not None:
            self.calls[CallId(call)] = _begun(call, data, at)
        elif call is not None and (kept := self.calls.get(CallId(call))) is not None:
            kept.last = max(kept.last, at)
            _fold(kept, kind, data, at)
            if kept.phase is Phase.ENDED:
                self._forget(kept)

    def dump(self) -> JSON:
        """All of it."""
        kept: JSON = msgspec.to_builtins(
            {
                "calls": list(self.calls.values()),
                "seats": self.seats,
                "imported": list(self.imported),
                "over": list(self.over),
            }
        )
        return kept

    def load(self, state: JSON) -> None:
        """Take over; a call that this version cannot read is left to what Asterisk says."""
        if not isinstance(state, Mapping):
            return
        self.calls, self.seats = {}, {}
        self.imported, self.over = _listed(state, "imported"), _listed(state, "over")
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

    @property
    def live(self) -> Set[CallId]:
        """The calls that are not over."""
        return {each.id for each in self.calls.values() if each.phase is not Phase.ENDED}

    def sounds(self, ours: Container[CallId]) -> Iterator[PlaybackId]:
        """Prompts and tones of which Asterisk alone knows whether they go on.

        For calls that are not ``ours`` also the next ones, whose facts may have been torn off.
        """
        for kept in self.calls.values():
            yield from kept.recent
            # A long one may go on while many shorter ones came and went.
            yield from filter(None, (kept.playing, kept.operator_hears))
            if kept.id not in ours:
                for number in range(1, TORN_OFF + 1):
                    yield ids.playback(kept.id, kept.made_playbacks + number)

    def _seat(self, data: Mapping[str, JSON], at: float) -> None:
        agent, state, call = str(data.get("agent")), str(data.get("state")), data.get("call")
        in_call, before = None if call is None else str(call), self.seats.get(agent)
        if before is not None and (before.state, before.call) == (state, in_call):
            # Told again, such as by the next engine: it goes on since then.
            at = before.since
        left = before is not None and (before.wraps_up or before.state == AgentState.WRAP_UP)
        wraps_up = left and state in (AgentState.SUPERVISING, AgentState.TALKING)
        self.seats[agent] = KeptSeat(state, at, in_call, wraps_up)

    def _imported(self, call: CallId) -> None:
        if call not in self.live:
            self.calls.pop(call, None)
        _latest(self.imported, call, MOST_IMPORTED)

    def _forget(self, kept: KeptCall) -> None:
        if not kept.legs:
            del self.calls[kept.id]
            return
        ended = [each.id for each in self.calls.values() if each.phase is Phase.ENDED]
        for oldest in ended[:-MOST_ENDED]:
            del self.calls[oldest]


def _latest(calls: dict[CallId, None], call: CallId, most: int) -> None:
    calls[call] = None
    if len(calls) > most:
        del calls[next(iter(calls))]


def _listed(state: Mapping[str, JSON], name: str) -> dict[CallId, None]:
    listed = state.get(name)
    return dict.fromkeys(CallId(str(call)) for call in (listed if isinstance(listed, list) else ()))


def _arrived(before: KeptCall | None, call: str, data: Mapping[str, JSON], at: float) -> KeptCall:
    told = data.get("invited_at")
    invited_at = float(told) if isinstance(told, int | float) else 0.0
    caller = ids.caller_leg(CallId(call))
    number, display = str(data.get("caller_e164") or ""), str(data.get("caller_display") or "")
    return KeptCall(
        id=CallId(call),
        arrived=at - waited_before(invited_at, at),
        invited_at=invited_at or at,
        last=at,
        number=number,
        display=display,
        callable=bool(data.get("callable")),
        number_fault=str(data.get("number_fault") or ""),
        trunk=str(data.get("trunk") or ""),
        called=str(data.get("called") or ""),
        legs={caller: (Role.CALLER, number or display)},
        # A caller who came through the dialplan once more: what was made before stays made.
        made_legs=1 if before is None else before.made_legs,
        made_playbacks=0 if before is None else before.made_playbacks,
    )


def _begun(call: str, data: Mapping[str, JSON], at: float) -> KeptCall:
    return KeptCall(
        id=CallId(call),
        arrived=at,
        invited_at=at,
        last=at,
        phase=Phase.CALLING_OPERATOR,
        outgoing=True,
        earlier=str(data.get("task") or ""),
        number=str(data.get("caller_e164") or ""),
        display=str(data.get("caller_display") or ""),
        callable=True,
        trunk=str(data.get("trunk") or ""),
        greeted=True,
    )


def _fold(kept: KeptCall, kind: str, data: Mapping[str, JSON], at: float) -> None:
    """Change what is kept of a call by one of its facts."""
    leg = LegId(str(data.get("leg") or ""))
    match kind:
        case FactKind.CALL_ANSWERED:
            kept.answered = True
            if kept.phase is Phase.CALLING_BACK:
                _goes_on(kept, Phase.TALKING)
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
        case FactKind.PRIORITY_SET:
            with contextlib.suppress(msgspec.ValidationError):
                kept.urgency = msgspec.convert(data, Urgency)
        case FactKind.CALL_LINKED:
            kept.earlier = str(data.get("earlier") or "")
        case FactKind.QUEUED:
            if kept.phase not in (Phase.IVR, Phase.WAITING):
                kept.lost_at = at
            kept.phase = Phase.IVR if data.get("menu") else Phase.WAITING
            kept.queue, kept.priority = str(data.get("queue")), _whole(data.get("priority"))
            kept.operator, kept.parties = "", []
        case FactKind.LADDER_STEP:
            after = data.get("after")
            seconds = float(after) if isinstance(after, int | float) else 0.0
            kept.steps = [*kept.steps, (str(data.get("step")), seconds)]
        case FactKind.ANNOUNCED:
            if data.get("prompt") == ASK_PROMPT:
                kept.silence_asked = at
            playback = PlaybackId(str(data.get("playback")))
            kept.made_playbacks = max(kept.made_playbacks, ids.number_of(playback))
            kept.recent = [*kept.recent[-(MOST_RECENT - 1) :], playback]
            if data.get("to") == Role.OPERATOR:
                if kept.phase is Phase.RETURNING:
                    kept.operator_hears = playback
            elif data.get("to") == Role.CALLER and kept.phase is not Phase.TALKING:
                # Else it is said into the bridge: a caller taken out of it would hear nothing.
                kept.playing = playback
        case FactKind.OFFERED:
            _add_leg(kept, leg, Role.OPERATOR, str(data.get("agent")))
            kept.offers[leg] = str(data.get("agent"))
        case FactKind.OFFER_MISSED:
            kept.offers.pop(leg, None)
        case FactKind.OVERFLOW_STARTED:
            _add_leg(kept, leg, Role.AGENCY, str(data.get("agency")))
            kept.overflows = [*kept.overflows, party_memory.started(data, leg)]
        case FactKind.OVERFLOW_FAILED:
            kept.overflows = [each for each in kept.overflows if each.leg != leg]
        case FactKind.CALL_BACK_DIALLED:
            kept.legs[leg] = Role.CALLER, kept.number
        case FactKind.CALL_BACK_ATTEMPTED if kept.phase is Phase.CALLING_BACK:
            kept.phase = Phase.CALL_BACK_FAILED
        case FactKind.OPERATOR_ANSWERED:
            calling = kept.phase is Phase.CALLING_OPERATOR
            kept.phase = Phase.CALLING_BACK if calling else Phase.TALKING
            kept.offers, kept.overflows, kept.playing = {}, [], None
            kept.operator, kept.operator_leg = str(data.get("agent")), leg
            if leg not in kept.legs:
                _add_leg(kept, leg, Role.OPERATOR, kept.operator)
        case FactKind.CONSULT_STARTED:
            _add_leg(kept, leg, Role.AGENCY, str(data.get("agency")))
            party_memory.fold(kept, kind, data, at)
        case FactKind.COLLEAGUE_CALLED:
            _add_leg(kept, leg, Role.COLLEAGUE, str(data.get("party")))
            party_memory.fold(kept, kind, data, at)
        case FactKind.AGENCY_ANSWERED | FactKind.COLLEAGUE_ANSWERED:
            party_memory.fold(kept, kind, data, at)
            kept.operator_hears, kept.offers, kept.overflows = None, {}, []
            if leg not in kept.legs:
                agency = kind == FactKind.AGENCY_ANSWERED
                role = Role.AGENCY if agency else Role.COLLEAGUE
                _add_leg(kept, leg, role, str(data.get("agency" if agency else "party")))
        case FactKind.HELD:
            kept.phase = Phase.HELD
        case FactKind.BACK_TO_CALLER | FactKind.UNHELD:
            _goes_on(kept, Phase.TALKING)
        case FactKind.CONFERENCE:
            _goes_on(kept, Phase.CONFERENCE)
        case FactKind.CALL_ADOPTED:
            kept.made_legs = kept.made_playbacks = _whole(data.get("made")) or 0
            phase = data.get("phase")
            kept.menu_again = kept.menu_again or phase == Phase.IVR
            if phase in [*Phase]:
                _goes_on(kept, Phase(str(phase)))
        case FactKind.SUPERVISION_ASKED:
            kept.supervisor, kept.supervisor_leg = str(data.get("supervisor")), leg
            kept.supervision_mode = _mode(data)
            _add_leg(kept, leg, Role.SUPERVISOR, kept.supervisor)
        case FactKind.SUPERVISION_MODE:
            kept.supervision_mode = _mode(data)
        case FactKind.SUPERVISION_ENDED:
            kept.supervisor = ""
        case FactKind.TAKEN_OVER:
            _taken_over(kept, leg, str(data.get("agent")))
        case FactKind.LEG_ENDED:
            kept.legs.pop(leg, None)
        case FactKind.CALL_ENDED:
            kept.phase = Phase.ENDED
        case _:
            party_memory.fold(kept, kind, data, at)


def _add_leg(kept: KeptCall, leg: LegId, role: Role, party: str) -> None:
    kept.legs[leg] = role, party
    kept.made_legs = max(kept.made_legs, ids.number_of(leg))


def _taken_over(kept: KeptCall, leg: LegId, agent: str) -> None:
    kept.supervisor, kept.operator, kept.operator_leg = "", agent, leg
    kept.legs[leg] = Role.OPERATOR, agent
    kept.parties = [each for each in kept.parties if each.leg != leg]
    if kept.phase is Phase.HANDED_OVER:
        kept.phase = Phase.CONFERENCE if kept.parties else Phase.TALKING


def _mode(data: Mapping[str, JSON]) -> Mode:
    mode = data.get("mode")
    return Mode(str(mode)) if mode in [*Mode] else Mode.LISTEN


def _goes_on(kept: KeptCall, phase: Phase) -> None:
    kept.phase = phase
    if phase in (Phase.TALKING, Phase.CONFERENCE, Phase.HANDED_OVER):
        kept.playing = kept.operator_hears = None
    if phase in (Phase.IVR, Phase.WAITING):
        kept.parties = []
    if phase in (Phase.HANDED_OVER, Phase.BLIND_RINGING, Phase.IVR, Phase.WAITING):
        kept.operator = ""


def _whole(value: JSON) -> int | None:
    return value if isinstance(value, int) else None
