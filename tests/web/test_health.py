"""Health says that the service lives, readiness what it lacks to take calls and write them down."""

from __future__ import annotations

import asyncio
import errno
from typing import Any

import pytest

from ess_pbx.domain.facts import FactKind

from .story import Person, Service, until

DISK_FULL = OSError(errno.ENOSPC, "No space left on device")


async def asked(anyone: Person, path: str) -> tuple[int, Any]:
    async with anyone.session.get(f"{anyone.url}{path}") as answer:
        return answer.status, await answer.json()


def given_connected(service: Service) -> None:
    """As after Asterisk was asked what it holds."""
    service.engine.ari._ready.set()
    service.engine._phones_known = True


async def test_a_service_that_answers_lives(anyone: Person) -> None:
    assert await asked(anyone, "/healthz") == (200, {"ok": True, "ended": []})


async def test_background_work_that_ended_is_named_for_whoever_restarts_the_service(
    service: Service, anyone: Person
) -> None:
    task = service.engine._storing._task
    assert task is not None
    task.cancel()
    await until(task.done, "the projector has ended")
    assert await asked(anyone, "/healthz") == (503, {"ok": False, "ended": ["projector"]})


async def test_without_asterisk_nothing_is_ready_but_the_journal(anyone: Person) -> None:
    status, content = await asked(anyone, "/readyz")
    assert status == 503
    assert content == {
        "ok": False,
        "asterisk": False,
        "stock": False,
        "journal": True,
        "lacking": [
            "Asterisk: ARI is not connected",
            "Asterisk: the calls that it holds are not known yet",
        ],
    }


async def test_connected_with_stock_taken_it_is_ready(service: Service, anyone: Person) -> None:
    given_connected(service)
    status, content = await asked(anyone, "/readyz")
    assert (status, content["ok"], content["lacking"]) == (200, True, [])


async def test_a_disk_that_refuses_facts_is_named_until_it_takes_them(
    service: Service, anyone: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_connected(service)
    journal = service.engine.journal
    with monkeypatch.context() as full:
        full.setattr(journal, "_commit", _refuse)
        service.engine.dispatcher.record(None, FactKind.NO_OPERATOR, {"queue": "umum"})
        await until(lambda: journal.refused, "the disk refuses")
        status, content = await asked(anyone, "/readyz")
        assert (status, content["journal"], content["asterisk"]) == (503, False, True)
        assert content["lacking"] == ["journal: 1 facts are in memory only; see its disk"]
    await asyncio.wait_for(journal.flushed(journal.durable + journal.waiting), 5)
    assert (await asked(anyone, "/readyz"))[0] == 200


async def test_a_disk_that_does_not_answer_is_as_one_that_refuses(
    service: Service, anyone: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_connected(service)
    monkeypatch.setattr(type(service.engine.journal), "stuck", 3.0)
    status, content = await asked(anyone, "/readyz")
    assert (status, content["journal"]) == (503, False)


async def test_nobody_needs_to_sign_in_and_nothing_of_a_call_is_told(
    service: Service, anyone: Person
) -> None:
    service.given_present("1001")
    service.when_a_call_arrives()
    for path in ("/healthz", "/readyz"):
        _, content = await asked(anyone, path)
        assert set(content) <= {"ok", "ended", "asterisk", "stock", "journal", "lacking"}
        assert "6281234567890" not in str(content)


def _refuse(_: bytes) -> None:
    raise DISK_FULL
