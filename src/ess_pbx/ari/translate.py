"""Asterisk's events in the core's words. What the core has no word for becomes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from ess_pbx.ari import models
from ess_pbx.domain.effects import Role
from ess_pbx.domain.events import (
    Arrived,
    CallEvent,
    CentreEvent,
    DeskCallArrived,
    KeyPressed,
    LegAnswered,
    LegGone,
    LegHeld,
    LegRang,
    LegUnheld,
    OutboundDialled,
    PhoneLost,
    PhoneReachable,
    PlaybackBegan,
    PlaybackEnded,
    Reference,
    SpeechBegan,
    SpeechEnded,
    SyntheticCallArrived,
    TransferAsked,
)
from ess_pbx.domain.ids import (
    CallId,
    LegId,
    PlaybackId,
    call_of,
    is_call_back,
    is_called_back,
    is_caller,
    is_snoop,
    is_synthetic,
)
from ess_pbx.settings.entry import Entry
from ess_pbx.settings.model import Settings
from ess_pbx.sip.call_info import read_call_info
from ess_pbx.sip.numbers import normalise_called, parse_caller

EVENTS = (
    "CallBroadcast",
    "StasisStart",
    "ChannelStateChange",
    "ChannelDestroyed",
    "ChannelHangupRequest",
    "StasisEnd",
    "ChannelHold",
    "ChannelUnhold",
    "ChannelTransfer",
    "ChannelDtmfReceived",
    "ChannelTalkingStarted",
    "ChannelTalkingFinished",
    "PlaybackStarted",
    "PlaybackFinished",
    "DeviceStateChanged",
)
"""The events that are asked of Asterisk; each has its line in ``Translator.translate``."""

UNREACHABLE = frozenset({"UNAVAILABLE", "INVALID", "UNKNOWN"})
"""Device states of a phone that is not registered or does not answer its qualify (OPTIONS)."""

NORMAL_CLEARING, UNKNOWN_CAUSE = 16, 0
UP = "Up"
"""State of a channel that is answered."""

DESK, DESK_CONTEXT = "desk", "desk"
"""First argument of ``Stasis()`` for an operator who dialled a code, and where the dialplan is."""

TEST_ENDPOINT = "uji"
"""The endpoint of pjsip.conf by which test calls come in: known by a port that Asterisk itself has,
so that nobody else can send from it."""

OUTBOUND, OUTBOUND_CONTEXT = "outbound", "outbound"
"""The same for one who dialled some other number."""

LONGEST_SHORT_NUMBER = 8
"""Digits of a number that a trunk may know as it is dialled."""

RECORDED = "recorded"
"""What the dialplan says of a channel that comes back to the engine from ``[call-back]``."""

CALLED_VARIABLE = "ESS_CALLED"
"""Channel variable in which the dialplan leaves the number that was dialled."""


CENTRE_VARIABLE = "ESS_CENTRE"
"""Channel variable in which the dialplan has the centre that a call rings."""


CALL_INFO_VARIABLE = "ESS_CALL_INFO"
"""Channel variable in which the dialplan leaves the Call-Info of a neighbouring centre's call."""


