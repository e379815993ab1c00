"""Reports are found and read whole on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from ess_pbx.db.projector import project
from ess_pbx.db.report_queries import find_reports, last_tickets, report_with_everything
from ess_pbx.domain.facts import Fact
from ess_pbx.domain.facts import FactKind as K

from .story import STARTED, a_fact, a_whole_call

BY = {"by": "2002", "via": "api"}
FIRST, SECOND = "cilegon-20250615-0001", "cilegon-20250615-0002"
OPENED = datetime.fromtimestamp(STARTED, UTC)


async def given(engine: AsyncEngine, facts: list[Fact]) -> None:
    async with engine.begin() as connection:
        await project(connection, list(enumerate(facts, 1)), "journal")


def opened(number: int, report: str, **fields: Any) -> Fact:
    return a_fact(number, K.REPORT_OPENED, None, report=report, linked=None, fields=fields, **BY)


def drafted(number: int, **fields: Any) -> Fact:
    return a_fact(number, K.REPORT_DRAFTED, None, report=FIRST, base=1, fields=fields, **BY)


async def test_a_report_comes_with_calls_steps_drafts_and_what_was_joined(
    engine: AsyncEngine,
) -> None:
    await given(engine, a_whole_call())
    found = await report_with_everything(engine, "cilegon", FIRST)
    assert found is not None
    assert (found.report["place"], found.calls) == ("Pasar Sumur", ["call-1", "call-2"])
    assert [(each["agency"], each["step"]) for each in found.steps] == [("psc119", "diserahkan")]
    assert [each["fields"] for each in found.drafts] == [{"narrative": "Dua"}]
    assert [each["number"] for each in found.joined] == [SECOND]
    assert await report_with_everything(engine, "serang", FIRST) is None
    assert await report_with_everything(engine, "cilegon", "cilegon-20250615-0003") is None


async def test_a_draft_is_as_it_was_typed_last_and_gone_once_it_is_saved(
    engine: AsyncEngine,
) -> None:
    await given(engine, [opened(1, FIRST), drafted(2, place="Pasar"), drafted(3, victims=2)])
    found = await report_with_everything(engine, "cilegon", FIRST)
    assert found is not None
    assert [(each["by"], each["base"], each["fields"]) for each in found.drafts] == [
        ("2002", 1, {"victims": 2})
    ]
    await given(engine, [drafted(4)])
    found = await report_with_everything(engine, "cilegon", FIRST)
    assert found is not None
    assert found.drafts == []


async def test_a_joined_report_that_is_reopened_is_on_its_own(engine: AsyncEngine) -> None:
    other = {"report": SECOND, **BY}
    await given(
        engine,
        [
            *(opened(1, FIRST), opened(2, SECOND)),
            a_fact(3, K.REPORT_JOINED, None, to=FIRST, **other),
            a_fact(4, K.REPORT_REOPENED, None, reason="lain", **other),
        ],
    )
    found = await report_with_everything(engine, "cilegon", SECOND)
    assert found is not None
    assert (found.report["joined_to"], found.report["closed_at"]) == (None, None)


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ({"ticket": FIRST}, [FIRST]),
        ({"ticket": "0002"}, [SECOND]),
        ({"ticket": "000%"}, []),
        ({"caller": "+628123456789"}, [FIRST]),
        ({"caller": "+6281299991234"}, [SECOND]),
        ({"caller": "sari"}, [SECOND]),
        ({"caller": "s_ri"}, []),
        ({"since": OPENED, "until": OPENED + timedelta(days=1)}, [SECOND, FIRST]),
        ({"since": OPENED + timedelta(days=1)}, []),
        ({"until": OPENED}, []),
        ({"caller": "sari", "ticket": "0001"}, []),
        ({"limit": 1}, [SECOND]),
    ],
    ids=str,
)
async def test_reports_are_found(
    engine: AsyncEngine, asked: dict[str, Any], wanted: list[str]
) -> None:
    written = {"caller_name": "Ibu Sari", "contact_number": "0812-9999 1234"}
    saved = a_fact(99, K.REPORT_SAVED, None, report=SECOND, fields=written, **BY)
    await given(engine, [*a_whole_call(), saved])
    found = await find_reports(engine, "cilegon", **asked)
    assert [row["number"] for row in found] == wanted
    assert await find_reports(engine, "serang", **asked) == []


async def test_the_last_number_of_each_day_is_told_by_its_value(engine: AsyncEngine) -> None:
    numbers = ["20250615-0009", "20250615-9999", "20250615-10001", "20250614-0002"]
    await given(
        engine, [opened(n, f"cilegon-{number}") for n, number in enumerate(numbers, start=1)]
    )
    assert await last_tickets(engine, "cilegon") == {"20250615": 10001, "20250614": 2}
    assert await last_tickets(engine, "serang") == {}
