"""Whatever happens in several centres at once, each decides as if it were alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeAlias

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.domain.centre import renumbered

from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.centres import Centres
from ess_pbx.domain.events import (
    Arrived,
    CallEvent,
    CentreEvent,
    ClockRead,
    KeyPressed,
    LegAnswered,
    LegGone,
    PhoneLost,
    PhoneReachable,
    Stopping,
)
from ess_pbx.domain.ids import CallId, LegId, caller_leg, operator_leg
from ess_pbx.simulation.sample_centre import AGENTS, a_centre

Event: TypeAlias = "CallEvent | CentreEvent"
NOON = datetime(2026, 1, 5, 12)
HOMES = ("2", "3", "4")
"""The ids of three centres: the first digit of their operators' extensions."""


def arrived(home: str, call: CallId, _: LegId) -> Event:
    return Arrived(call, "0812", "+62812", "0812", "112", "telco", centre=home)


OF_CALL: tuple[Callable[[str, CallId, LegId], Event], ...] = (
    arrived,
    lambda _, call, leg: LegAnswered(call, leg),
    lambda _, call, leg: LegGone(call, leg, 16),
    lambda _, call, leg: KeyPressed(call, leg, "1"),
    lambda _, call, __: Stopping(call),
)
homes = st.sampled_from(HOMES)


@st.composite
def happening(draw: st.DrawFn) -> tuple[str, Event]:
    """An event, and the centre that it is of."""
    home = draw(homes)
    match draw(st.integers(0, 3)):
        case 0:
            hours = timedelta(hours=draw(st.integers(0, 23)))
            return home, ClockRead(NOON + hours, centre=home)
        case 1:
            change = draw(st.sampled_from([PhoneReachable, PhoneLost]))
            return home, change(home + draw(st.sampled_from(AGENTS))[1:])
        case _:
            call = CallId(f"ess1-{home}.{draw(st.integers(0, 2))}")
            leg = draw(st.sampled_from([caller_leg(call), operator_leg(call, 2)]))
            return home, draw(st.sampled_from(OF_CALL))(home, call, leg)


@given(st.lists(happening(), max_size=60), st.booleans())
def test_centres_together_decide_as_each_does_alone(
    story: list[tuple[str, Event]], menu: bool
) -> None:
    configs = [renumbered(a_centre(menu, 0.0, searches=True), home, home) for home in HOMES]
    together = Centres([CallCentre(each) for each in configs])
    alone = {each.id: CallCentre(each) for each in configs}

    for now, (home, event) in enumerate(story):
        known = isinstance(event, CentreEvent | Arrived) or event.call in together.calls
        centre, effects = together.decide(event, float(now))
        if known:
            # What comes of a call that nobody knows is reported, by whichever centre.
            assert (centre, effects) == (home, alone[home].decide(event, float(now)))
        assert together.calls == {k: v for each in alone.values() for k, v in each.calls.items()}