class Translator:
    """Translates for the centres and trunks of some settings."""

    def __init__(self, settings: Settings) -> None:
        self._node = settings.asterisk.node
        self._trunks = {trunk.id: trunk for trunk in settings.trunks}
        self._centres = {centre.id: centre for centre in settings.centres}
        self._entry = Entry(settings)
        self._tests = {
            normalise_called(centre.synthetic_call.number): centre.id
            for centre in settings.centres
            if centre.synthetic_call is not None
        }
        self._phones = {
            operator.extension for centre in settings.centres for operator in centre.operators
        }
        self._neighbours = {
            (agency.neighbour.trunk, agency.neighbour.centre)
            for centre in settings.centres
            for agency in centre.agencies
            if agency.neighbour is not None
        }
        self._causes: dict[str, int] = {}

    def translate(self, event: models.Event) -> Sequence[CallEvent | CentreEvent]:
        """The core's events for one of Asterisk's, in order."""
        match event:
            case models.StasisStart(channel=channel) if self._is_test(channel):
                return [self._test_arrived(channel)]
            case models.StasisStart(channel=channel, args=[first, code]) if first == DESK:
                # The registration that the call came with says who it is; a From can say anything.
                agent = endpoint_of(channel.name)
                return [DeskCallArrived(CallId(channel.id), agent, code)]
            case models.StasisStart(channel=channel, args=[first, *dialled]) if first == OUTBOUND:
                return [self._dialled(channel, "".join(dialled[:1]))]
            case models.StasisStart() if to_be_recorded(event) is not None:
                return []
            case models.StasisStart(channel=channel) if is_caller(channel.id):
                return [self.arrived(channel)]
            case models.StasisStart(channel=channel, args=args) if is_called_back(
                channel.id
            ) and args != [RECORDED]:
                # An engine before this one called them, and the dialplan has offered them since.
                return [self.arrived(channel)]
            case models.StasisStart(channel=channel):
                return [LegAnswered(call_of(channel.id), LegId(channel.id))]
            case models.ChannelStateChange(channel=channel) if channel.state == "Ringing":
                return [LegRang(call_of(channel.id), LegId(channel.id))]
            case models.ChannelStateChange(channel=channel) if channel.state == UP and is_caller(
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
            case models.ChannelHold(channel=channel):
                return [LegHeld(call_of(channel.id), LegId(channel.id))]
            case models.ChannelUnhold(channel=channel):
                return [LegUnheld(call_of(channel.id), LegId(channel.id))]
            case models.ChannelTransfer(state=None):
                return [_transfer_asked(event)]
            case models.StasisEnd(channel=channel) if is_snoop(channel.id):
                return [LegGone(call_of(channel.id), LegId(channel.id), NORMAL_CLEARING)]
            case models.ChannelDtmfReceived(channel=channel, digit=digit):
                return [KeyPressed(call_of(channel.id), LegId(channel.id), digit)]
            case models.ChannelTalkingStarted(channel=channel) if is_caller(
                channel.id
            ) or is_synthetic(channel.id):
                return [SpeechBegan(call_of(channel.id), LegId(channel.id))]
            case models.ChannelTalkingFinished(channel=channel) if is_caller(channel.id):
                return [SpeechEnded(call_of(channel.id), LegId(channel.id))]
            case models.PlaybackStarted(playback=playback):
                return [PlaybackBegan(call_of(playback.id), PlaybackId(playback.id))]
            case models.PlaybackFinished(playback=playback):
                return [PlaybackEnded(call_of(playback.id), PlaybackId(playback.id))]
            case models.DeviceStateChanged(device_state=device):
                return self.phone(device)
        return []

    def _dialled(self, channel: models.Channel, dialled: str) -> OutboundDialled:
        """What an operator's phone dialled, read as a number of its own centre's country."""
        agent = endpoint_of(channel.name)
        rung, _ = self._entry.rung(agent, "")
        home = self._centres[rung]
        number = parse_caller(dialled, country=home.country, area_code=home.area_code).e164
        digits = normalise_called(dialled)
        few = digits.isdecimal() and digits.isascii() and len(digits) <= LONGEST_SHORT_NUMBER
        return OutboundDialled(CallId(channel.id), agent, number or "", digits if few else "")

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

    def _is_test(self, channel: models.Channel) -> bool:
        """Whether a test call came in; the one that sends it has an id of ours."""
        return endpoint_of(channel.name) == TEST_ENDPOINT and is_caller(channel.id)

    def _test_arrived(self, channel: models.Channel) -> SyntheticCallArrived:
        called = str((channel.channelvars or {}).get(CALLED_VARIABLE) or "")
        first = next(iter(self._centres))
        centre = self._tests.get(normalise_called(called), first)
        return SyntheticCallArrived(CallId(channel.id), channel.caller.number, centre=centre)

    def arrived(self, channel: models.Channel) -> Arrived:
        """The arrival of a caller's channel."""
        variables = channel.channelvars or {}
        told = self.told(
            channel.id,
            datetime.fromisoformat(channel.creationtime).timestamp(),
            channel.caller.number,
            str(variables.get(CALLED_VARIABLE) or ""),
            channel.name,
            str(variables.get(CENTRE_VARIABLE) or ""),
        )
        info = str(variables.get(CALL_INFO_VARIABLE) or "")
        reference = self._reference(told.trunk, info)
        return replace(told, up=channel.state == UP, reference=reference)

    def _reference(self, trunk: str | None, call_info: str) -> Reference | None:
        """What a neighbouring centre says of its call; anybody else's word counts for nothing."""
        read = read_call_info(call_info) if trunk is not None and call_info else None
        if read is None or (trunk, read.centre) not in self._neighbours:
            return None
        return Reference(read.centre, read.call, read.report)

    def told(
        self, channel: str, invited_at: float, number: str, called: str, name: str, centre: str = ""
    ) -> Arrived:
        """The arrival of a call by what is known of its channel, whoever tells.

        ``centre`` is the one that the dialplan named. It counts where the way in does not say it:
        for somebody who was called back.
        """
        endpoint = endpoint_of(name)
        trunk = self._trunks.get(endpoint)
        rung, known = self._entry.rung(endpoint, called)
        if is_call_back(channel) and centre in self._centres:
            rung, known = centre, True
        home = self._centres[rung]
        caller = parse_caller(number, country=home.country, area_code=home.area_code)
        return Arrived(
            call_of(channel),
            caller_raw=number,
            caller_e164=caller.e164,
            caller_display=caller.display,
            called=called,
            callable=caller.callable,
            number_fault=caller.reason or "",
            trunk=None if trunk is None else trunk.id,
            known_number=known,
            node=self._node,
            invited_at=invited_at,
            centre=rung,
            priority=None if trunk is None else trunk.priority,
        )


def _transfer_asked(event: models.ChannelTransfer) -> TransferAsked:
    """Asterisk tells of it again with each progress that we give; those have a state."""
    asked = event.refer_to.requested_destination
    leg = event.referred_by.source_channel.id
    attended = asked.protocol_id is not None
    return TransferAsked(call_of(leg), LegId(leg), asked.destination or "", attended)


def to_be_recorded(event: models.Event) -> str | None:
    """The channel of somebody who was called back and has just answered."""
    if isinstance(event, models.StasisStart) and event.args[:1] == [Role.CALLER]:
        return event.channel.id
    return None


def endpoint_of(channel_name: str) -> str:
    """The endpoint in a channel's name: ``PJSIP/telco-a-0000002f`` → ``telco-a``."""
    return channel_name.partition("/")[2].rpartition("-")[0]
