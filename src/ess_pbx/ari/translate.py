"""Asterisk's events in the core's words. What the core has no word for becomes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from ess_pbx.ari import models
from ess_pbx.domain.events import (
    Arrived,
    CallEvent,
    CentreEvent,
    KeyPressed,
    LegAnswered,
    LegGone,
    LegRang,
    PhoneLost,
    PhoneReachable,
    PlaybackBegan,
    PlaybackEnded,
)
from ess_pbx.domain.ids import CallId, LegId, PlaybackId, call_of, is_caller
from ess_pbx.settings.model import Settings, Trunk
from ess_pbx.sip.numbers import is_entry_number, parse_caller

EVENTS = (
    "CallBroadcast",
    "StasisStart",
    "ChannelStateChange",
    "ChannelDestroyed",
    "ChannelHangupRequest",
    "StasisEnd",
    "ChannelDtmfReceived",
    "PlaybackStarted",
    "PlaybackFinished",
    "DeviceStateChanged",
)
"""The events that are asked of Asterisk; each has its line in ``Translator.translate``."""

UNREACHABLE = frozenset({"UNAVAILABLE", "INVALID", "UNKNOWN"})
"""Device states of a phone that is not registered or does not answer its qualify (OPTIONS)."""

NORMAL_CLEARING, UNKNOWN_CAUSE = 16, 0

CALLED_VARIABLE = "ESS_CALLED"
"""Channel variable in which the dialplan leaves the number that was dialled."""


class Translator:
    """Translates for the centre and trunks of some settings."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._trunks = {trunk.id: trunk for trunk in settings.trunks}
        self._phones = {operator.extension for operator in settings.centre.operators}
        self._causes: dict[str, int] = {}

    def translate(self, event: models.Event) -> Sequence[CallEvent | CentreEvent]:
        """The core's events for one of Asterisk's, in order."""
        match event:
            case models.StasisStart(channel=channel) if is_caller(channel.id):
                return [self.arrived(channel)]
            case models.StasisStart(channel=channel):
                return [LegAnswered(call_of(channel.id), LegId(channel.id))]
            case models.ChannelStateChange(channel=channel) if channel.state == "Ringing":
                return [LegRang(call_of(channel.id), LegId(channel.id))]
            case models.ChannelStateChange(channel=channel) if channel.state == "Up" and is_caller(
                channel.id
            ):
                return [LegAnswered(call_of(channel.id), LegId(channel.id))]
            case models.ChannelDestroyed(channel=channel, cause=cause):
                return [LegGone(call_of(channel.id), LegId(channel.id), cause)]
            case models.ChannelHangupRequest(channel=channel) if is_caller(channel.id):
                self._causes[channel.id] = event.cause or NORMAL_CLEARING
            case models.StasisEnd(channel=channel) if is_caller(channel.id):
                # Asterisk sends ChannelDestroyed only for the channels that were originated.
                cause = self._causes.pop(channel.id, UNKNOWN_CAUSE)
                return [LegGone(call_of(channel.id), LegId(channel.id), cause)]
            case models.ChannelDtmfReceived(channel=channel, digit=digit):
                return [KeyPressed(call_of(channel.id), LegId(channel.id), digit)]
            case models.PlaybackStarted(playback=playback):
                return [PlaybackBegan(call_of(playback.id), PlaybackId(playback.id))]
            case models.PlaybackFinished(playback=playback):
                return [PlaybackEnded(call_of(playback.id), PlaybackId(playback.id))]
            case models.DeviceStateChanged(device_state=device):
                return self.phone(device)
        return []

    def phone(self, device: models.DeviceState) -> list[CentreEvent]:
        """What a device's state says about an operator's phone, if it is one."""
        technology, _, extension = device.name.partition("/")
        if technology != "PJSIP" or extension not in self._phones:
            return []
        if device.state in UNREACHABLE:
            return [PhoneLost(extension)]
        return [PhoneReachable(extension)]

    @property
    def phones(self) -> list[str]:
        """The device states of operators' phones, as Asterisk names them.

        Not the endpoints: whoever subscribes to an endpoint gets each event of its channels twice.
        """
        return [f"PJSIP/{extension}" for extension in sorted(self._phones)]

    def arrived(self, channel: models.Channel, *, gone: bool = False) -> Arrived:
        """The arrival of a caller's channel; ``gone`` when it ended before we had it."""
        called = str((channel.channelvars or {}).get(CALLED_VARIABLE) or "")
        invited_at = datetime.fromisoformat(channel.creationtime).timestamp()
        told = self.told(channel.id, invited_at, channel.caller.number, called, channel.name)
        return replace(told, gone=gone)

    def told(self, call: str, invited_at: float, number: str, called: str, channel: str) -> Arrived:
        """The arrival of a call by what is known of it, whoever tells."""
        settings = self._settings
        trunk = self._trunks.get(endpoint_of(channel))
        caller = parse_caller(number, country=settings.country, area_code=settings.area_code)
        return Arrived(
            CallId(call),
            caller_raw=number,
            caller_e164=caller.e164,
            caller_display=caller.display,
            called=called,
            callable=caller.callable,
            trunk=trunk.id if trunk is not None else None,
            known_number=trunk is None or is_entry(called, trunk),
            node=settings.asterisk.node,
            invited_at=invited_at,
        )


def is_entry(called: str, trunk: Trunk) -> bool:
    """Whether a trunk may deliver this number."""
    return is_entry_number(called, trunk.entry_numbers)


def endpoint_of(channel_name: str) -> str:
    """The endpoint in a channel's name: ``PJSIP/telco-a-0000002f`` → ``telco-a``."""
    return channel_name.partition("/")[2].rpartition("-")[0]
