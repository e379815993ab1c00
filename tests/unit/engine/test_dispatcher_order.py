"""What is sent to Asterisk leaves before anything is written down about it; nothing is lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from pathlib import Path

import pytest
import structlog
from msgspec.structs import replace
from structlog.testing import capture_logs

from ess_pbx.ari.protocol import Answer
from ess_pbx.demo.stage import sample
from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.centres import Centres
from ess_pbx.domain.commands import Asker, EndBreak, Via
from ess_pbx.domain.events import Arrived, ClockRead, PhoneReachable
from ess_pbx.domain.facts import FIELDS, FactKind
from ess_pbx.domain.ids import CallId
from ess_pbx.engine.clock import SystemClock
from ess_pbx.engine.dispatcher import Dispatcher
from ess_pbx.engine.executor import Executor
from ess_pbx.engine.journal import Journal

CALL = CallId("ess1-1.0")
ARRIVED = Arrived(
    CALL,
    caller_raw="+6281234567890",
    caller_e164="+6281234567890",
    caller_display="0812-3456-7890",
    called="112",
    callable=True,
    trunk="telco-a",
    known_number=True,
    node="ess1",
    invited_at=1.0,
)

STORY = ["call_arrived", "classified", "queued", "offered", "agent_state", "announced"]


class Given:
    """A centre without a menu, all operators there; ``happened``: requests' paths, facts' kinds."""

    def __init__(self, folder: Path) -> None:
        centre = sample().centre_named()
        core = CallCentre(replace(centre, first_menu=None))
        self.happened: list[str] = []
        self.broken = False
        self.journal = Journal(folder)
        self.dispatcher = Dispatcher(
            Centres([core]),
            self.journal,
            SystemClock(),
            lambda _: None,
            lambda f: self.happened.append(f.kind),
        )
        self.dispatcher.executor = Executor(self, folder, self.dispatcher.feed)
        self.dispatcher.feed(ClockRead(datetime(2026, 1, 5, 12)))
        for operator in centre.operators:
            self.dispatcher.feed(PhoneReachable(operator.extension))
        self.dispatcher.write_log()
        self.happened.clear()

    def send(
        self,
        method: str,
        uri: str,
        *,
        query: Mapping[str, str | int] | None = None,
        body: object = None,
    ) -> asyncio.Future[Answer]:
        """Stand in for the connection."""
        del method, query, body
        if self.broken:
            raise RuntimeError("a defect in the executor")
        self.happened.append(uri)
        return asyncio.get_running_loop().create_future()


@pytest.fixture
async def given(tmp_path: Path) -> AsyncIterator[Given]:
    structlog.reset_defaults()  # a command that was run before may have set the level
    given = Given(tmp_path)
    yield given
    given.dispatcher.timers.cancel_all()
    await given.journal.close()


async def test_the_phone_is_rung_before_a_fact_is_written(given: Given) -> None:
    given.dispatcher.feed(ARRIVED)

    requests = [each for each in given.happened if "/" in each]
    assert requests[0] == f"channels/{CALL}~op2"
    assert given.happened[: len(requests)] == requests
    facts = given.happened[len(requests) :]
    assert facts == STORY


async def test_facts_are_in_the_journal_at_once_and_logged_a_moment_later(given: Given) -> None:
    before = given.journal.durable + given.journal.waiting
    with capture_logs() as lines:
        given.dispatcher.feed(ARRIVED)
        assert given.journal.durable + given.journal.waiting == before + len(STORY)
        assert lines == []

        deadline = time.monotonic() + 5
        while len(lines) < len(STORY):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.001)

    assert [line["event"] for line in lines] == STORY
    assert lines[3]["call"] == CALL


async def test_what_is_not_yet_logged_is_logged_at_the_end(given: Given) -> None:
    with capture_logs() as lines:
        given.dispatcher.feed(ARRIVED)
        given.dispatcher.write_log()
        given.dispatcher.write_log()

    assert len(lines) == len(STORY)


async def test_a_request_that_cannot_be_made_loses_no_fact(given: Given) -> None:
    given.broken = True
    given.dispatcher.feed(ARRIVED)

    assert "call_arrived" in given.happened


async def test_a_command_that_meets_a_defect_is_not_taken_for_done(
    given: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a defect in the core")

    monkeypatch.setattr("ess_pbx.domain.command_desk.carry_out", broken)
    refused = given.dispatcher.command(EndBreak(Asker("admin", Via.CLI), "1001"))

    assert refused is not None
    assert refused.code == "failed"


@pytest.mark.parametrize("kind", FactKind)
async def test_every_kind_of_fact_can_be_logged(given: Given, kind: FactKind) -> None:
    before = len(given.happened)
    with capture_logs() as logged:
        given.dispatcher.record(None, kind, dict.fromkeys(FIELDS[kind], "x"))
        given.dispatcher.write_log()
    assert given.happened[before:] == [kind]
    wanted = [] if kind is FactKind.CHECKPOINT else [kind]
    assert [line["event"] for line in logged if line["event"] == kind] == wanted
