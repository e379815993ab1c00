"""Notices operators' phones that die in a call, so that their callers are not left in silence.

A phone without power sends no BYE. What its RTP and its answers say is weighed by
``domain.phone_pulse``; here Asterisk and the phones are asked, and the leg of a dead phone is hung
up with a cause that is no hanging up on purpose: the core has a way for that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import msgspec
import structlog

from ess_pbx.ari import models
from ess_pbx.ari.protocol import Answer, Query
from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.events import CallEvent, CentreEvent, PhoneLost, PhoneReachable
from ess_pbx.domain.ids import LegId
from ess_pbx.domain.phone_pulse import Pulse, Reply, to_give_up
from ess_pbx.engine.phone_question import ask
from ess_pbx.errors import AriError
from ess_pbx.sip.options import Target, target_of

LOOK_SECONDS = 0.15
OFFLINE = "offline"
OUT_OF_ORDER = 27
"""Q.850 "destination out of order": the interface to the party does not work."""
AWAY_SECONDS = 10.0
"""For so long a phone that died is not rung again, whatever Asterisk believes: by then its qualify
(5 s, and 2 s for the answer) has seen for itself."""


class Asterisk(Protocol):
    """The part of ``AriConnection`` that the watch needs."""

    async def call(self, method: str, uri: str, *, query: Query | None = None) -> Answer:
        """Ask Asterisk."""


@dataclass(slots=True)
class Watched:
    """An operator's leg, and where the phone takes questions."""

    agent: str
    pulse: Pulse
    target: Target | None = None


Work: TypeAlias = Callable[[LegId, Watched], Awaitable[None]]


