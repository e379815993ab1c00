"""What the operator of a call asks for on the keys, about whom they bring in.

What cannot be done now changes nothing, and the operator alone hears why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from ess_pbx.domain import colleagues, contacts, hearing, holding, operator_keys, parties, transfer
from ess_pbx.domain.call import ON_THE_LINE, Phase, Standing, Turn
from ess_pbx.domain.config import Agency
from ess_pbx.domain.ending import stop_operator_sound
from ess_pbx.domain.events import KeyPressed
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.feature_codes import BLIND, COLLEAGUE, Command, Consult

NOT_NOW_PROMPT = "tidak-bisa-sekarang"
UNKNOWN_PROMPT = "kode-tidak-dikenal"
NOT_YET_PROMPT = "instansi-belum-menjawab"
PROMPTS = (
    *(NOT_NOW_PROMPT, UNKNOWN_PROMPT, NOT_YET_PROMPT, colleagues.BUSY_PROMPT),
    *(transfer.HOLD_PROMPT, transfer.NEXT_PROMPT, transfer.CUT_OFF_PROMPT),
    *(transfer.NO_SUPERVISOR_PROMPT, contacts.FAILED_PROMPT, *contacts.PROMPTS.values()),
)
"""All that a caller or operator can hear of a transfer."""
_BY_THE_CALLER = frozenset({Phase.TALKING, Phase.CONFERENCE})


def key(turn: Turn, event: KeyPressed) -> None:
    """A key of a code; the last one has it done, or refused."""
    code = operator_keys.pressed(turn, event)
    if code is None:
        return
    refusal = _ACTIONS[code](turn) if isinstance(code, Command) else _brought_in(turn, code)
    operator = turn.call.operator
    if refusal is not None and operator is not None:
        turn.record(FactKind.CODE_REFUSED, agent=operator.agent, reason=refusal)
        hearing.tell_operator(turn, refusal)


def _brought_in(turn: Turn, code: Consult) -> str | None:
    """Who a code stands for: an agency, one without waiting for it, or a colleague."""
    agencies = {agency.code: agency for agency in turn.centre.agencies}
    if (agency := agencies.get(code.code)) is not None:
        return _consult(turn, agency)
    first, rest = code.code[0], code.code[1:]
    if first == BLIND and (agency := agencies.get(rest)) is not None:
        return _blind(turn, agency)
    if first == COLLEAGUE and rest in {each.extension for each in turn.centre.operators}:
        if turn.call.phase not in _BY_THE_CALLER:
            return NOT_NOW_PROMPT
        return colleagues.consult(turn, rest)
    return UNKNOWN_PROMPT


def _consult(turn: Turn, agency: Agency) -> str | None:
    there = any(party.agency == agency for party in turn.call.parties)
    if turn.call.phase not in _BY_THE_CALLER or there:
        return NOT_NOW_PROMPT
    reason = transfer.consult(turn, agency)
    return None if reason is None else contacts.prompt_for(reason)


def _blind(turn: Turn, agency: Agency) -> str | None:
    supervision = turn.call.supervision
    accompanied = supervision is not None and supervision.in_call is not None
    if turn.call.phase is not Phase.TALKING or turn.call.parties or accompanied:
        return NOT_NOW_PROMPT
    reason = transfer.blind(turn, agency)
    return None if reason is None else contacts.prompt_for(reason)


def _back(turn: Turn) -> str | None:
    """To the caller; or, from there, to and fro between the caller and who waits."""
    call = turn.call
    match call.phase:
        case Phase.CONSULT_RINGING:
            for party in call.standing(Standing.RINGING, Standing.INTRODUCED):
                parties.drop(turn, party, "cancelled")
            transfer.back_to_caller(turn)
        case Phase.CONSULT:
            for party in call.standing(Standing.CONSULTED):
                parties.stand(turn, party, Standing.HELD)
            transfer.back_to_caller(turn)
        case Phase.HELD:
            holding.take_back(turn, holding.CODE)
        case Phase.TALKING | Phase.CONFERENCE if held := call.standing(Standing.HELD):
            parties.stand(turn, held[-1], Standing.CONSULTED)
            parties.go(turn, Phase.CONSULT)
        case Phase.CONFERENCE:
            for party in call.standing(Standing.JOINED):
                parties.stand(turn, party, Standing.HELD)
            transfer.back_to_caller(turn)
        case Phase.RETURNING:
            pass  # they come back by themselves
        case _:
            return NOT_NOW_PROMPT
    return None


def _conference(turn: Turn) -> str | None:
    call = turn.call
    if call.phase is Phase.CONSULT_RINGING:
        return NOT_YET_PROMPT
    coming = call.standing(Standing.CONSULTED, Standing.HELD)
    if not coming or call.phase in (Phase.RETURNING, Phase.HELD):
        return NOT_NOW_PROMPT
    for party in coming:
        parties.stand(turn, party, Standing.JOINED)
    parties.talk(turn)
    turn.record(FactKind.CONFERENCE)
    return None


def _leave(turn: Turn) -> str | None:
    call = turn.call
    waits = call.phase in (Phase.CONSULT_RINGING, Phase.RETURNING)
    if waits or not call.standing(*ON_THE_LINE):
        return NOT_YET_PROMPT
    transfer.leave(turn)
    return None


def _drop(turn: Turn) -> str | None:
    call = turn.call
    if not call.parties:
        return NOT_NOW_PROMPT
    last = call.parties[-1]
    if last.standing is Standing.CALLED:
        for party in call.standing(Standing.CALLED):
            parties.drop(turn, party, "dropped by the operator")
    elif last.standing in (Standing.JOINED, Standing.HELD):
        parties.drop(turn, last, "dropped by the operator")
        if call.phase in _BY_THE_CALLER:
            parties.talk(turn)
        else:
            parties.arrange(turn)
    else:
        parties.drop(turn, last, "dropped by the operator")
        stop_operator_sound(turn)
        transfer.back_to_caller(turn)
    return None


def _hold(turn: Turn) -> str | None:
    if turn.call.phase is Phase.HELD:
        holding.take_back(turn, holding.CODE)
    elif turn.call.phase in _BY_THE_CALLER:
        holding.hold(turn, holding.CODE)
    else:
        return NOT_NOW_PROMPT
    return None


def _supervisor(turn: Turn) -> str | None:
    if turn.call.phase not in _BY_THE_CALLER or turn.call.standing(Standing.CALLED):
        return NOT_NOW_PROMPT
    return colleagues.call_supervisor(turn)


_ACTIONS: Mapping[Command, Callable[[Turn], str | None]] = MappingProxyType(
    {
        Command.HOLD: _hold,
        Command.BACK_TO_CALLER: _back,
        Command.CONFERENCE: _conference,
        Command.LEAVE: _leave,
        Command.DROP: _drop,
        Command.SUPERVISOR: _supervisor,
    }
)
"""Each does what is asked for, or returns the prompt that says why not."""
