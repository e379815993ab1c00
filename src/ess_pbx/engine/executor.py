"""Carries effects out: each becomes one ARI request, sent in order, none waited for.

What a request's failure means for the call goes back as an event: a leg that could not be made is
gone, a prompt that could not be played has ended. The rest is logged.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Protocol, TypeAlias

import structlog

from ess_pbx.ari.protocol import Answer as AriAnswer
from ess_pbx.domain.effects import (
    Answer,
    AnswerTransfer,
    AsteriskEffect,
    CreateBridge,
    DestroyBridge,
    HangUp,
    Join,
    Originate,
    Part,
    PlayPrompt,
    PlaySpeech,
    PlayTone,
    Refuse,
    Role,
    Snoop,
    StartMusic,
    StopMusic,
    StopPlayback,
    ToDialplan,
    TransferOutcome,
)
from ess_pbx.domain.events import CallEvent, LegGone, PlaybackEnded
from ess_pbx.domain.ids import BridgeId, CallId, PlaybackId, call_of, is_call_back
from ess_pbx.domain.transfer import TOLD_AFTER
from ess_pbx.errors import AriRefusedError, AriTimeoutError, PromptError, RuntimeMissingError
from ess_pbx.sip.call_info import call_info

APP = "ess-pbx"
"""The Stasis application; the dialplan offers calls to it by this name."""
MUSIC_CLASS = "tunggu"
AGENCY_ENDPOINT = "agencies"
OFFERED_AGAIN: dict[str, str | int] = {
    "context": "emergency",
    "extension": "112",
    "label": "again",
}
"""Where in the dialplan calls are offered to the engines."""
TRANSFER_STATES = {
    TransferOutcome.DONE: "channel_answered",
    TransferOutcome.FAILED: "channel_unavailable",
    TransferOutcome.REFUSED: "channel_declined",
}
"""They become NOTIFY with 200, 503 and 603 (RFC 3515 §2.4.5), after 100 by Asterisk itself."""
NOT_FOUND = 404
NO_NUMBER = "anonymous"
"""RFC 3323 §4.1: the user part of a caller who has no number."""
DEAD_LEG_CAUSE = 20
"""Q.850 "subscriber absent", for a leg that Asterisk would not make or does not know."""

CALL_BACK_HEADER = {"PJSIP_HEADER(add,Priority)": "psap-callback"}
"""RFC 7090: by this header networks and phones let a call back from an emergency centre through."""

TEST_ENDPOINT = "uji-keluar"
"""The endpoint by which test calls leave, from a port of their own."""

HEARING = {"TALK_DETECT(set)": "2000,256"}
"""As the dialplan has it for callers: whoever sends a test call is told when they hear speech."""

AUTO_ANSWER = {
    "PJSIP_HEADER(add,Call-Info)": "<sip:ess-pbx>;answer-after=0",
    "PJSIP_HEADER(add,Alert-Info)": "<http://ess-pbx.invalid>;info=alert-autoanswer",
}
"""How phones are asked to pick up by themselves. There is no standard for it: some obey
``answer-after``, others ``info=alert-autoanswer``."""
CALL_INFO = "PJSIP_HEADER(add,Call-Info)"
"""By this header a neighbouring centre knows which call and report of ours it is (RFC 3261 §20.9,
NENA-STA-010.3: ``emergency-CallId`` and ``emergency-IncidentId``)."""

CALL_VARIABLE = "ESS_CALL"
"""Channel variable by which the dialplan names the recording of who is called back."""

CENTRE_VARIABLE = "ESS_CENTRE"
"""Channel variable by which the dialplan knows the centre of a call."""

Request: TypeAlias = tuple[str, str, dict[str, str | int]]
"""Method, path below ``/ari/`` and query."""


class Sender(Protocol):
    """The part of ``AriConnection`` that the executor needs."""

    def send(
        self,
        method: str,
        uri: str,
        *,
        query: Mapping[str, str | int] | None = None,
        body: object = None,
    ) -> asyncio.Future[AriAnswer]:
        """Send a request in order, without waiting for the answer."""


class Executor:
    """Turns effects into requests, and failures into events for ``feed``."""

    def __init__(
        self,
        sender: Sender,
        prompts: Path,
        feed: Callable[[CallEvent], None],
        language: Callable[[CallId], str] = lambda _: "",
        identities: Mapping[str, str] | None = None,
        own_address: str = "",
        spoken: Callable[[str, str], Path] | None = None,
        doubt: Callable[[], None] = lambda: None,
    ) -> None:
        """``prompts`` is the built catalogue.

        ``language`` says, for a call, which language stands in for one that lacks a prompt;
        ``identities`` are the numbers that calls out through each trunk show, by its id;
        ``own_address`` is where Asterisk itself hears SIP, ``host:port``.
        ``spoken`` gives the sound of a text in a language, without its ending, from any thread;
        ``doubt`` is told of each failure: Asterisk may not hold what the core believes.
        """
        self._doubt = doubt
        self._deleting: deque[DestroyBridge] = deque()
        """Bridges that are to be deleted; of the first it has been asked already."""
        self._sender = sender
        self._prompts = prompts
        self._language = language
        self._identities = dict(identities or {})
        self._own_address = own_address
        self._feed = feed
        self._spoken = spoken
        self._speaking: dict[PlaybackId, asyncio.Future[None]] = {}
        self._log = structlog.get_logger(__name__)
        self.requests = 0
        self.failures = 0
        """Requests that failed and mattered: not the stopping of what had ended by itself."""

    def carry_out(self, effect: AsteriskEffect) -> None:
        """Send the effect's request; its failure comes back through ``feed``."""
        if isinstance(effect, PlaySpeech):
            speaking = asyncio.ensure_future(self._speak(effect))
            self._speaking[effect.playback] = speaking
            return
        if isinstance(effect, DestroyBridge):
            # Asterisk has crashed when several were deleted at once (asterisk#1201).
            self._deleting.append(effect)
            if len(self._deleting) == 1:
                self._delete_next()
        elif isinstance(effect, AnswerTransfer) and effect.outcome is not TransferOutcome.DONE:
            asyncio.get_running_loop().call_later(TOLD_AFTER, self._ask, effect)
        else:
            self._ask(effect)

    def _ask(self, effect: AsteriskEffect) -> None:
        if isinstance(effect, CreateBridge):
            self._keep(effect.bridge)
        method, uri, query = self.request(effect)
        self.requests += 1
        body: object = None
        if isinstance(effect, Originate) and effect.role is Role.CALLER:
            named = {CALL_VARIABLE: effect.call, CENTRE_VARIABLE: effect.centre}
            body = {"variables": {**CALL_BACK_HEADER, **named}}
        elif isinstance(effect, Originate) and effect.role is Role.TEST:
            body = {"variables": HEARING}
        elif isinstance(effect, Originate) and effect.answers_itself:
            body = {"variables": dict(AUTO_ANSWER)}
        elif isinstance(effect, StopPlayback) and effect.playback in self._speaking:
            self._speaking.pop(effect.playback).cancel()
        elif isinstance(effect, Originate) and effect.reference is not None:
            known = effect.reference
            body = {"variables": {CALL_INFO: call_info(known.centre, known.call, known.report)}}
        future = self._sender.send(method, uri, query=query, body=body)
        future.add_done_callback(partial(self._done, effect))

    @property
    def deleting(self) -> int:
        """How many bridges are still to be deleted."""
        return len(self._deleting)

    def _delete_next(self) -> None:
        """Ask for one bridge to be deleted; for the one after it when this is answered."""
        effect = self._deleting[0]
        method, uri, query = self.request(effect)
        self.requests += 1
        future = self._sender.send(method, uri, query=query)
        future.add_done_callback(partial(self._deleted, effect))

    def _deleted(self, effect: DestroyBridge, future: asyncio.Future[AriAnswer]) -> None:
        self._deleting.popleft()
        if self._deleting:
            self._delete_next()
        self._done(effect, future)

    def _keep(self, bridge: BridgeId) -> None:
        """A bridge is wanted again; one of which it has been asked already is made anew after."""
        kept = [
            each
            for number, each in enumerate(self._deleting)
            if number == 0 or each.bridge != bridge
        ]
        self._deleting = deque(kept)

    async def _speak(self, effect: PlaySpeech) -> None:
        """Make the sound, which may take a moment, and play it; without it the call goes on."""
        playback = effect.playback
        try:
            if self._spoken is None:
                raise PromptError("nothing to speak with; expected a synthesiser")
            sound = await asyncio.to_thread(self._spoken, effect.text, effect.language)
        except (PromptError, RuntimeMissingError, OSError) as error:
            self._log.warning("speech.failed", error=str(error))
            self._feed(PlaybackEnded(call_of(playback), playback))
            return
        finally:
            self._speaking.pop(playback, None)
        method, uri, query = self.request(effect)
        self.requests += 1
        future = self._sender.send(method, uri, query={**query, "media": f"sound:{sound}"})
        future.add_done_callback(partial(self._done, effect))

    def request(self, effect: AsteriskEffect) -> Request:
        """The one ARI request that an effect is."""
        match effect:
            case Answer(leg):
                return "POST", f"channels/{leg}/answer", {}
            case HangUp(leg):
                return "DELETE", f"channels/{leg}", {"reason": "normal"}
            case Refuse(leg):
                return "DELETE", f"channels/{leg}", {"reason": "unallocated"}
            case Originate():
                return "POST", f"channels/{effect.leg}", self._originate(effect)
            case AnswerTransfer(leg, outcome):
                states = TRANSFER_STATES[outcome]
                return "POST", f"channels/{leg}/transfer_progress", {"states": states}
            case ToDialplan(leg):
                return "POST", f"channels/{leg}/continue", OFFERED_AGAIN
            case CreateBridge(bridge):
                # dtmf_events: without it keys of bridged phones never reach the engine.
                return "POST", f"bridges/{bridge}", {"type": "mixing,dtmf_events"}
            case Join(bridge, legs):
                return "POST", f"bridges/{bridge}/addChannel", {"channel": ",".join(legs)}
            case Part(bridge, leg):
                return "POST", f"bridges/{bridge}/removeChannel", {"channel": leg}
            case DestroyBridge(bridge):
                return "DELETE", f"bridges/{bridge}", {}
            case Snoop(target, snoop, whisper):
                heard = {"spy": "both", "whisper": "out" if whisper else "none", "app": APP}
                return "POST", f"channels/{target}/snoop/{snoop}", {**heard}
            case PlayPrompt(target, in_bridge, playback, prompt, language):
                kind = "bridges" if in_bridge else "channels"
                media = f"sound:{self._sound(call_of(playback), language, prompt)}"
                return "POST", f"{kind}/{target}/play/{playback}", {"media": media}
            case PlaySpeech(leg, playback):
                return "POST", f"channels/{leg}/play/{playback}", {}
            case PlayTone(bridge, playback, tone):
                return "POST", f"bridges/{bridge}/play/{playback}", {"media": f"tone:{tone}"}
            case StopPlayback(playback):
                return "DELETE", f"playbacks/{playback}", {}
            case StartMusic(leg):
                return "POST", f"channels/{leg}/moh", {"mohClass": MUSIC_CLASS}
            case StopMusic(leg):
                return "DELETE", f"channels/{leg}/moh", {}

    def _originate(self, effect: Originate) -> dict[str, str | int]:
        shown = f'"{effect.name}" <{effect.number or NO_NUMBER}>'
        # The next engine reads them of a leg of which no fact is left (``engine.taking_stock``).
        arguments = f"{effect.role},{effect.call},{effect.address}"
        match effect.role:
            case Role.AGENCY if effect.trunk:
                endpoint = f"PJSIP/{effect.address}@{effect.trunk}"
                shown = self._identities.get(effect.trunk, NO_NUMBER)
            case Role.AGENCY if effect.address.startswith("sip:"):
                endpoint = f"PJSIP/{AGENCY_ENDPOINT}/{effect.address}"
            case Role.CALLER | Role.STAFF | Role.OUTSIDE:
                # A trunk that is no more: any other is better than not to call back.
                trunks = [*(t for t in self._identities if t == effect.trunk), *self._identities]
                trunk = next(iter(trunks), effect.trunk)
                endpoint = f"PJSIP/{effect.address}@{trunk}"
                shown = self._identities.get(trunk, NO_NUMBER)
            case Role.TEST:
                endpoint = f"PJSIP/{TEST_ENDPOINT}/sip:{effect.address}@{self._own_address}"
            case _:
                endpoint = f"PJSIP/{effect.address}"
        query: dict[str, str | int] = {
            "endpoint": endpoint,
            "app": APP,
            "appArgs": arguments,
            "callerId": shown,
            "timeout": round(effect.timeout),
        }
        alone = effect.role in (Role.STAFF, Role.TEST)
        if not is_call_back(effect.call) and not alone:
            # The channel of whoever is called back is not there when the first phone rings.
            query["originator"] = effect.call
        return query

    def _sound(self, call: CallId, language: str, prompt: str) -> Path:
        """The prompt's file, without its ending."""
        wanted = self._prompts / language / prompt
        # Looked up each time: a catalogue may be built while calls go on.
        if wanted.with_suffix(".alaw").is_file():
            return wanted
        instead = self._prompts / self._language(call) / prompt
        return instead if instead.with_suffix(".alaw").is_file() else wanted

    def _done(self, effect: AsteriskEffect, future: asyncio.Future[AriAnswer]) -> None:
        if future.cancelled():
            return
        error = future.exception()
        if error is None:
            return
        refused = isinstance(error, AriRefusedError)
        gone = isinstance(error, AriRefusedError) and error.status == NOT_FOUND
        match effect:
            case Originate(call, leg) if not isinstance(error, AriTimeoutError):
                self._feed(LegGone(call, leg, DEAD_LEG_CAUSE))
            case Snoop(_, snoop) if not isinstance(error, AriTimeoutError):
                self._feed(LegGone(call_of(snoop), snoop, DEAD_LEG_CAUSE))
            case HangUp(leg) | Refuse(leg) if gone:
                self._feed(LegGone(call_of(leg), leg, DEAD_LEG_CAUSE))
            case PlayPrompt() | PlaySpeech() | PlayTone():
                self._feed(PlaybackEnded(call_of(effect.playback), effect.playback))
            case StopPlayback() | StopMusic() | AnswerTransfer() if refused:
                return  # it ended by itself in the same moment
            case _:
                pass
        self.failures += 1
        self._doubt()
        self._log.warning(
            "effect.failed", effect=type(effect).__name__, error=str(error), gone=gone
        )
