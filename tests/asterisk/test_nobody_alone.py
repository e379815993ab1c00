"""Keys that operators press while they have nobody to speak with are told once (0024)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from ess_pbx.ari.models import ChannelDtmfReceived
from ess_pbx.domain.call import Phase
from ess_pbx.domain.facts import FactKind

from .story import AGENCY_TONE, QUICK, SOON, GivenCentre, Story, until

pytestmark = pytest.mark.asterisk

REPLAY_SECONDS = 1.0
"""Asterisk told the keys again 0.27 to 0.45 s after somebody came (docs/decisions/0024)."""
RING_HERTZ = 425
"""Of the Indonesian ringing tone."""


def keys_of(story: Story, monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """All keys that Asterisk tells of the operator's leg from now on."""
    told: list[str] = []
    line = story.engine.ari
    hear = line._on_event

    def listen(event: object) -> None:
        if isinstance(event, ChannelDtmfReceived) and "~op" in event.channel.id:
            told.append(event.digit)
        hear(event)  # type: ignore[arg-type]

    monkeypatch.setattr(line, "_on_event", listen)
    return lambda: "".join(told)


async def test_keys_pressed_alone_on_hold_or_while_an_agency_rings_are_told_once(
    given_centre: GivenCentre, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = await given_centre(on_duty=("1001",), policy=replace(QUICK, agency_ring=20.0))
    agency = await story.given_agency(answer_after=None)
    caller, operator = await story.given_talking()
    keys = keys_of(story, monkeypatch)
    (call,) = story.engine.centres.calls.values()

    await operator.press("*0#")
    await story.assert_fact(FactKind.HELD)
    await operator.press("*0#")
    await story.assert_fact(FactKind.UNHELD)
    await story.assert_they_talk(caller, operator)
    await asyncio.sleep(REPLAY_SECONDS)
    assert keys() == "*0#*0#"
    assert len(story.told_of(FactKind.HELD)) == 1
    await story.assert_they_talk(caller, operator)

    await operator.press("*119#")
    called = await agency.invited(SOON)
    await operator.heard_tone(RING_HERTZ, SOON)
    await operator.press("*4#")
    await story.assert_fact(FactKind.CODE_REFUSED)
    told = story.told_of(FactKind.ANNOUNCED, prompt="instansi-belum-menjawab")
    assert len(told) == 1
    await operator.heard_sound(SOON)
    call_now = story.engine.centres.calls
    await until(lambda: not call_now[call.id].telling, "the operator was told why")
    await operator.heard_tone(RING_HERTZ, SOON)
    called.answer()
    await story.assert_fact(FactKind.PARTY_CONSULTED)
    await story.assert_hears(operator, AGENCY_TONE)
    await asyncio.sleep(REPLAY_SECONDS)
    assert keys() == "*0#*0#*119#*4#"
    assert len(story.told_of(FactKind.CODE_REFUSED)) == 1
    assert call_now[call.id].phase is Phase.CONSULT

    await operator.press("*2#")
    await story.assert_they_talk(caller, operator)
    await caller.call.hang_up()
    await story.assert_one_ending(caller)
    assert story.engine.failed_requests == 0
