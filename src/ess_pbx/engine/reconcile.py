"""After a connection was lost: what Asterisk holds against what the engine believes.

Asterisk replays no missed events (docs/decisions/0002), so on every
connect the engine lists and compares. Legs it knows that are gone are reported gone. Callers that
no call knows are sent back into the dialplan, which offers them to an engine again and meanwhile
rings the phones on duty; operators' and agencies' legs that no call knows are hung up, and so are
operators' own calls to change their status (``desk_call``), who are no callers. Who talks in a
bridge that the engine does not know is left alone: never is a caller dropped.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Set
from dataclasses import dataclass

from ess_pbx.ari import models
from ess_pbx.domain.call import Call
from ess_pbx.domain.events import LegGone
from ess_pbx.domain.ids import CallId, LegId, call_of, is_called_back, is_caller

UNKNOWN_CAUSE = 0


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What to do so that belief and Asterisk agree."""

    gone: tuple[LegGone, ...]
    back_to_dialplan: tuple[str, ...]
    hang_up: tuple[str, ...]


def reconcile(
    calls: Mapping[CallId, Call],
    channels: Iterable[str],
    ours: Iterable[str],
    bridged: Collection[str],
    desk_channels: Set[str] = frozenset(),
    beside: Collection[LegId] = (),
    unanswered: Collection[str] = (),
) -> Reconciliation:
    """Compare.

    ``channels`` are all of Asterisk's, ``ours`` those in the engine's application, ``bridged``
    those who talk in a bridge, ``unanswered`` those that still ring and ``desk_channels`` those of
    operators who dialled a code, each by channel id; ``beside`` are those the engine knows that
    belong to no call of a caller.
    """
    existing = set(channels)
    gone = tuple(
        LegGone(call.id, leg, UNKNOWN_CAUSE)
        for call in calls.values()
        for leg in call.legs
        if leg not in existing
    ) + tuple(LegGone(call_of(leg), leg, UNKNOWN_CAUSE) for leg in beside if leg not in existing)
    strangers = [
        channel
        for channel in ours
        if channel in existing
        and channel not in bridged
        and channel not in beside
        and not _known(calls, channel)
    ]
    # Somebody whose phone an engine before this one rang, to call them back, is no caller yet.
    callers = {
        channel
        for channel in strangers
        if (is_caller(channel) and channel not in desk_channels)
        or (is_called_back(channel) and channel not in unanswered)
    }
    return Reconciliation(
        gone=gone,
        back_to_dialplan=tuple(channel for channel in strangers if channel in callers),
        hang_up=tuple(channel for channel in strangers if channel not in callers),
    )


def talking_in(bridges: Iterable[models.Bridge], channels: Collection[str]) -> set[str]:
    """Who is in a bridge with somebody; a tone or a prompt that plays there is nobody.

    What plays is a channel of the bridge too, which is not among Asterisk's ``channels``.
    """
    inside = (set(bridge.channels) & set(channels) for bridge in bridges)
    return {channel for them in inside if len(them) > 1 for channel in them}


def _known(calls: Mapping[CallId, Call], channel: str) -> bool:
    call = calls.get(call_of(channel))
    return call is not None and LegId(channel) in call.legs
