"""What Asterisk holds: asked after each connect, and told to the core as one event.

Asterisk replays no missed events (docs/decisions/0002). What is to be done about the difference
between this and what the core knows or remembers is decided in ``domain.adoption``. While the line
is up ``glance`` asks for as much as a difference shows by, and stock is taken of single calls.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Container, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeAlias
from urllib.parse import quote

import msgspec

from ess_pbx.ari import models
from ess_pbx.ari.protocol import Answer, Query
from ess_pbx.ari.translate import (
    DESK_CONTEXT,
    OUTBOUND_CONTEXT,
    TEST_ENDPOINT,
    Translator,
    endpoint_of,
)
from ess_pbx.domain.centres import Centres
from ess_pbx.domain.differences import as_they_are, unchanged
from ess_pbx.domain.effects import Role
from ess_pbx.domain.events import PhoneReachable
from ess_pbx.domain.found import AsteriskFound, FoundLeg
from ess_pbx.domain.ids import (
    BridgeId,
    CallId,
    LegId,
    PlaybackId,
    call_of,
    caller_leg,
    is_called_back,
    is_caller,
)
from ess_pbx.engine.clock import Clock
from ess_pbx.engine.ended_calls import EndedCalls
from ess_pbx.engine.recordings import last_written
from ess_pbx.errors import AriRefusedError

CALL_BACK_CONTEXT = "call-back"
"""Where the dialplan has who was called back recorded, for a moment."""

ONLINE, OFFLINE = "online", "offline"
"""What Asterisk says of an endpoint, beside "unknown"."""


class Asterisk(Protocol):
    """The part of ``AriConnection`` that is needed to look."""

    app: str

    async def call(self, method: str, uri: str, *, query: Query | None = None) -> Answer:
        """Ask Asterisk, after all that was asked before."""

    async def http(self, method: str, uri: str, *, query: Query | None = None) -> Answer:
        """Ask Asterisk, beside everything else."""


Ask: TypeAlias = Callable[[str, str], Awaitable[Answer]]


class Stock:
    """Takes stock of one Asterisk.

    ``ended`` is what the dialplan wrote of calls that ended. What cannot be had raises AriError
    or msgspec.ValidationError.
    """

    def __init__(
        self,
        asterisk: Asterisk,
        translator: Translator,
        centres: Centres,
        recordings: Path,
        ended: EndedCalls,
        clock: Clock,
    ) -> None:
        self._asterisk, self._translator, self._centres = asterisk, translator, centres
        self._recordings, self._ended, self._clock = recordings, ended, clock

    async def take(self) -> AsteriskFound:
        """Ask for everything."""
        asterisk, asked = self._asterisk, self._centres.legs()
        info = msgspec.convert(
            await asterisk.call("GET", "asterisk/info", query={"only": "status"}),
            models.AsteriskInfo,
        )
        found = await self._found(asterisk.call, self._centres.sounds(), asked)
        gone = [call for call in self._centres.known if caller_leg(call) not in found.legs]
        return replace(
            await self._with_endings(found, gone),
            phones=await _phones(asterisk, self._translator),
            started=_epoch(info),
        )

    async def take_of(self, calls: frozenset[CallId]) -> AsteriskFound:
        """The same of some calls alone, while the line is up, but for those that went on meanwhile.

        The lists are asked for when the socket has answered: all that was asked before is done.
        """
        before = as_they_are(self._centres, calls)
        sounds = frozenset(each for each in self._centres.sounds() if call_of(each) in calls)
        asked = self._centres.legs()
        await self._asterisk.call("GET", "asterisk/ping")
        found = await self._found(self._asterisk.call, sounds, asked)
        gone = [call for call in calls if caller_leg(call) not in found.legs]
        found = await self._with_endings(found, gone)
        return found.only(unchanged(before, self._centres))

    async def glance(self, sounds: frozenset[PlaybackId]) -> AsteriskFound:
        """What can be had for next to nothing; of ``sounds`` alone whether they are heard.

        Beside the socket, so that no request of a call waits behind it; hence it may be older or
        newer than what the core knows.
        """
        ask, known = self._asterisk.http, self._centres.legs()
        endpoints = msgspec.convert(await ask("GET", "endpoints/PJSIP"), list[models.Endpoint])
        found = await self._found(ask, sounds, known, arrivals=False)
        phones = {
            each.resource: each.state == ONLINE
            for each in endpoints
            if each.resource in self._centres.seats and each.state in (ONLINE, OFFLINE)
        }
        return replace(found, phones=phones)

    async def _found(
        self,
        ask: Ask,
        sounds: frozenset[PlaybackId],
        asked: frozenset[LegId],
        *,
        arrivals: bool = True,
    ) -> AsteriskFound:
        # Never over the socket: Asterisk lays each answer there on the stack of a thread, and
        # 496 kB of it, the list of some 500 channels, are its end (docs/decisions/0002).
        listed = self._asterisk.http
        channels = msgspec.convert(await listed("GET", "channels"), list[models.Channel])
        bridges = msgspec.convert(await listed("GET", "bridges"), list[models.Bridge])
        uri = f"applications/{self._asterisk.app}"
        ours = frozenset(msgspec.convert(await ask("GET", uri), models.Application).channel_ids)
        legs = {
            LegId(each.id): found_leg(
                each, ours, self._translator, arrives=arrivals or each.id not in asked
            )
            for each in channels
        }
        return AsteriskFound(
            legs=legs,
            bridges={BridgeId(each.id): talking_in(each, legs) for each in bridges},
            wall=self._clock.wall(),
            playbacks=await _still_heard(ask, sounds),
            asked=asked,
            sounds=sounds,
        )

    async def _with_endings(self, found: AsteriskFound, gone: Sequence[CallId]) -> AsteriskFound:
        return replace(
            found,
            last_heard=last_heard(self._recordings, gone),
            causes=await asyncio.to_thread(self._ended.causes, gone),
        )


def found_leg(
    channel: models.Channel,
    ours: frozenset[str],
    translator: Translator,
    *,
    arrives: bool = True,
) -> FoundLeg:
    """A channel in the core's words, with its arrival where that is wanted."""
    up, mine, context = channel.state == "Up", channel.id in ours, channel.dialplan.context
    if context == CALL_BACK_CONTEXT and not mine:
        up = False  # on the way to us, recorded: that they have answered is told when they are here
    # The arguments that ``engine.executor`` gave it when it was made: role, call, address.
    role, _, rest = channel.dialplan.app_data.partition(",")[2].partition(",")
    address = rest.partition(",")[2] if role in (Role.OPERATOR, Role.AGENCY, Role.COLLEAGUE) else ""
    # A test call that nobody here knows of is as little a caller's as an operator's code.
    test = endpoint_of(channel.name) == TEST_ENDPOINT
    at_desk = mine and (context in (DESK_CONTEXT, OUTBOUND_CONTEXT) or test)
    caller = is_caller(channel.id) or (is_called_back(channel.id) and up)
    return FoundLeg(
        up,
        address or endpoint_of(channel.name),
        translator.arrived(channel) if arrives and caller and mine and not at_desk else None,
        at_desk=at_desk,
        to_be_recorded=mine and up and is_called_back(channel.id) and role == Role.CALLER,
    )


