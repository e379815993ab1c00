# SPDX-License-Identifier: GPL-2.0-or-later
"""Registered SIP phones on one pjsua2 endpoint, as a program of its own.

``python -m ess_pbx.phones.pjsua_process FOLDER [--vad] [--keys-by-info]`` reads commands from stdin
and writes replies and events to stdout, each one JSON object a line; ``softphone`` is its driver.
It imports nothing of ess-pbx, and nothing of ess-pbx imports it: pjsua2 is GPL.

A command is ``{"id": 1, "do": "hang_up", "call": "1001-1"}``, its reply ``{"reply": 1}`` or
``{"reply": 1, "error": "…"}``; an event is ``{"event": "ended", "call": "1001-1", "at": …}``.
``at`` is in seconds of time.monotonic, which all processes of a machine share. It leaves at the end
of stdin. FOLDER gets pjsua's log and what each call heard.
"""

from __future__ import annotations

import contextlib
import ctypes
import heapq
import itertools
import json
import os
import select
import socket
import sys
import time
from pathlib import Path
from typing import Any

import pjsua2 as pj

LOOPBACK = "127.0.0.1"
SAMPLE_RATE = 8000
RTP_PORTS = 2000
MAX_CALLS = 4
"""As this pjsua is built; one more call is answered 486 by pjsua itself."""
EVENTS_MS = 5
STOP_SECONDS = 0.5
CODECS = {"PCMA/8000": 255, "PCMU/8000": 254}
_LIBC = ctypes.CDLL(None)
REFUSALS = {"busy": 486, "unavailable": 480, "decline": 603}


class PhoneCall(pj.Call):  # type: ignore[misc]
    """One call of one account: its audio is played and recorded as long as it has media."""

    def __init__(self, phone: Phone, account: PhoneAccount, name: str, pj_id: int) -> None:
        super().__init__(account, pj_id)
        self.phone, self.account, self.name = phone, account, name
        self.recording = phone.folder / f"{name}.wav"
        self.player: Any = None
        self.recorder: Any = None
        self.we_hung_up = False
        self.stays = False
        self.over = False

    def onCallState(self, prm: Any) -> None:  # noqa: ARG002, N802 - pjsua2's name
        info = self.getInfo()
        if info.state == pj.PJSIP_INV_STATE_CONFIRMED:
            self.phone.tell("answered", call=self.name)
        elif info.state == pj.PJSIP_INV_STATE_EARLY and info.role == pj.PJSIP_ROLE_UAC:
            self.phone.tell("ringing", call=self.name)
        elif info.state == pj.PJSIP_INV_STATE_DISCONNECTED and not self.over:
            self.over = True
            self.player = self.recorder = None
            self.phone.tell(
                "ended",
                call=self.name,
                by="near" if self.we_hung_up else "far",
                status=int(info.lastStatusCode),
                reason=info.lastReason,
            )
            # No reference may outlive this: pjsua gives the number to a later call, and the end
            # of a Call object hangs up whatever call has its number then.
            self.phone.calls.pop(self.name, None)

    def onCallMediaState(self, prm: Any) -> None:  # noqa: ARG002, N802
        info = self.getInfo()
        for media in info.media:
            if media.type != pj.PJMEDIA_TYPE_AUDIO:
                continue
            if media.status != pj.PJSUA_CALL_MEDIA_ACTIVE:
                self.phone.tell("media_off", call=self.name, status=int(media.status))
                continue
            heard = self.getAudioMedia(media.index)
            if self.recorder is None:
                self.recorder = pj.AudioMediaRecorder()
                self.recorder.createRecorder(str(self.recording))
            heard.startTransmit(self.recorder)
            self.play(self.account.sound)
            self.phone.tell("media", call=self.name, recording=str(self.recording))

    def onCallSdpCreated(self, prm: Any) -> None:  # noqa: N802
        if not self.phone.keys_by_info:
            return
        lines = prm.sdp.wholeSdp.splitlines()
        events = [line.split()[0].partition(":")[2] for line in lines if "telephone-event/" in line]
        kept = [line for line in lines if not line.startswith(_of(events, "rtpmap", "fmtp"))]
        for at, line in enumerate(kept):
            if line.startswith("m=audio"):
                kept[at] = " ".join(each for each in line.split() if each not in events)
        prm.sdp.wholeSdp = "\r\n".join(kept) + "\r\n"

    def onDtmfDigit(self, prm: Any) -> None:  # noqa: N802
        self.phone.tell("key", call=self.name, key=prm.digit)

    def onCallTransferStatus(self, prm: Any) -> None:  # noqa: N802
        self.phone.tell("transfer", call=self.name, status=int(prm.statusCode))
        if prm.finalNotify and prm.statusCode // 100 == 2 and not self.stays:
            self.phone.do_hang_up(self.name, 0)  # it is for the one who sent REFER to leave

    def play(self, sound: str | None) -> None:
        """Send this WAV file without end; None sends silence."""
        self.player = None
        if sound is not None:
            self.player = pj.AudioMediaPlayer()
            self.player.createPlayer(sound)
            self.player.startTransmit(self.getAudioMedia(-1))