class PhoneWatch:
    """Looks after the phones of operators in a call until it is cancelled.

    ``feed`` takes events for the core.
    """

    def __init__(
        self,
        asterisk: Asterisk,
        centres: Iterable[CallCentre],
        feed: Callable[[CallEvent | CentreEvent], None],
        *,
        question: Callable[[Target], Awaitable[Reply]] = ask,
    ) -> None:
        self._asterisk, self._centres, self._feed = asterisk, centres, feed
        self._question = question
        self._legs: dict[LegId, Watched] = {}
        self._asking: dict[LegId, asyncio.Task[None]] = {}
        self._ending: dict[LegId, asyncio.Task[None]] = {}
        self._away: dict[str, PhoneReachable | None] = {}
        """Phones that died lately, with what Asterisk has told of them since."""
        self._log = structlog.get_logger(__name__)

    @property
    def watched(self) -> int:
        """How many phones are known to answer when they are asked."""
        return sum(each.pulse.answers for each in self._legs.values())

    async def run(self) -> None:
        """Look at every operator in a call, again and again."""
        try:
            while True:
                await asyncio.sleep(LOOK_SECONDS)
                try:
                    await self.look()
                except Exception:
                    # A defect here must not end the watch.
                    self._log.exception("phones.not_watched")
        finally:
            for task in (*self._asking.values(), *self._ending.values()):
                task.cancel()

    async def look(self) -> None:
        """Look once at each, one after another: what rings a phone never waits behind them."""
        talking = self._talking()
        self._legs = {leg: each for leg, each in self._legs.items() if leg in talking}
        for leg, (agent, after) in talking.items():
            watched = self._legs.get(leg)
            if watched is None:
                watched = self._legs[leg] = Watched(agent, Pulse(after))
                # Now, while it is surely there: whether it answers says what its silence means.
                self._begin(leg, watched, self._meet)
            try:
                await self._look_at(leg, watched)
            except AriError as error:
                self._log.debug("phone.not_seen", leg=leg, error=str(error))
        self._give_up()

    def passes(self, event: CallEvent | CentreEvent) -> bool:
        """Whether the core is to hear of it: not that a phone which just died can be rung."""
        match event:
            case PhoneReachable(agent) if agent in self._away:
                self._away[agent] = event
                return False
            case PhoneLost(agent) if agent in self._away:
                # From now on Asterisk knows.
                del self._away[agent]
        return True

    def _talking(self) -> dict[LegId, tuple[str, float]]:
        found: dict[LegId, tuple[str, float]] = {}
        for centre in self._centres:
            after = centre.config.policy.phone_silence
            for call in centre.calls.values() if after > 0 else ():
                side = call.operator
                if side is not None and side.leg in call.rooms and side.leg in call.legs:
                    found[side.leg] = side.agent, after
        return found

    async def _look_at(self, leg: LegId, watched: Watched) -> None:
        answer = await self._asterisk.call("GET", f"channels/{leg}/rtp_statistics")
        pulse, loop = watched.pulse, asyncio.get_running_loop()
        pulse.saw(msgspec.convert(answer, models.RTPstat).rxcount, loop.time())
        if pulse.to_be_asked(loop.time()):
            self._begin(leg, watched, self._ask)

    async def _meet(self, leg: LegId, watched: Watched) -> None:
        query = {"variable": f"PJSIP_DIAL_CONTACTS({watched.agent})"}
        answer = await self._asterisk.call("GET", f"channels/{leg}/variable", query=query)
        contact = msgspec.convert(answer, models.Variable).value.partition("&")[0]
        watched.target = target_of(contact.removeprefix(f"PJSIP/{watched.agent}/"))
        if watched.target is not None:
            watched.pulse.answers |= await self._question(watched.target) is Reply.ANSWERED

    async def _ask(self, _: LegId, watched: Watched) -> None:
        pulse = watched.pulse
        reply = Reply.NOTHING if watched.target is None else await self._question(watched.target)
        pulse.said(reply, asyncio.get_running_loop().time())
        if reply is Reply.NOTHING and not pulse.answers:
            # It cannot be asked: Asterisk, which can, has the word.
            answer = await self._asterisk.call("GET", f"endpoints/PJSIP/{watched.agent}")
            pulse.unregistered = msgspec.convert(answer, models.Endpoint).state == OFFLINE
        self._give_up()

    def _begin(self, leg: LegId, watched: Watched, work: Work) -> None:
        if leg in self._asking:
            return

        async def asked() -> None:
            try:
                await work(leg, watched)
            except (AriError, msgspec.ValidationError) as error:
                self._log.info("phone.not_asked", leg=leg, error=str(error))
            finally:
                del self._asking[leg]

        self._asking[leg] = asyncio.create_task(asked(), name=f"phone-{leg}")

    def _give_up(self) -> None:
        now = asyncio.get_running_loop().time()
        pulses = {leg: each.pulse for leg, each in self._legs.items()}
        for leg in to_give_up(pulses, now):
            if leg not in self._ending:
                end = self._end(leg, self._legs[leg], now)
                self._ending[leg] = asyncio.create_task(end, name=f"dead-{leg}")

    async def _end(self, leg: LegId, watched: Watched, now: float) -> None:
        pulse, agent = watched.pulse, watched.agent
        self._log.warning(
            "phone.dead",
            leg=leg,
            agent=agent,
            silent_ms=round((now - pulse.since) * 1000),
            refused=pulse.refused,
            unregistered=pulse.unregistered,
        )
        self._away[agent] = None
        asyncio.get_running_loop().call_later(AWAY_SECONDS, self._back, agent)
        # First: when the leg is gone its caller is offered to others, not to this phone.
        self._feed(PhoneLost(agent))
        query = {"reason_code": OUT_OF_ORDER}
        try:
            await self._asterisk.call("DELETE", f"channels/{leg}", query=query)
        except AriError as error:
            # If the leg is still there, the next look does this again.
            self._log.warning("phone.not_hung_up", leg=leg, error=str(error))
        finally:
            del self._ending[leg]

    def _back(self, agent: str) -> None:
        told = self._away.pop(agent, None)
        if told is not None:
            self._feed(told)
