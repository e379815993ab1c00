"""More channels than a list of them may have over ARI's socket (docs/decisions/0002)."""

from __future__ import annotations

import asyncio

import pytest

from ess_pbx.asterisk.server import is_alive

from .story import SOON, GivenCentre, until

pytestmark = pytest.mark.asterisk

PAIRS, AT_ONCE = 700, 25
"""Of Local channels, 640 kB of a list; 496 kB are too many."""


async def test_an_engine_that_finds_hundreds_of_channels_takes_stock_and_asterisk_lives(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre(on_duty=("1001",))
    pid = story.installation.asterisk.pid
    assert pid is not None
    ari = story.engine.ari
    made = {"endpoint": "Local/s@from-nowhere", "app": ari.app}
    for _ in range(0, PAIRS, AT_ONCE):
        await asyncio.gather(
            *(ari.http("POST", "channels/create", query=made, timeout=30) for _ in range(AT_ONCE))
        )
    listed = await ari.http("GET", "channels", timeout=30)
    assert isinstance(listed, list)
    assert len(listed) == 2 * PAIRS

    await story.when_the_engine_stops()
    await story.when_the_engine_is_back()

    await until(lambda: story.engine.ari.connected, "the engine is connected", SOON)
    assert is_alive(pid)
    await story.given_operators("1001")
