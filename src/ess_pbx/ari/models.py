"""What Asterisk sends and answers over ARI. Generated; do not edit.

Asterisk version: 22.10.1
Made by ``python -m ess_pbx.ari.generate REST_API_FOLDER``, where REST_API_FOLDER is the
``share/asterisk/rest-api`` of the installed Asterisk. Unknown fields are ignored, so a newer
Asterisk may say more. Dates are ISO 8601 strings with an offset, as they came.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Application(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    channel_ids: list[str]
    bridge_ids: list[str]
    endpoint_ids: list[str]
    device_names: list[str]
    events_allowed: list[dict[str, Any]]
    events_disallowed: list[dict[str, Any]]


class BuildInfo(msgspec.Struct, frozen=True, kw_only=True):
    os: str
    kernel: str
    options: str
    machine: str
    date: str
    user: str


class SystemInfo(msgspec.Struct, frozen=True, kw_only=True):
    version: str
    entity_id: str


class SetId(msgspec.Struct, frozen=True, kw_only=True):
    user: str
    group: str


class ConfigInfo(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    default_language: str
    max_channels: int | None = None
    max_open_files: int | None = None
    max_load: float | None = None
    setid: SetId


class StatusInfo(msgspec.Struct, frozen=True, kw_only=True):
    startup_time: str
    last_reload_time: str


class AsteriskInfo(msgspec.Struct, frozen=True, kw_only=True):
    build: BuildInfo | None = None
    system: SystemInfo | None = None
    config: ConfigInfo | None = None
    status: StatusInfo | None = None


class AsteriskPing(msgspec.Struct, frozen=True, kw_only=True):
    asterisk_id: str
    ping: str
    timestamp: str


class Module(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    description: str
    use_count: int
    status: str
    support_level: str


class LogChannel(msgspec.Struct, frozen=True, kw_only=True):
    channel: str
    type: str
    status: str
    configuration: str


class Variable(msgspec.Struct, frozen=True, kw_only=True):
    value: str


class Variables(msgspec.Struct, frozen=True, kw_only=True):
    variables: dict[str, Any]


class ConfigTuple(msgspec.Struct, frozen=True, kw_only=True):
    attribute: str
    value: str


class Bridge(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    technology: str
    bridge_type: str
    bridge_class: str
    creator: str
    name: str
    channels: list[str]
    video_mode: str | None = None
    video_source_id: str | None = None
    creationtime: str
    bridgevars: dict[str, Any] | None = None


class Dialed(msgspec.Struct, frozen=True, kw_only=True):
    pass


class DialplanCEP(msgspec.Struct, frozen=True, kw_only=True):
    context: str
    exten: str
    priority: int
    app_name: str
    app_data: str


class CallerID(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    number: str


class RTPstat(msgspec.Struct, frozen=True, kw_only=True):
    txcount: int
    rxcount: int
    txjitter: float | None = None
    rxjitter: float | None = None
    remote_maxjitter: float | None = None
    remote_minjitter: float | None = None
    remote_normdevjitter: float | None = None
    remote_stdevjitter: float | None = None
    local_maxjitter: float | None = None
    local_minjitter: float | None = None
    local_normdevjitter: float | None = None
    local_stdevjitter: float | None = None
    txploss: int
    rxploss: int
    remote_maxrxploss: float | None = None
    remote_minrxploss: float | None = None
    remote_normdevrxploss: float | None = None
    remote_stdevrxploss: float | None = None
    local_maxrxploss: float | None = None
    local_minrxploss: float | None = None
    local_normdevrxploss: float | None = None
    local_stdevrxploss: float | None = None
    rtt: float | None = None
    maxrtt: float | None = None
    minrtt: float | None = None
    normdevrtt: float | None = None
    stdevrtt: float | None = None
    local_ssrc: int
    remote_ssrc: int
    txoctetcount: int
    rxoctetcount: int
    channel_uniqueid: str


class Channel(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    protocol_id: str
    name: str
    state: str
    caller: CallerID
    connected: CallerID
    accountcode: str
    dialplan: DialplanCEP
    creationtime: str
    language: str
    channelvars: dict[str, Any] | None = None
    caller_rdnis: str | None = None
    tenantid: str | None = None


class DeviceState(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    state: str


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    technology: str
    resource: str
    state: str | None = None
    channel_ids: list[str]


class TextMessage(msgspec.Struct, frozen=True, kw_only=True):
    from_: str = msgspec.field(name="from")
    to: str
    body: str
    variables: dict[str, Any] | None = None


class Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag=True):
    asterisk_id: str | None = None


class MissingParams(Message, frozen=True, kw_only=True):
    params: list[str]


class Event(Message, frozen=True, kw_only=True):
    application: str
    timestamp: str


class ContactInfo(msgspec.Struct, frozen=True, kw_only=True):
    uri: str
    contact_status: str
    aor: str
    roundtrip_usec: str | None = None


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    peer_status: str
    cause: str | None = None
    address: str | None = None
    port: str | None = None
    time: str | None = None


class DeviceStateChanged(Event, frozen=True, kw_only=True):
    device_state: DeviceState


class PlaybackStarted(Event, frozen=True, kw_only=True):
    playback: Playback


class PlaybackContinuing(Event, frozen=True, kw_only=True):
    playback: Playback


class PlaybackFinished(Event, frozen=True, kw_only=True):
    playback: Playback


class RecordingStarted(Event, frozen=True, kw_only=True):
    recording: LiveRecording


class RecordingFinished(Event, frozen=True, kw_only=True):
    recording: LiveRecording


class RecordingFailed(Event, frozen=True, kw_only=True):
    recording: LiveRecording


class ApplicationMoveFailed(Event, frozen=True, kw_only=True):
    channel: Channel
    destination: str
    args: list[str]


class ApplicationRegistered(Event, frozen=True, kw_only=True):
    pass


class ApplicationUnregistered(Event, frozen=True, kw_only=True):
    pass


class ApplicationReplaced(Event, frozen=True, kw_only=True):
    pass


class BridgeCreated(Event, frozen=True, kw_only=True):
    bridge: Bridge


class BridgeDestroyed(Event, frozen=True, kw_only=True):
    bridge: Bridge


class BridgeMerged(Event, frozen=True, kw_only=True):
    bridge: Bridge
    bridge_from: Bridge


class BridgeVideoSourceChanged(Event, frozen=True, kw_only=True):
    bridge: Bridge
    old_video_source_id: str | None = None


class BridgeBlindTransfer(Event, frozen=True, kw_only=True):
    channel: Channel
    replace_channel: Channel | None = None
    transferee: Channel | None = None
    exten: str
    context: str
    result: str
    is_external: bool
    bridge: Bridge | None = None


class BridgeAttendedTransfer(Event, frozen=True, kw_only=True):
    transferer_first_leg: Channel
    transferer_second_leg: Channel
    replace_channel: Channel | None = None
    transferee: Channel | None = None
    transfer_target: Channel | None = None
    result: str
    is_external: bool
    transferer_first_leg_bridge: Bridge | None = None
    transferer_second_leg_bridge: Bridge | None = None
    destination_type: str
    destination_bridge: str | None = None
    destination_application: str | None = None
    destination_link_first_leg: Channel | None = None
    destination_link_second_leg: Channel | None = None
    destination_threeway_channel: Channel | None = None
    destination_threeway_bridge: Bridge | None = None


class ChannelCreated(Event, frozen=True, kw_only=True):
    channel: Channel


class ChannelDestroyed(Event, frozen=True, kw_only=True):
    cause: int
    cause_txt: str
    tech_cause: int | None = None
    channel: Channel


class ChannelEnteredBridge(Event, frozen=True, kw_only=True):
    bridge: Bridge
    channel: Channel | None = None


class ChannelLeftBridge(Event, frozen=True, kw_only=True):
    bridge: Bridge
    channel: Channel


class ChannelStateChange(Event, frozen=True, kw_only=True):
    channel: Channel


class ChannelDtmfReceived(Event, frozen=True, kw_only=True):
    digit: str
    duration_ms: int
    channel: Channel


class ChannelDialplan(Event, frozen=True, kw_only=True):
    channel: Channel
    dialplan_app: str
    dialplan_app_data: str


class ChannelCallerId(Event, frozen=True, kw_only=True):
    caller_presentation: int
    caller_presentation_txt: str
    channel: Channel


class ChannelUserevent(Event, frozen=True, kw_only=True):
    eventname: str
    channel: Channel | None = None
    bridge: Bridge | None = None
    endpoint: Endpoint | None = None
    userevent: dict[str, Any]


class ChannelHangupRequest(Event, frozen=True, kw_only=True):
    cause: int | None = None
    tech_cause: int | None = None
    soft: bool | None = None
    channel: Channel


class ChannelVarset(Event, frozen=True, kw_only=True):
    variable: str
    value: str
    channel: Channel | None = None


class ChannelHold(Event, frozen=True, kw_only=True):
    channel: Channel
    musicclass: str | None = None


class ChannelUnhold(Event, frozen=True, kw_only=True):
    channel: Channel


class ChannelToneDetected(Event, frozen=True, kw_only=True):
    channel: Channel


class ChannelTalkingStarted(Event, frozen=True, kw_only=True):
    channel: Channel


class ChannelTalkingFinished(Event, frozen=True, kw_only=True):
    channel: Channel
    duration: int


class ContactStatusChange(Event, frozen=True, kw_only=True):
    endpoint: Endpoint
    contact_info: ContactInfo


class PeerStatusChange(Event, frozen=True, kw_only=True):
    endpoint: Endpoint
    peer: Peer


class EndpointStateChange(Event, frozen=True, kw_only=True):
    endpoint: Endpoint


class Dial(Event, frozen=True, kw_only=True):
    caller: Channel | None = None
    peer: Channel
    forward: str | None = None
    forwarded: Channel | None = None
    dialstring: str | None = None
    dialstatus: str


class StasisEnd(Event, frozen=True, kw_only=True):
    channel: Channel


class StasisStart(Event, frozen=True, kw_only=True):
    args: list[str]
    channel: Channel
    replace_channel: Channel | None = None


class TextMessageReceived(Event, frozen=True, kw_only=True):
    message: TextMessage
    endpoint: Endpoint | None = None


class ChannelConnectedLine(Event, frozen=True, kw_only=True):
    channel: Channel


class ChannelTransfer(Event, frozen=True, kw_only=True):
    state: str | None = None
    refer_to: ReferTo
    referred_by: ReferredBy


class ReferTo(msgspec.Struct, frozen=True, kw_only=True):
    requested_destination: RequiredDestination
    destination_channel: Channel | None = None
    connected_channel: Channel | None = None
    bridge: Bridge | None = None


class ReferredBy(msgspec.Struct, frozen=True, kw_only=True):
    source_channel: Channel
    connected_channel: Channel | None = None
    bridge: Bridge | None = None


class RequiredDestination(msgspec.Struct, frozen=True, kw_only=True):
    protocol_id: str | None = None
    destination: str | None = None
    additional_protocol_params: list[AdditionalParam] | None = None


class AdditionalParam(msgspec.Struct, frozen=True, kw_only=True):
    parameter_name: str
    parameter_value: str


class RESTHeader(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    value: str


class RESTQueryStringParameter(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    value: str


class RESTRequest(msgspec.Struct, frozen=True, kw_only=True):
    type: str
    transaction_id: str
    request_id: str
    method: str
    uri: str
    content_type: str | None = None
    query_strings: list[RESTQueryStringParameter] | None = None
    message_body: str | None = None


class RESTResponse(Event, frozen=True, kw_only=True):
    transaction_id: str
    request_id: str
    status_code: int
    reason_phrase: str
    uri: str
    content_type: str | None = None
    message_body: str | None = None


class CallBroadcast(Event, frozen=True, kw_only=True):
    channel: Channel
    caller: str | None = None
    called: str | None = None


class CallClaimed(Event, frozen=True, kw_only=True):
    channel: Channel
    winner_app: str


class Mailbox(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    old_messages: int
    new_messages: int


class Playback(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    media_uri: str
    next_media_uri: str | None = None
    target_uri: str
    language: str | None = None
    state: str


class StoredRecording(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    format: str


class LiveRecording(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    format: str
    target_uri: str
    state: str
    duration: int | None = None
    talking_duration: int | None = None
    silence_duration: int | None = None
    cause: str | None = None


class FormatLangPair(msgspec.Struct, frozen=True, kw_only=True):
    language: str
    format: str


class Sound(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    text: str | None = None
    formats: list[FormatLangPair]


EVENT_TYPES: dict[str, type[Event]] = {
    "ApplicationMoveFailed": ApplicationMoveFailed,
    "ApplicationRegistered": ApplicationRegistered,
    "ApplicationReplaced": ApplicationReplaced,
    "ApplicationUnregistered": ApplicationUnregistered,
    "BridgeAttendedTransfer": BridgeAttendedTransfer,
    "BridgeBlindTransfer": BridgeBlindTransfer,
    "BridgeCreated": BridgeCreated,
    "BridgeDestroyed": BridgeDestroyed,
    "BridgeMerged": BridgeMerged,
    "BridgeVideoSourceChanged": BridgeVideoSourceChanged,
    "CallBroadcast": CallBroadcast,
    "CallClaimed": CallClaimed,
    "ChannelCallerId": ChannelCallerId,
    "ChannelConnectedLine": ChannelConnectedLine,
    "ChannelCreated": ChannelCreated,
    "ChannelDestroyed": ChannelDestroyed,
    "ChannelDialplan": ChannelDialplan,
    "ChannelDtmfReceived": ChannelDtmfReceived,
    "ChannelEnteredBridge": ChannelEnteredBridge,
    "ChannelHangupRequest": ChannelHangupRequest,
    "ChannelHold": ChannelHold,
    "ChannelLeftBridge": ChannelLeftBridge,
    "ChannelStateChange": ChannelStateChange,
    "ChannelTalkingFinished": ChannelTalkingFinished,
    "ChannelTalkingStarted": ChannelTalkingStarted,
    "ChannelToneDetected": ChannelToneDetected,
    "ChannelTransfer": ChannelTransfer,
    "ChannelUnhold": ChannelUnhold,
    "ChannelUserevent": ChannelUserevent,
    "ChannelVarset": ChannelVarset,
    "ContactStatusChange": ContactStatusChange,
    "DeviceStateChanged": DeviceStateChanged,
    "Dial": Dial,
    "EndpointStateChange": EndpointStateChange,
    "PeerStatusChange": PeerStatusChange,
    "PlaybackContinuing": PlaybackContinuing,
    "PlaybackFinished": PlaybackFinished,
    "PlaybackStarted": PlaybackStarted,
    "RESTResponse": RESTResponse,
    "RecordingFailed": RecordingFailed,
    "RecordingFinished": RecordingFinished,
    "RecordingStarted": RecordingStarted,
    "StasisEnd": StasisEnd,
    "StasisStart": StasisStart,
    "TextMessageReceived": TextMessageReceived,
}