def talking_in(bridge: models.Bridge, channels: Container[LegId]) -> frozenset[LegId]:
    """Who is in a bridge; a tone or a prompt that plays there is nobody.

    What plays is a channel of the bridge too, which is not among Asterisk's ``channels``.
    """
    return frozenset(LegId(each) for each in bridge.channels if each in channels)


def last_heard(folder: Path, calls: Iterable[CallId]) -> Mapping[CallId, float]:
    """When each call's recording was last written."""
    heard = {}
    for call in calls:
        if (at := last_written(folder, call)) is not None:
            heard[call] = at
    return heard


async def _still_heard(ask: Ask, sounds: Iterable[PlaybackId]) -> frozenset[PlaybackId]:
    async def is_heard(playback: PlaybackId) -> bool:
        try:
            await ask("GET", f"playbacks/{playback}")
        except AriRefusedError:
            return False
        return True

    asked = list(sounds)
    answers = await asyncio.gather(*map(is_heard, asked))
    return frozenset(each for each, heard in zip(asked, answers, strict=True) if heard)


async def _phones(asterisk: Asterisk, translator: Translator) -> dict[str, bool]:
    reachable = {}
    for phone in translator.phones:
        found = await asterisk.call("GET", f"deviceStates/{quote(phone, safe='')}")
        for event in translator.phone(msgspec.convert(found, models.DeviceState)):
            reachable[phone.partition("/")[2]] = isinstance(event, PhoneReachable)
    return reachable


def _epoch(info: models.AsteriskInfo) -> float:
    if info.status is None:
        return 0.0
    return datetime.fromisoformat(info.status.startup_time).timestamp()
