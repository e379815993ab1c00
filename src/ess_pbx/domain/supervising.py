"""A supervisor with a call: listens, whispers to the operator, barges in, takes over.

While they listen or whisper the supervisor's leg is in a bridge of its own with a snoop channel on
the operator's: what is said there reaches the operator's phone or nobody. Asterisk cannot turn a
listening snoop channel into one that whispers, so another is made and takes the place of the first
once it is there: the supervisor hears on. Who barges in is in the call's bridge, and who takes over
is the call's operator; the operator before is told, and then has wrap-up.

Nothing here may cost the caller anything: whatever fails ends the supervision alone. An operator
who is gone while the supervisor has barged in leaves them the call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from ess_pbx.domain import hearing, holding, ids, parties, ringing
from ess_pbx.domain.call import Leg, OperatorSide, Phase, Standing, Turn
from ess_pbx.domain.commands import Asker, Mode, Via
from ess_pbx.domain.effects import (
    ArmTimer,
    Attend,
    CancelTimer,
    CreateBridge,
    HangUp,
    Join,
    OfferTaken,
    Originate,
    PlayPrompt,
    ReleaseAgent,
    Role,
    Snoop,
)
from ess_pbx.domain.events import (
    CallEvent,
    KeyPressed,
    LegAnswered,
    LegGone,
    LegRang,
    PlaybackEnded,
    StreamRestarted,
    SupervisionAsked,
    SupervisionStopped,
    TimerFired,
    TimerId,
)
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.ids import LegId
from ess_pbx.domain.supervision import (
    ASIDE,
    RELIEVED,
    TIMER,
    Relieved,
    Supervision,
    free,
    over,
    relieved_timer,
)

KEYS: Mapping[str, Mode] = {
    "1": Mode.LISTEN,
    "2": Mode.WHISPER,
    "3": Mode.BARGE,
    "4": Mode.TAKE_OVER,
}
STOP_KEY = "*"
SHOWN = "Dengar"
"""What the supervisor's phone shows, before the operator's extension."""
LISTENED_PROMPT, RELIEVED_PROMPT = "sedang-didengarkan", "panggilan-diambil-alih"
PROMPTS = (LISTENED_PROMPT, RELIEVED_PROMPT)
SNOOP_WITHIN = 2.0
"""Seconds after which a snoop channel that did not come is asked for once more."""
MOST_TRIES = 3
TOLD_WITHIN = 10.0
"""Seconds after which an operator whose call was taken over is free in any case."""


def asked(turn: Turn, event: SupervisionAsked) -> None:
    """A supervisor comes to the call, or wants another mode."""
    call, operator, now = turn.call, turn.call.operator, turn.call.supervision
    if now is not None and now.supervisor == event.supervisor:
        if now.connected:
            _go(turn, event.mode, event.by)
        else:
            _set(turn, wanted=event.mode, by=event.by)
            _record_asked(turn, event)
        return
    if now is not None or operator is None:
        return  # refused before (``supervision_desk``)
    leg = event.leg or ids.supervisor_leg(call.id, call.made_legs + 1)
    turn.add_leg(leg, Role.SUPERVISOR, event.supervisor)
    turn.do(Attend(call.id, event.supervisor))
    connected = event.leg is not None
    turn.set(supervision=Supervision(event.supervisor, leg, event.mode, event.by, connected))
    _record_asked(turn, event)
    if connected:
        _go(turn, event.mode, event.by)
        return
    ring = turn.centre.policy.ring
    turn.do(
        Originate(
            call=call.id,
            leg=leg,
            role=Role.SUPERVISOR,
            address=event.supervisor,
            number=operator.agent,
            name=f"{SHOWN} {operator.agent}",
            timeout=ring + 5,
        ),
        ArmTimer(TimerId(call.id, TIMER), ring),
    )


def _record_asked(turn: Turn, event: SupervisionAsked) -> None:
    call = turn.call
    turn.record(
        FactKind.SUPERVISION_ASKED,
        supervisor=event.supervisor,
        operator=None if call.operator is None else call.operator.agent,
        mode=event.mode,
        leg=None if call.supervision is None else call.supervision.leg,
        **event.by.fields,
    )


def stopped(turn: Turn, event: SupervisionStopped) -> None:
    """Somebody wants the supervisor to leave."""
    over(turn, "stopped", event.by)


def restarted(turn: Turn, event: StreamRestarted) -> None:
    """Of an operator whose stream restarted a snoop channel hears nothing: make it anew.

    The old one goes first, for as long as one is there Asterisk keeps what has gone deaf.
    """
    supervision = turn.call.supervision
    if supervision is not None and supervision.target == event.leg:
        turn.do(*(HangUp(leg) for leg in (supervision.snoop,) if leg is not None))


def handled(turn: Turn, event: CallEvent) -> bool:
    """Whether an event was of supervision alone, or is made up for by it."""
    call = turn.call
    if call.phase is Phase.ENDED:
        return False
    match event:
        case LegRang(_, leg) | LegAnswered(_, leg) | LegGone(_, leg) | KeyPressed(_, leg) if (
            leg in call.legs and call.legs[leg].role in _OF_LEGS
        ):
            _OF_LEGS[call.legs[leg].role][type(event)](turn, event)
        case TimerFired(_, TimerId(_, kind)) if kind == TIMER:
            _overdue(turn)
        case PlaybackEnded(_, playback) if any(playback == each.told for each in call.relieved):
            _hang_up_relieved(turn, playback)
        case TimerFired(_, TimerId(_, kind, key)) if kind == RELIEVED:
            _hang_up_relieved(turn, key)
        case LegGone(_, leg, cause) if (relieved := _relieved_on(turn, leg)) is not None:
            turn.drop_leg(leg, cause)
            free(turn, relieved)
        case LegGone(_, leg, cause) if _barges(turn):
            return _stand_in(turn, leg, cause)
        case _:
            return False
    return True


def follow(turn: Turn) -> None:
    """After any event: whom the supervisor was with may be gone, or be another."""
    call, supervision = turn.call, turn.call.supervision
    if supervision is None:
        return
    if call.operator is None:
        if not (call.phase is Phase.HANDED_OVER and _barges(turn)):
            over(turn, "the operator left", None)
    elif supervision.target not in (None, call.operator.leg):
        _snoop(turn, supervision.wanted, supervision.by)


def _set(turn: Turn, **changes: Any) -> None:
    if turn.call.supervision is not None:
        turn.set(supervision=replace(turn.call.supervision, **changes))


def _barges(turn: Turn) -> bool:
    supervision = turn.call.supervision
    return supervision is not None and supervision.in_call is not None


def _go(turn: Turn, mode: Mode, by: Asker) -> None:
    match mode:
        case Mode.LISTEN | Mode.WHISPER:
            _snoop(turn, mode, by)
        case Mode.BARGE:
            _barge(turn, by)
        case Mode.TAKE_OVER:
            _take_over(turn, by)


def _snoop(turn: Turn, mode: Mode, by: Asker, tries: int = 0) -> None:
    """Ask for a snoop channel; until it is there all stays as it is."""
    call, supervision = turn.call, turn.call.supervision
    if supervision is None or call.operator is None:
        return  # the operator handed over: the supervisor who has barged in stays so
    if supervision.coming is not None:
        turn.do(HangUp(supervision.coming))
    target = call.operator.leg
    if (supervision.mode, supervision.target) == (mode, target) and supervision.snoop is not None:
        turn.do(CancelTimer(TimerId(call.id, TIMER)))
        _set(turn, coming=None, wanted=mode)
        return
    snoop = ids.snoop(call.id, call.made_legs + 1)
    turn.add_leg(snoop, Role.SNOOP, supervision.supervisor)
    turn.do(
        Snoop(target, snoop, whisper=mode is Mode.WHISPER),
        ArmTimer(TimerId(call.id, TIMER), SNOOP_WITHIN),
    )
    _set(turn, target=target, coming=snoop, wanted=mode, by=by, tries=tries)


def _snoop_came(turn: Turn, event: LegAnswered) -> None:
    call, supervision = turn.call, turn.call.supervision
    if supervision is None or event.leg != supervision.coming:
        turn.do(HangUp(event.leg))
        return
    bridge = ids.side_bridge(call.id)
    if not call.side_bridge:
        turn.do(CreateBridge(bridge))
        turn.set(side_bridge=True)
    there = supervision.mode in ASIDE
    legs = (event.leg,) if there else (supervision.leg, event.leg)
    turn.do(Join(bridge, legs), CancelTimer(TimerId(call.id, TIMER)))
    turn.leaves(supervision.leg)
    if supervision.snoop is not None:
        turn.do(HangUp(supervision.snoop))
    _set(turn, snoop=event.leg, coming=None, tries=0)
    _now(turn, supervision.wanted, supervision.by)


def _barge(turn: Turn, by: Asker) -> None:
    _join(turn)
    _set(turn, wanted=Mode.BARGE, target=None)
    _now(turn, Mode.BARGE, by)


def _join(turn: Turn) -> None:
    """The supervisor's leg comes into the call's bridge, and hears no more by a snoop channel."""
    call, supervision = turn.call, turn.call.supervision
    if supervision is None:
        return
    if supervision.mode is not Mode.BARGE:
        beside = call.caller if call.operator is None else call.operator.leg
        turn.join(call.rooms.get(beside, call.bridge), supervision.leg)
    turn.do(CancelTimer(TimerId(call.id, TIMER)))
    snoops = (supervision.snoop, supervision.coming)
    turn.do(*(HangUp(leg) for leg in snoops if leg is not None and leg in call.legs))
    _set(turn, snoop=None, coming=None)


def _now(turn: Turn, mode: Mode, by: Asker) -> None:
    """A mode holds from now on."""
    supervision, operator = turn.call.supervision, turn.call.operator
    if supervision is None or supervision.mode is mode:
        return
    _set(turn, mode=mode)
    turn.record(
        FactKind.SUPERVISION_MODE,
        supervisor=supervision.supervisor,
        operator=None if operator is None else operator.agent,
        mode=mode,
        **by.fields,
    )
    if mode is Mode.LISTEN and turn.centre.policy.show_listening:
        hearing.tell_operator(turn, LISTENED_PROMPT)


def _take_over(turn: Turn, by: Asker) -> None:
    """The supervisor has the call; the operator before is told, and then free."""
    operator = turn.call.operator
    _join(turn)
    _becomes_operator(turn, by)
    if operator is None:
        return
    told = turn.new_playback(RELIEVED_PROMPT, Role.OPERATOR)
    relieved = Relieved(operator, told)
    turn.do(
        PlayPrompt(operator.leg, False, told, RELIEVED_PROMPT, turn.centre.language),
        ArmTimer(relieved_timer(turn, relieved), TOLD_WITHIN),
    )
    turn.set(relieved=(*turn.call.relieved, relieved))


def _becomes_operator(turn: Turn, by: Asker) -> None:
    call, supervision = turn.call, turn.call.supervision
    if supervision is None:
        return
    leg, agent = supervision.leg, supervision.supervisor
    turn.set(
        operator=OperatorSide(agent, leg),
        legs={**call.legs, leg: Leg(Role.OPERATOR, agent)},
        supervision=None,
        dialled="",
    )
    if call.phase is Phase.HANDED_OVER:
        parties.talk(turn)
    else:
        parties.arrange(turn)
    turn.do(OfferTaken(call.id, agent))
    former = None if call.operator is None else call.operator.agent
    turn.record(FactKind.TAKEN_OVER, agent=agent, former=former, leg=leg, **by.fields)
    if call.phase is Phase.HELD:
        # Who put the caller on hold is with them no more, and who comes may not know of it.
        holding.take_back(turn, holding.TAKEN_OVER)


def _stand_in(turn: Turn, leg: LegId, cause: int) -> bool:
    """Whoever talked with the caller is gone, and the supervisor who has barged in is there."""
    call = turn.call
    operator, last = call.operator, call.standing(Standing.JOINED)
    handed_over = call.phase is Phase.HANDED_OVER and [each.leg for each in last] == [leg]
    lost = operator is not None and leg == operator.leg
    if not handed_over and not lost:
        return False
    turn.drop_leg(leg, cause)
    if handed_over:
        parties.forget(turn, last[0], "hung up")
    _join(turn)
    supervisor = call.supervision.supervisor if call.supervision else ""
    _becomes_operator(turn, Asker(supervisor, Via.SYSTEM))
    if operator is not None:
        turn.do(ReleaseAgent(call.id, operator.agent))
    return True


def _relieved_on(turn: Turn, leg: LegId) -> Relieved | None:
    return next((each for each in turn.call.relieved if each.side.leg == leg), None)


def _hang_up_relieved(turn: Turn, name: str) -> None:
    """Told, or told for long enough; ``name`` is the playback's or the leg's."""
    for each in turn.call.relieved:
        if name in (each.told, each.side.leg):
            turn.do(HangUp(each.side.leg))
            free(turn, each)


def _overdue(turn: Turn) -> None:
    supervision = turn.call.supervision
    if supervision is None:
        return
    if supervision.coming is not None:
        _try_again(turn, supervision)
    elif not supervision.connected:
        over(turn, "no answer", None)


def _try_again(turn: Turn, supervision: Supervision) -> None:
    if supervision.tries + 1 >= MOST_TRIES:
        over(turn, "Asterisk could not listen", None)
    else:
        _snoop(turn, supervision.wanted, supervision.by, supervision.tries + 1)


def _snoop_gone(turn: Turn, event: LegGone) -> None:
    """The one that is wanted is made anew; its operator may be gone, which follows."""
    turn.drop_leg(event.leg, event.cause)
    supervision = turn.call.supervision
    if supervision is None or event.leg not in (supervision.snoop, supervision.coming):
        return
    if event.leg == supervision.snoop:
        _set(turn, snoop=None)
        if supervision.coming is not None:
            return  # the next is on its way
    else:
        _set(turn, coming=None)
    _try_again(turn, supervision)


def _phone_answered(turn: Turn, event: LegAnswered) -> None:
    supervision = turn.call.supervision
    if supervision is None or event.leg != supervision.leg:
        turn.do(HangUp(event.leg))
    elif not supervision.connected:
        turn.do(CancelTimer(TimerId(turn.call.id, TIMER)))
        _set(turn, connected=True)
        _go(turn, supervision.wanted, supervision.by)


def _phone_gone(turn: Turn, event: LegGone) -> None:
    turn.drop_leg(event.leg, event.cause)
    supervision = turn.call.supervision
    if supervision is None or event.leg != supervision.leg:
        return
    if supervision.connected:
        over(turn, "hung up", _by_phone(supervision))
    else:
        over(turn, ringing.reason_of(event.cause), None)


def _phone_key(turn: Turn, event: KeyPressed) -> None:
    supervision = turn.call.supervision
    if supervision is None or event.leg != supervision.leg or not supervision.connected:
        return
    if event.key == STOP_KEY:
        over(turn, "stopped", _by_phone(supervision))
    elif event.key in KEYS:
        _go(turn, KEYS[event.key], _by_phone(supervision))


def _by_phone(supervision: Supervision) -> Asker:
    return Asker(supervision.supervisor, Via.PHONE)


def _nothing(_turn: Turn, _event: CallEvent) -> None:
    """It means nothing here."""


Handler: TypeAlias = Callable[[Turn, Any], None]

_OF_LEGS: Mapping[Role, Mapping[type[CallEvent], Handler]] = {
    Role.SUPERVISOR: {
        LegRang: _nothing,
        LegAnswered: _phone_answered,
        LegGone: _phone_gone,
        KeyPressed: _phone_key,
    },
    Role.SNOOP: {
        LegRang: _nothing,
        LegAnswered: _snoop_came,
        LegGone: _snoop_gone,
        KeyPressed: _nothing,
    },
}
"""What happens to the legs of supervision, whatever the call's phase."""
