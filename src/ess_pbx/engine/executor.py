"""Carries effects out: each becomes one ARI request, sent in order, none waited for.

What a request's failure means for the call goes back as an event: a leg that could not be made is
gone, a prompt that could not be played has ended. The rest is logged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Protocol, TypeAlias

import structlog

from ess_pbx.ari.protocol import Answer as AriAnswer
from ess_pbx.domain.effects import (
    Answer,
    AsteriskEffect,
    CreateBridge,
    DestroyBridge,
    HangUp,
    Join,
    Originate,
    Part,
    PlayPrompt,
    PlayTone,
    Role,
    StartMusic,
    StopMusic,
    StopPlayback,
    ToDialplan,
)
from ess_pbx.domain.events import CallEvent, LegGone, PlaybackEnded
from ess_pbx.domain.ids import call_of
from ess_pbx.errors import AriRefusedError, AriTimeoutError

APP = "ess-pbx"
"""The Stasis application; the dialplan offers calls to it by this name."""
MUSIC_CLASS = "tunggu"
AGENCY_ENDPOINT = "agencies"
OFFERED_AGAIN: dict[str, str | int] = {
    "context": "emergency",
    "extension": "112",
    "label": "offer",
}
"""Where in the dialplan calls are offered to the engines."""
NOT_FOUND = 404
NO_NUMBER = "anonymous"
"""RFC 3323 §4.1: the user part of a caller who has no number."""
DEAD_LEG_CAUSE = 20
"""Q.850 "subscriber absent", for a leg that Asterisk would not make or does not know."""

Request: TypeAlias = tuple[str, str, dict[str, str | int]]
"""Method, path below ``/ari/`` and query."""


class Sender(Protocol):
    """The part of ``AriConnection`` that the executor needs."""

    def send(
        self, method: str, uri: str, *, query: Mapping[str, str | int] | None = None
    ) -> asyncio.Future[AriAnswer]:
        """Send a request in order, without waiting for the answer."""


class Executor:
    """Turns effects into requests, and failures into events for ``feed``."""

    def __init__(
        self,
        sender: Sender,
        prompts: Path,
        feed: Callable[[CallEvent], None],
        language: str = "",
    ) -> None:
        """``prompts`` is the built catalogue; ``language`` stands in for one without a prompt."""
        self._sender = sender
        self._prompts = prompts
        self._language = language
        self._feed = feed
        self._log = structlog.get_logger(__name__)
        self.requests = 0
        self.failures = 0
        """Requests that failed and mattered: not the stopping of what had ended by itself."""

    def carry_out(self, effect: AsteriskEffect) -> None:
        """Send the effect's request; its failure comes back through ``feed``."""
        method, uri, query = self.request(effect)
        self.requests += 1
        future = self._sender.send(method, uri, query=query)
        future.add_done_callback(partial(self._done, effect))

    def request(self, effect: AsteriskEffect) -> Request:
        """The one ARI request that an effect is."""
        match effect:
            case Answer(leg):
                return "POST", f"channels/{leg}/answer", {}
            case HangUp(leg):
                return "DELETE", f"channels/{leg}", {"reason": "normal"}
            case Originate():
                return "POST", f"channels/{effect.leg}", _originate(effect)
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
            case PlayPrompt(target, in_bridge, playback, prompt, language):
                kind = "bridges" if in_bridge else "channels"
                media = f"sound:{self._sound(language, prompt)}"
                return "POST", f"{kind}/{target}/play/{playback}", {"media": media}
            case PlayTone(bridge, playback, tone):
                return "POST", f"bridges/{bridge}/play/{playback}", {"media": f"tone:{tone}"}
            case StopPlayback(playback):
                return "DELETE", f"playbacks/{playback}", {}
            case StartMusic(leg):
                return "POST", f"channels/{leg}/moh", {"mohClass": MUSIC_CLASS}
            case StopMusic(leg):
                return "DELETE", f"channels/{leg}/moh", {}

    def _sound(self, language: str, prompt: str) -> Path:
        """The prompt's file, without its ending."""
        wanted, instead = (self._prompts / each / prompt for each in (language, self._language))
        # Looked up each time: a catalogue may be built while calls go on.
        lacking = not wanted.with_suffix(".alaw").is_file()
        return instead if lacking and instead.with_suffix(".alaw").is_file() else wanted

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
            case HangUp(leg) if gone:
                self._feed(LegGone(call_of(leg), leg, DEAD_LEG_CAUSE))
            case PlayPrompt() | PlayTone():
                self._feed(PlaybackEnded(call_of(effect.playback), effect.playback))
            case StopPlayback() | StopMusic() if refused:
                return  # it ended by itself in the same moment
            case _:
                pass
        self.failures += 1
        self._log.warning(
            "effect.failed", effect=type(effect).__name__, error=str(error), gone=gone
        )


def _originate(effect: Originate) -> dict[str, str | int]:
    match effect.role:
        case Role.AGENCY:
            endpoint = f"PJSIP/{AGENCY_ENDPOINT}/{effect.address}"
        case _:
            endpoint = f"PJSIP/{effect.address}"
    return {
        "endpoint": endpoint,
        "app": APP,
        "appArgs": f"{effect.role},{effect.call},{effect.address}",
        "callerId": f'"{effect.name}" <{effect.number or NO_NUMBER}>',
        "originator": effect.call,
        "timeout": round(effect.timeout),
    }
