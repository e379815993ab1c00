"""The keys of the operator who has a call: feature codes, whatever the phase."""

from __future__ import annotations

from ess_pbx.domain import pranks
from ess_pbx.domain.call import Turn
from ess_pbx.domain.commands import Mark
from ess_pbx.domain.events import KeyPressed
from ess_pbx.domain.feature_codes import Command, Consult, dial


def pressed(turn: Turn, event: KeyPressed) -> Command | Consult | None:
    """The code that this key completes, if it is the operator's; a mark is made here."""
    operator = turn.call.operator
    if operator is None or event.leg != operator.leg:
        return None
    keys, code = dial(turn.call.dialled, event.key)
    turn.set(dialled=keys)
    if isinstance(code, Mark):
        pranks.from_phone(turn, code)
        return None
    return code
