"""Identifiers, chosen before Asterisk is asked, so that a repeated request does no harm.

A call is named by the unique id of its caller's channel, ``<node>-<epoch>.<n>``: Asterisk and the
engine know it without telling each other. All else that belongs to the call carries that name
before a ``~`` (unreserved in a URI, RFC 3986 §2.3), so that whoever meets a channel, bridge or
playback in Asterisk knows the call it belongs to.

A call that the centre makes to call somebody back is named ``<node>-cb<epoch>.<n>.<m>``, after the
call that it came of. That person's channel has a ``~`` too: the operator's is made first, and
Asterisk takes no id with which that of another channel begins (``does_id_conflict`` in its
``channel.c``).
"""

from __future__ import annotations

import re
from typing import NewType

CallId = NewType("CallId", str)
LegId = NewType("LegId", str)
"""A channel in Asterisk; the caller's leg bears the call's own id."""
BridgeId = NewType("BridgeId", str)
PlaybackId = NewType("PlaybackId", str)

_MARK = "~"
_SNOOP = f"{_MARK}sn"
_CALL_BACK = "-cb"
_SYNTHETIC = "uji:"
_CALL_BACK_ID = re.compile(r"-cb[0-9]+(\.[0-9]+)+(~|$)")


def caller_leg(call: CallId) -> LegId:
    """The caller's own channel."""
    return LegId(f"{call}{_MARK}cb" if is_call_back(call) else call)


def operator_leg(call: CallId, number: int) -> LegId:
    """The channel to an operator's phone; ``number`` counts the call's legs."""
    return LegId(f"{call}{_MARK}op{number}")


def agency_leg(call: CallId, number: int) -> LegId:
    """The channel to an agency; ``number`` counts the call's legs."""
    return LegId(f"{call}{_MARK}ag{number}")


def staff_leg(call: CallId) -> LegId:
    """The channel to the own phone of an operator who is called in."""
    return LegId(f"{call}{_MARK}st")


def synthetic_call(centre: str, token: str) -> CallId:
    """The name of a test call that a centre sends; ``token`` is its own for all time."""
    return CallId(f"{_SYNTHETIC}{centre}-{token}")


def synthetic_leg(call: CallId) -> LegId:
    """The channel that sends a test call; where it comes in it is a channel like any caller's."""
    return LegId(f"{call}{_MARK}te")


def is_synthetic(identifier: str) -> bool:
    """Whether a call, or what belongs to it, is a test call as it was sent."""
    return identifier.startswith(_SYNTHETIC)


def outside_leg(call: CallId) -> LegId:
    """The channel to somebody whom an operator calls by themselves."""
    return LegId(f"{call}{_MARK}out")


def bridge_of(call: CallId) -> BridgeId:
    """Where a caller speaks with people; who is not to be heard is taken out of it."""
    return BridgeId(f"{call}{_MARK}br")


def aside_of(call: CallId) -> BridgeId:
    """Where an operator consults somebody, while the caller waits or speaks with others."""
    return BridgeId(f"{call}{_MARK}as")


def supervisor_leg(call: CallId, number: int) -> LegId:
    """The channel to a supervisor's phone; ``number`` counts the call's legs."""
    return LegId(f"{call}{_MARK}sv{number}")


def snoop(call: CallId, number: int) -> LegId:
    """A channel that spies on one of the call's; ``number`` counts the call's legs."""
    return LegId(f"{call}{_SNOOP}{number}")


def is_snoop(leg: str) -> bool:
    """Whether the channel is nobody's phone, but spies on one."""
    return _SNOOP in leg


def side_bridge(call: CallId) -> BridgeId:
    """Where a supervisor hears what a snoop channel hears, beside the call's bridge."""
    return BridgeId(f"{call}{_MARK}sb")


def playback(call: CallId, number: int) -> PlaybackId:
    """One prompt or tone being played; ``number`` counts the call's playbacks."""
    return PlaybackId(f"{call}{_MARK}pb{number}")


def call_back(task: str, number: int) -> CallId:
    """A call that the centre makes for a task, named by the call that it came of; no two calls
    that the centre made have one ``number``.
    """
    node, _, came = task.rpartition("-")
    return CallId(f"{node}{_CALL_BACK}{came.removeprefix('cb')}.{number}")


def is_call_back(identifier: str) -> bool:
    """Whether a call, or what belongs to it, is one that the centre makes."""
    return _CALL_BACK_ID.search(identifier) is not None


def number_of_call_back(call: str) -> int:
    """Which of the calls that the centre made this is; 0 for what is none."""
    digits = call.rpartition(".")[2]
    return int(digits) if is_call_back(call) and digits.isdecimal() else 0


def is_called_back(leg: str) -> bool:
    """Whether the channel is that of somebody whom the centre called back."""
    return is_call_back(leg) and leg == caller_leg(call_of(leg))


def node_of(call: str) -> str:
    """The node that a call came to."""
    return call.rpartition("-")[0]


def call_of(identifier: str) -> CallId:
    """The call that a leg, bridge or playback belongs to."""
    return CallId(identifier.partition(_MARK)[0])


def is_caller(leg: str) -> bool:
    """Whether the channel is a caller's, rather than one that the engine originated."""
    return _MARK not in leg


def is_operator(leg: str) -> bool:
    """Whether the channel is one to an operator's phone."""
    return leg.partition(_MARK)[2].startswith("op")


def is_agency(leg: str) -> bool:
    """Whether the channel is one to an agency."""
    return leg.partition(_MARK)[2].startswith("ag")


def is_bridge(bridge: str) -> bool:
    """Whether a bridge is a call's, or beside it, rather than the dialplan's own."""
    return bridge.partition(_MARK)[2] in ("br", "as", "sb")


def number_of(identifier: str) -> int:
    """The number that a leg or playback was given; 0 for what has none."""
    digits = identifier.partition(_MARK)[2].lstrip("abcdefghijklmnopqrstuvwxyz")
    return int(digits) if digits.isdecimal() else 0