class PhoneAccount(pj.Account):  # type: ignore[misc]
    """One registered user; ``behaviour`` says what it does with a call that comes."""

    def __init__(self, phone: Phone, user: str, behaviour: dict[str, Any]) -> None:
        super().__init__()
        self.phone, self.user, self.behaviour = phone, user, behaviour
        self.sound: str | None = None
        self.registered = False

    def onRegState(self, prm: Any) -> None:  # noqa: N802
        here = prm.code // 100 == 2 and prm.expiration > 0
        self.registered = here
        event = "registered" if here else "unregistered"
        self.phone.tell(event, account=self.user, status=int(prm.code), reason=prm.reason)

    def onIncomingCall(self, prm: Any) -> None:  # noqa: N802
        call = self.phone.new_call(self, prm.callId)
        self.phone.tell(
            "incoming", account=self.user, call=call.name, caller=call.getInfo().remoteUri
        )
        kind = self.behaviour["kind"]
        if kind in REFUSALS:
            self.phone.respond(call, REFUSALS[kind])
            return
        self.phone.respond(call, 180)
        if kind == "answer":
            self.phone.answer_after(self.behaviour["after"], call.name)


class Phone:
    """The endpoint, its accounts and calls, and the loop that serves pjsua, stdin and timers."""

    def __init__(self, folder: Path, out: int, *, vad: bool, keys_by_info: bool) -> None:
        self.folder, self._out, self._vad = folder, out, vad
        self.keys_by_info = keys_by_info
        self.accounts: dict[str, PhoneAccount] = {}
        self.calls: dict[str, PhoneCall] = {}
        self._numbers = itertools.count(1)
        self._timers: list[tuple[float, str]] = []
        self._rtp_port = _free_rtp_port()
        self.endpoint = pj.Endpoint()

    def start(self) -> None:
        self.endpoint.libCreate()
        config = pj.EpConfig()
        # All of pjsua in this one thread: its callbacks then come only from libHandleEvents.
        config.uaConfig.threadCnt = 0
        config.uaConfig.mainThreadOnly = True
        config.uaConfig.maxCalls = MAX_CALLS
        config.uaConfig.userAgent = "ess-pbx softphone"
        config.logConfig.level, config.logConfig.consoleLevel = 4, 0
        config.logConfig.filename = str(self.folder / "pjsua.log")
        config.medConfig.clockRate = config.medConfig.sndClockRate = SAMPLE_RATE
        config.medConfig.noVad = not self._vad
        config.medConfig.ecTailLen = 0
        self.endpoint.libInit(config)
        transport = pj.TransportConfig()
        transport.boundAddress = LOOPBACK
        self.endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
        self.endpoint.libStart()
        self.endpoint.audDevManager().setNullDev()
        for codec in self.endpoint.codecEnum2():
            wanted = [p for name, p in CODECS.items() if codec.codecId.startswith(name)]
            self.endpoint.codecSetPriority(codec.codecId, wanted[0] if wanted else 0)

    def run(self) -> None:
        """Serve until the end of stdin."""
        self.tell("ready")
        buffer = b""
        while True:
            self.endpoint.libHandleEvents(EVENTS_MS)
            _LIBC.fflush(None)  # pjsua keeps the last 4 kB of its log to itself
            while self._timers and self._timers[0][0] <= time.monotonic():
                self._answer(heapq.heappop(self._timers)[1])
            if select.select([0], [], [], 0)[0]:
                read = os.read(0, 65536)
                if not read:
                    return
                *lines, buffer = (buffer + read).split(b"\n")
                for line in lines:
                    self._obey(json.loads(line))

    def stop(self) -> None:
        """Hang up and unregister, then take pjsua down in the only order it survives."""
        self._timers.clear()
        with contextlib.suppress(pj.Error):
            self.endpoint.hangupAllCalls()
        for account in self.accounts.values():
            with contextlib.suppress(pj.Error):
                account.setRegistration(False)
        deadline = time.monotonic() + STOP_SECONDS
        while time.monotonic() < deadline and (
            self.calls or any(a.registered for a in self.accounts.values())
        ):
            self.endpoint.libHandleEvents(EVENTS_MS)
        self.calls.clear()
        for account in self.accounts.values():
            account.shutdown()
        self.accounts.clear()
        # The network was left in order above; pjsua would wait a second for nothing.
        self.endpoint.libDestroy(pj.PJSUA_DESTROY_NO_NETWORK)

    def tell(self, event: str, **fields: Any) -> None:
        self._write({"event": event, "at": time.monotonic(), **fields})

    def answer_after(self, seconds: float, call: str) -> None:
        heapq.heappush(self._timers, (time.monotonic() + seconds, call))

    def new_call(self, account: PhoneAccount, pj_id: int) -> PhoneCall:
        name = f"{account.user}-{next(self._numbers)}"
        call = PhoneCall(self, account, name, pj_id)
        self.calls[name] = call
        return call

    def respond(self, call: PhoneCall, status: int) -> None:
        if call.over:
            return
        call.we_hung_up = call.we_hung_up or status >= 300
        prm = pj.CallOpParam()
        prm.statusCode = status
        with contextlib.suppress(pj.Error):  # the caller may just have cancelled
            call.answer(prm)

    def _answer(self, name: str) -> None:
        if name in self.calls:
            self.respond(self.calls[name], 200)

    # Commands, each a method of its name

    def do_account(
        self, user: str, password: str, server: str, behaviour: dict[str, Any], sound: str | None
    ) -> None:
        config = pj.AccountConfig()
        config.idUri = f"sip:{user}@{server}"
        config.regConfig.registrarUri = f"sip:{server}"
        config.regConfig.timeoutSec = 300
        config.regConfig.retryIntervalSec = 2
        config.regConfig.firstRetryIntervalSec = 1
        config.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", user, 0, password))
        config.callConfig.timerUse = pj.PJSUA_SIP_TIMER_INACTIVE
        config.natConfig.contactRewriteUse = config.natConfig.sipOutboundUse = 0
        config.mediaConfig.transportConfig.boundAddress = LOOPBACK
        config.mediaConfig.transportConfig.publicAddress = LOOPBACK
        config.mediaConfig.transportConfig.port = self._rtp_port
        config.mediaConfig.transportConfig.portRange = RTP_PORTS
        account = PhoneAccount(self, user, behaviour)
        account.sound = sound
        account.create(config)
        self.accounts[user] = account

    def do_behave(self, user: str, behaviour: dict[str, Any]) -> None:
        self.accounts[user].behaviour = behaviour

    def do_register(self, user: str, renew: bool) -> None:
        self.accounts[user].setRegistration(renew)

    def do_dial(self, user: str, uri: str) -> str:
        call = self.new_call(self.accounts[user], pj.PJSUA_INVALID_ID)
        call.makeCall(uri, pj.CallOpParam(True))
        return call.name

    def do_answer(self, call: str) -> None:
        self.respond(self.calls[call], 200)

    def do_hang_up(self, call: str, status: int) -> None:
        self.calls[call].we_hung_up = True
        prm = pj.CallOpParam()
        prm.statusCode = status
        self.calls[call].hangup(prm)

    def do_press(self, call: str, digits: str) -> None:
        if not self.keys_by_info:
            self.calls[call].dialDtmf(digits)
            return
        prm = pj.CallSendDtmfParam()
        prm.method, prm.digits = pj.PJSUA_DTMF_METHOD_SIP_INFO, digits
        self.calls[call].sendDtmf(prm)

    def do_hold(self, call: str) -> None:
        self.calls[call].setHold(pj.CallOpParam())

    def do_unhold(self, call: str) -> None:
        prm = pj.CallOpParam()
        prm.opt.flag = pj.PJSUA_CALL_UNHOLD
        prm.opt.audioCount, prm.opt.videoCount = 1, 0
        self.calls[call].reinvite(prm)

    def do_transfer(self, call: str, uri: str, headers: dict[str, str], stays: bool) -> None:
        self.calls[call].stays = stays
        prm = pj.CallOpParam(True)
        for name, value in headers.items():
            header = pj.SipHeader()
            header.hName, header.hValue = name, value
            prm.txOption.headers.append(header)
        self.calls[call].xfer(uri, prm)

    def do_transfer_to_call(self, call: str, other: str) -> None:
        self.calls[call].stays = True
        self.calls[call].xferReplaces(self.calls[other], pj.CallOpParam(True))

    def do_play(self, call: str, sound: str | None) -> None:
        self.calls[call].play(sound)

    def _obey(self, command: dict[str, Any]) -> None:
        number, name = command.pop("id"), command.pop("do")
        reply: dict[str, Any] = {"reply": number}
        try:
            reply["result"] = getattr(self, f"do_{name}")(**command)
        except pj.Error as error:
            reply["error"] = error.info()
        except KeyError as error:
            reply["error"] = f"no such account or call now: {error}"
        except (AttributeError, TypeError) as error:
            reply["error"] = f"no such command: {name}: {error}"
        self._write(reply)

    def _write(self, message: dict[str, Any]) -> None:
        os.write(self._out, json.dumps(message).encode() + b"\n")


def _free_rtp_port() -> int:
    """An even port to begin with that is far from where other phones' ports are."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return min(port, 65000 - RTP_PORTS) & ~1


def _of(payloads: list[str], *attributes: str) -> tuple[str, ...]:
    """How lines of SDP begin that speak of these payload types."""
    return tuple(f"a={each}:{payload} " for each in attributes for payload in payloads)


def main() -> None:
    # Only JSON may come out of stdout, whatever a library prints there.
    out = os.dup(1)
    os.dup2(2, 1)
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    options = sys.argv[2:]
    phone = Phone(folder, out, vad="--vad" in options, keys_by_info="--keys-by-info" in options)
    phone.start()
    try:
        phone.run()
    finally:
        phone.stop()


if __name__ == "__main__":
    main()
