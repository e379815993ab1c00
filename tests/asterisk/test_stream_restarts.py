"""A party whose RTP starts anew in mid-call, as after a handover in the telco's network.

Debian's Asterisk takes a stream that restarts with lower numbers for late packets and does not let
it be heard (docs/decisions/0006); the engine's stream watch does.
"""

from __future__ import annotations

import pytest

from ess_pbx.domain.facts import FactKind
from ess_pbx.phones.rtp import RtpParty, tone

from .story import AGENCY_TONE, SOON, GivenCentre

pytestmark = pytest.mark.asterisk

BEHIND = 2_000
"""Packets; any number up to 32768 is taken for late."""
CALLER_AFTER, AGENCY_AFTER = 900, 2100
"""Hz: the tones of the streams that restarted."""


def restart(party: RtpParty, hertz: int) -> None:
    """Another source takes over, as behind a telco's gateway."""
    party.restart_stream(BEHIND)
    party.play(tone(hertz))


async def test_a_caller_whose_stream_restarts_is_heard_by_the_operator(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre(on_duty=("1001",))
    caller, operator = await story.given_talking()
    await story.assert_streams_are_watched(2)

    restart(caller.rtp, CALLER_AFTER)

    await operator.heard_tone(CALLER_AFTER, SOON)


async def test_an_agency_whose_stream_restarts_in_a_conference_is_heard_by_all(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre(on_duty=("1001",))
    agency = await story.given_agency()
    caller, operator = await story.given_talking()
    await operator.press("*119#")
    await (await agency.invited(SOON)).answered(SOON)
    await operator.heard_tone(AGENCY_TONE, SOON)
    await operator.press("*3#")
    await story.assert_fact(FactKind.CONFERENCE)
    await story.assert_streams_are_watched(3)

    restart(story.agency_line, AGENCY_AFTER)

    await story.assert_hears(caller.rtp, AGENCY_AFTER)
    await story.assert_hears(operator, AGENCY_AFTER)
