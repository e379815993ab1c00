"""Bridges are deleted one at a time, whatever ends at once (asterisk#1201); nothing else waits."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ess_pbx.demo.stage import HOST
from ess_pbx.domain.call import Phase
from ess_pbx.domain.events import Stopping
from ess_pbx.phones.rtp import RtpParty, tone
from ess_pbx.phones.sipp import Invite, SippCallers
from ess_pbx.phones.softphone import Answer

from .story import CALLER_TONE, SOON, GivenCentre, Story, until

pytestmark = pytest.mark.asterisk

OPERATORS = ("1001", "1002", "1003", "1004")


class Deletions:
    """Watches the requests that delete bridges."""

    def __init__(self, story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answered = self.at_once = self.most_at_once = 0
        self._send = story.engine.ari.send
        monkeypatch.setattr(story.engine.ari, "send", self.send)

    def send(self, method: str, uri: str, **more: Any) -> asyncio.Future[Any]:
        future = self._send(method, uri, **more)
        if method == "DELETE" and uri.startswith("bridges/"):
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            # Before what the executor does with the answer.
            future.add_done_callback(self.is_answered)
        return future

    def is_answered(self, future: asyncio.Future[Any]) -> None:
        assert future.exception() is None
        self.at_once -= 1
        self.answered += 1


async def test_bridges_of_many_calls_that_end_in_one_turn_are_deleted_one_after_another(
    given_centre: GivenCentre, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = await given_centre(on_duty=OPERATORS, first_menu=None)
    await story.given_operators(*OPERATORS, behaviour=Answer(0.1))
    invites = [
        Invite("112", f"+62812345678{number}", rtp=RtpParty(tone(CALLER_TONE)))
        for number, _ in enumerate(OPERATORS, start=10)
    ]
    local = HOST, story.settings.trunks[0].port
    calls = story.engine.centres.calls

    def all_talk() -> bool:
        talking = [call for call in calls.values() if call.phase is Phase.TALKING]
        return len(talking) == len(OPERATORS)

    async with SippCallers(story.sip_address, invites, story.folder / "crowd", local=local):
        await until(all_talk, "all talk", 2 * SOON)
        deletions = Deletions(story, monkeypatch)
        for call in list(calls):
            story.engine.dispatcher.feed(Stopping(call))
        await story.assert_all_released()

    assert deletions.answered == len(OPERATORS)
    assert deletions.most_at_once == 1
