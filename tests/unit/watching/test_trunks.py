"""A trunk that is to be asked and does not answer is told of; others are left alone."""

from __future__ import annotations

from typing import Any

from ess_pbx.ari.protocol import Answer, Query
from ess_pbx.errors import AriTimeoutError
from ess_pbx.settings.model import Trunk
from ess_pbx.watching.trunks import ANSWERS_WITHIN, TrunkWatch

ASKED = Trunk(id="telco-a", name="Telco A", address="192.0.2.7", entry_numbers=("112",), qualify=5)
LEFT = Trunk(id="telco-b", name="Telco B", address="192.0.2.8", entry_numbers=("112",))


class Asterisk:
    def __init__(self) -> None:
        self.state: str | None = "online"
        self.asked: list[str] = []

    async def call(self, method: str, uri: str, *, query: Query | None = None) -> Answer:
        assert (method, query) == ("GET", None)
        self.asked.append(uri)
        if self.state is None:
            raise AriTimeoutError("no answer")
        found: dict[str, Any] = {"technology": "PJSIP", "resource": "x", "channel_ids": []}
        return {**found, "state": self.state}


class Scene:
    def __init__(self) -> None:
        self.asterisk = Asterisk()
        self.told: list[tuple[str, str | None]] = []
        self.now = 0.0
        self.watch = TrunkWatch(
            [ASKED, LEFT],
            self.asterisk,
            lambda trunk, why: self.told.append((trunk.id, why)),
            lambda: self.now,
        )

    async def is_down(self, after: float, state: str | None) -> bool | None:
        """What the next look tells; None when it tells nothing."""
        self.now += after
        self.asterisk.state = state
        before = len(self.told)
        await self.watch.look()
        return None if len(self.told) == before else self.told[-1][1] is not None


PATIENCE = ASKED.qualify + ANSWERS_WITHIN


async def test_a_trunk_that_answers_no_options_is_told_of_until_it_does() -> None:
    scene = Scene()
    assert await scene.is_down(0, "online") is False
    assert await scene.is_down(2, "offline") is False
    assert await scene.is_down(PATIENCE, "offline") is True
    assert scene.told[-1] == (
        "telco-a",
        "Telco A: 192.0.2.7:5060 does not answer OPTIONS; ask the telco",
    )
    assert await scene.is_down(2, "online") is False
    assert await scene.is_down(2, "offline") is False
    assert set(scene.asterisk.asked) == {"endpoints/PJSIP/telco-a"}


async def test_a_trunk_that_was_not_asked_yet_is_given_time() -> None:
    scene = Scene()
    assert await scene.is_down(0, "offline") is False
    assert await scene.is_down(PATIENCE - 1, "offline") is False
    assert await scene.is_down(0.5, "online") is False


async def test_what_asterisk_cannot_say_changes_nothing() -> None:
    scene = Scene()
    await scene.is_down(0, "offline")
    assert await scene.is_down(PATIENCE, "offline") is True
    assert await scene.is_down(2, None) is None
    assert await scene.is_down(2, "offline") is True
