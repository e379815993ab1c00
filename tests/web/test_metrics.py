"""``/metrics`` tells what goes on and what is over, to those whom the settings name alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from ess_pbx.domain.call import Call
from ess_pbx.domain.events import AlarmChanged
from ess_pbx.domain.facts import JSON, Fact, FactKind
from ess_pbx.domain.ids import CallId
from ess_pbx.settings.model import Metrics as Allowed
from ess_pbx.unix_socket import within_reach

from .story import CALL, NUMBER, Service, centre_settings, until

TOKEN = "0123456789abcdef0123"
OPEN = Allowed(loopback=True)


@asynccontextmanager
async def given_service(folder: Path, allowed: Allowed) -> AsyncIterator[Service]:
    service = Service(replace(centre_settings(folder / "s"), metrics=allowed), watched=True)
    await service.start()
    try:
        yield service
    finally:
        await service.stop()


async def asked(service: Service, **headers: str) -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{service.url}/metrics", headers=headers) as answer,
    ):
        return answer.status, await answer.text()


async def reading(service: Service, name: str, **labels: str) -> float | None:
    """A figure as a scrape has it; None when it is not there."""
    status, text = await asked(service)
    assert status == 200, text
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == f"ess_pbx_{name}" and labels.items() <= sample.labels.items():
                return sample.value
    return None


async def test_they_are_closed_unless_the_settings_say_who_may_read_them(
    service: Service,
) -> None:
    status, text = await asked(service)
    assert status == 403
    assert "[metrics] loopback or token" in text


async def test_with_loopback_who_asks_through_a_proxy_is_not_on_this_machine(
    tmp_path: Path,
) -> None:
    async with given_service(tmp_path, OPEN) as service:
        assert (await asked(service))[0] == 200
        for header in ("X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"):
            assert (await asked(service, **{header: "127.0.0.1"}))[0] == 403


async def test_with_a_token_only_who_sends_it_reads(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    async with given_service(tmp_path, Allowed(token=file)) as service:
        assert (await asked(service))[0] == 401
        for wrong in (TOKEN[:-1], f"{TOKEN}x", "\udcff", ""):
            headers = {"Authorization": f"Bearer {wrong}"}
            async with aiohttp.ClientSession() as session:
                answer = await session.get(f"{service.url}/metrics", headers=headers)
                assert answer.status == 401, wrong
        assert (await asked(service, Authorization=f"Bearer {TOKEN}"))[0] == 200


async def test_a_token_that_is_gone_since_opens_nothing(tmp_path: Path) -> None:
    async with given_service(tmp_path, Allowed(token=tmp_path / "gone")) as service:
        assert (await asked(service, Authorization="Bearer"))[0] == 403


async def test_the_services_own_user_reads_them_at_the_control_socket(service: Service) -> None:
    with within_reach(service.control.path) as path:
        connector = aiohttp.UnixConnector(path)
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get("http://ess-pbx/metrics") as answer,
        ):
            assert answer.status == 200
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")


async def test_calls_and_operators_are_counted_as_they_are_now(tmp_path: Path) -> None:
    async with given_service(tmp_path, OPEN) as service:
        service.given_present("1001", "1002")
        assert await reading(service, "waiting_calls", centre="contoh") == 0
        service.when_a_call_arrives()
        assert await reading(service, "waiting_calls", centre="contoh") == 1
        service.core.calls[CALL] = _earlier(service, 7.0)
        longest = await reading(service, "longest_wait_seconds", centre="contoh")
        assert longest is not None
        assert 7.0 <= longest < 12.0
        assert await reading(service, "operators", status="present", state="offered") == 1
        service.when_it_is_answered()
        assert await reading(service, "calls", phase="talking") == 1
        assert await reading(service, "operators", status="present", state="talking") == 1
        assert await reading(service, "operators", status="present", state="idle") == 1
        assert await reading(service, "waiting_calls", centre="contoh") == 0


async def test_an_answer_is_counted_once_from_invite_to_the_human(tmp_path: Path) -> None:
    async with given_service(tmp_path, OPEN) as service:
        service.given_present("1001", "1002")
        service.when_a_call_arrives()
        service.when_it_is_answered()
        assert await reading(service, "answer_seconds_count", centre="contoh") == 1
        service.engine.dispatcher.record(
            CALL, FactKind.OPERATOR_ANSWERED, {"agent": "1002", "leg": "x"}
        )
        assert await reading(service, "answer_seconds_count", centre="contoh") == 1
        seconds = await reading(service, "answer_seconds_sum", centre="contoh")
        assert seconds is not None
        assert 0.0 <= seconds < 10.0
        service.when_the_caller_hangs_up()
        assert await reading(service, "calls_arrived_total", centre="contoh") == 1
        assert await reading(service, "calls_ended_total", result="success") == 1


async def test_the_answer_is_the_first_human_or_our_own_answer_if_that_was_later(
    tmp_path: Path,
) -> None:
    async with given_service(tmp_path, OPEN) as service:
        for number, told in enumerate(
            (
                [("operator_answered", 2000), ("agency_answered", 3000), ("call_answered", 1000)],
                [("call_answered", 500), ("agency_answered", 4000), ("operator_answered", 9000)],
                [("operator_answered", 1000), ("call_answered", 1500)],
            )
        ):
            for kind, ms in [("call_arrived", 0), *told]:
                call = f"ess1-1.{number}"
                service.watch.metrics.told(
                    Fact(id="x", centre="contoh", call=call, kind=kind, at=0.0, ms=ms)
                )
        assert await reading(service, "answer_seconds_count", centre="contoh") == 3
        assert await reading(service, "answer_seconds_sum", centre="contoh") == 2.0 + 4.0 + 1.5


async def test_who_left_without_a_human_is_no_answer(tmp_path: Path) -> None:
    async with given_service(tmp_path, OPEN) as service:
        service.when_a_call_arrives()
        service.when_the_caller_hangs_up()
        assert await reading(service, "answer_seconds_count", centre="contoh") is None
        assert await reading(service, "calls_arrived_total", centre="contoh") == 1


async def test_a_call_adopted_while_it_waited_is_an_answer_to_come_and_one_with_a_human_none(
    tmp_path: Path,
) -> None:
    async with given_service(tmp_path, OPEN) as service:
        for call, phase in (("a-1.1", "waiting"), ("a-1.2", "talking")):
            service.when_a_call_arrives(CallId(call), NUMBER)
            service.watch.metrics._waiting.clear()  # as in an engine that began after them
            data: dict[str, JSON] = {"phase": phase, "made": 1}
            service.engine.dispatcher.record(CallId(call), FactKind.CALL_ADOPTED, data)
            answered = {"agent": "1001", "leg": "x"}
            service.engine.dispatcher.record(CallId(call), FactKind.OPERATOR_ANSWERED, answered)
        assert await reading(service, "answer_seconds_count", centre="contoh") == 1


async def test_alarms_that_stand_and_recordings_that_failed_are_told(tmp_path: Path) -> None:
    async with given_service(tmp_path, OPEN) as service:
        feed = service.engine.dispatcher.feed
        feed(AlarmChanged("roster", True, "baris 3"))
        assert await reading(service, "alarm", alarm="roster") == 1
        feed(AlarmChanged("roster", False, "ok"))
        assert await reading(service, "alarm", alarm="roster") is None
        assert await reading(service, "alarms_raised_total", kind="roster") == 1
        failed = {"recording": CALL, "reason": "x"}
        service.engine.dispatcher.record(CALL, FactKind.RECORDING_FAILED, failed)
        assert await reading(service, "recordings_failed_total", centre="contoh") == 1


async def test_the_journal_the_database_and_asterisk_are_told_of(tmp_path: Path) -> None:
    async with given_service(tmp_path, OPEN) as service:
        service.when_a_call_arrives()
        journal = service.engine.journal
        await asyncio.wait_for(journal.flushed(journal.durable + journal.waiting), 5)
        records = await reading(service, "journal_records_total")
        commits = await reading(service, "journal_commit_seconds_count")
        assert records is not None
        assert commits is not None
        assert records >= commits >= 1
        assert await reading(service, "journal_waiting") == 0
        assert await reading(service, "ari_connected") == 0
        await service.engine.stored(5)
        assert await reading(service, "projector_lag") == 0


async def test_a_loop_that_is_blocked_shows_in_its_lag(tmp_path: Path) -> None:
    async with given_service(tmp_path, OPEN) as service:
        lag = service.watch.metrics.loop_lag

        def late() -> float:
            buckets = {
                b.labels["le"]: b.value for f in lag.collect() for b in f.samples if b.labels
            }
            return buckets["+Inf"] - buckets["0.1"]

        before = late()
        time.sleep(0.3)  # noqa: ASYNC251 - what it is about
        await until(lambda: late() > before, "the lag is seen")


@pytest.mark.parametrize("forbidden", [NUMBER, NUMBER.removeprefix("+")])
async def test_no_number_of_a_caller_is_in_them(tmp_path: Path, forbidden: str) -> None:
    async with given_service(tmp_path, OPEN) as service:
        service.given_present("1001")
        service.when_a_call_arrives()
        service.when_it_is_answered()
        _, text = await asked(service)
        assert forbidden not in text


async def test_two_services_in_one_process_count_apart(tmp_path: Path) -> None:
    async with (
        given_service(tmp_path / "a", OPEN) as one,
        given_service(tmp_path / "b", OPEN) as other,
    ):
        one.when_a_call_arrives()
        assert await reading(one, "calls_arrived_total", centre="contoh") == 1
        assert await reading(other, "calls_arrived_total", centre="contoh") is None


def _earlier(service: Service, seconds: float) -> Call:
    call = service.core.calls[CALL]
    return replace(call, arrived=call.arrived - seconds)
