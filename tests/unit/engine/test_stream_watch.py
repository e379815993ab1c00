"""The watch over streams, as it concerns supervisors: the real restarts are tests/asterisk's."""

from __future__ import annotations

import asyncio
from typing import Any

from ess_pbx.ari.protocol import Answer
from ess_pbx.domain.call import Call, Leg, OperatorSide, Phase
from ess_pbx.domain.commands import Asker, Mode, Via
from ess_pbx.domain.effects import Role
from ess_pbx.domain.events import StreamRestarted
from ess_pbx.domain.ids import CallId, LegId, bridge_of, operator_leg, side_bridge, supervisor_leg
from ess_pbx.domain.supervision import Supervision
from ess_pbx.engine.stream_watch import StreamWatch, talking

CALL = CallId("ess1-1700000000.1")
OPERATOR, SUPERVISOR = operator_leg(CALL, 1), supervisor_leg(CALL, 2)


def a_call(mode: Mode) -> Call:
    by = Asker("3001", Via.PHONE)
    return Call(
        CALL,
        arrived=0.0,
        phase=Phase.TALKING,
        legs={OPERATOR: Leg(Role.OPERATOR, "2001")},
        operator=OperatorSide("2001", OPERATOR),
        rooms=dict.fromkeys([LegId(CALL), OPERATOR], bridge_of(CALL)),
        supervision=Supervision("3001", SUPERVISOR, mode, by, connected=True, mode=mode),
    )


class Streams:
    """An Asterisk that knows the sources of streams."""

    def __init__(self) -> None:
        self.ssrc = dict.fromkeys((CALL, OPERATOR, SUPERVISOR), 1)
        self.asked: list[tuple[str, str]] = []

    async def call(self, method: str, uri: str, *, query: Any = None) -> Answer:
        if method == "GET":
            leg = LegId(uri.split("/")[1])
            numbers = {"txcount": 0, "rxcount": 0, "txploss": 0, "rxploss": 0}
            ids = {"local_ssrc": 7, "remote_ssrc": self.ssrc[leg], "channel_uniqueid": leg}
            return {**numbers, **ids, "txoctetcount": 0, "rxoctetcount": 0}
        self.asked.append((uri, query["channel"]))
        return None


def test_a_supervisor_is_heard_beside_the_call_or_in_it_when_they_have_barged_in() -> None:
    assert talking([a_call(Mode.WHISPER)])[SUPERVISOR] == side_bridge(CALL)
    assert talking([a_call(Mode.BARGE)])[SUPERVISOR] == bridge_of(CALL)


def test_the_core_is_told_of_a_restart_for_whoever_listens_and_a_supervisor_is_put_back_too() -> (
    None
):
    streams, told = Streams(), list[StreamRestarted]()
    watch = StreamWatch(streams, lambda: [a_call(Mode.WHISPER)], told.append)

    async def looked() -> None:
        await watch.look()
        streams.ssrc[OPERATOR] = streams.ssrc[SUPERVISOR] = 2
        await watch.look()

    asyncio.run(looked())

    assert told == [StreamRestarted(CALL, OPERATOR), StreamRestarted(CALL, SUPERVISOR)]
    beside, within = side_bridge(CALL), bridge_of(CALL)
    assert streams.asked == [
        (f"bridges/{within}/removeChannel", OPERATOR),
        (f"bridges/{within}/addChannel", OPERATOR),
        (f"bridges/{beside}/removeChannel", SUPERVISOR),
        (f"bridges/{beside}/addChannel", SUPERVISOR),
    ]
