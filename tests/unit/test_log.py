"""What is written to the log, and what never is."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from ess_pbx import log
from ess_pbx.settings.credentials import Credentials
from ess_pbx.settings.model import Database
from ess_pbx.sip.numbers import parse_caller

NUMBER = "+6281234567890"


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Leave logging as it was."""
    root = logging.getLogger()
    level = root.level
    yield
    structlog.reset_defaults()
    for handler in [each for each in root.handlers if each.get_name() == "ess_pbx"]:
        root.removeHandler(handler)
    root.setLevel(level)


def written(fields: dict[str, Any], level: log.Level = "info") -> dict[str, Any]:
    """Log one event at ``level`` and return the line as it was written."""
    stream = io.StringIO()
    log.configure(level, stream)
    getattr(log.get_logger("test"), level)("call.arrived", **fields)
    (line,) = stream.getvalue().splitlines()
    entry: dict[str, Any] = json.loads(line)
    return entry


def test_a_line_is_a_json_object_with_event_level_time_and_module() -> None:
    entry = written({"trunk": "telco-a", "ms": 3.5, "note": "dua baris\nsatu"})

    assert entry.pop("time").endswith("Z")
    assert entry == {
        "event": "call.arrived",
        "level": "info",
        "module": "test",
        "trunk": "telco-a",
        "ms": 3.5,
        "note": "dua baris\nsatu",
    }


def test_events_below_the_level_are_not_written() -> None:
    stream = io.StringIO()
    log.configure("warning", stream)
    logger = log.get_logger("test")

    logger.info("quiet")
    logger.warning("loud")

    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["loud"]


def test_a_logger_made_before_configure_follows_it() -> None:
    logger = log.get_logger("early")
    stream = io.StringIO()
    log.configure("info", stream)

    logger.info("late")

    assert json.loads(stream.getvalue())["module"] == "early"


def test_before_configure_lines_go_masked_to_standard_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    structlog.reset_defaults()

    log.get_logger("early").info("call.arrived", ani=NUMBER)

    captured = capsys.readouterr()
    assert captured.out == ""
    assert json.loads(captured.err)["ani"] == "+62812****90"


async def test_a_bound_call_is_on_every_line_of_its_own_task_only() -> None:
    stream = io.StringIO()
    log.configure("info", stream)
    logger = log.get_logger("test")

    async def call(name: str) -> None:
        with log.bind_call(name):
            await asyncio.sleep(0)
            await asyncio.create_task(say(name))
        logger.info("outside", task=name)

    async def say(name: str) -> None:
        logger.info("inside", task=name)

    await asyncio.gather(call("c1"), call("c2"))

    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert len(lines) == 4
    for line in lines:
        assert line.get("call_id") == (line["task"] if line["event"] == "inside" else None)


@pytest.mark.parametrize(
    "fields",
    [
        {"ani": NUMBER},
        {"caller": "Budi 6281234567890"},
        {"caller": parse_caller("0812-3456-7890")},
        {"number": 81234567890},
        {"called_back": "081234567890"},
        {"caller_number": "81234567890"},
        {"P-Asserted-Identity": f"<sip:{NUMBER}@192.0.2.1>"},
        {"uri": f"sip:{NUMBER}@192.0.2.1"},
        {"detail": "caller 0812-3456-7890 left"},
        {"detail": "62 812 3456 7890"},
        {"nested": {"list": [{"ani": "81234567890"}, (NUMBER,)]}},
        {"by_number": {NUMBER: 1}},
        {"error": ValueError(NUMBER)},
    ],
)
def test_a_number_is_masked_wherever_it_stands(fields: dict[str, Any]) -> None:
    text = json.dumps(written(fields)).replace("-", "").replace(" ", "")

    assert "****" in text
    assert "34567" not in text


@pytest.mark.parametrize(
    "value",
    [
        "112",
        "1001",
        "1727712345.12",
        "2025-07-01T07:00:00.123456Z",
        "0198f2aa-0812-7345-8123-081234567890",
        "call-01j8zk4q5r-6281234567890",
        "192.0.2.1:5060",
        "0.0812345678901",
        1727712345678,
        None,
        True,
    ],
)
def test_ids_times_and_addresses_stay_readable(value: object) -> None:
    assert written({"detail": value})["detail"] == value


def test_short_numbers_stay_readable() -> None:
    entry = written({"number": 5, "caller": "1001", "ani": None})

    assert (entry["number"], entry["caller"], entry["ani"]) == (5, "1001", None)


def test_at_debug_numbers_are_whole_and_places_too() -> None:
    entry = written({"ani": NUMBER, "location": {"lat": -6.1}}, "debug")

    assert entry["ani"] == NUMBER
    assert entry["location"] == {"lat": -6.1}


def test_a_place_is_hidden_above_debug() -> None:
    entry = written({"location": {"lat": -6.1}, "caller_lat": -6.1, "relation": "x"})

    assert (entry["location"], entry["caller_lat"], entry["relation"]) == ("***", "***", "x")


@pytest.mark.parametrize("level", ["debug", "info", "error"])
@pytest.mark.parametrize(
    "fields",
    [
        {"password": "hunter2"},
        {"ari_password": "hunter2"},
        {"client_secret": "hunter2"},
        {"headers": {"Authorization": "Basic hunter2"}},
        {"passwords": ["hunter2"]},
        {"header": "Authorization: Basic hunter2"},
        {"sent": 'Digest username="x"', "detail": "password=hunter2&x=1"},
        {"url": "postgresql://ess:hunter2@127.0.0.1/ess"},
        {"database": Database(url="postgresql+psycopg://ess:hunter2@127.0.0.1/ess")},
        {"made": Credentials(ari_password="hunter2", operators={"1001": "hunter2"})},
        {"error": OSError("cannot connect to postgresql://ess:hunter2@h/x")},
    ],
)
def test_a_secret_is_written_at_no_level(fields: dict[str, Any], level: log.Level) -> None:
    assert "hunter2" not in json.dumps(written(fields, level))


def test_an_exception_is_written_with_its_traceback_masked() -> None:
    stream = io.StringIO()
    log.configure("info", stream)

    try:
        raise ValueError(f"bad caller {NUMBER}")
    except ValueError:
        log.get_logger("test").exception("call.failed")

    entry = json.loads(stream.getvalue())
    assert "Traceback" in entry["exception"]
    assert "ValueError: bad caller +62812****90" in entry["exception"]


def test_other_libraries_log_the_same_way() -> None:
    stream = io.StringIO()
    log.configure("info", stream)

    with log.bind_call("c1"):
        logging.getLogger("aiohttp.server").error("request from %s", NUMBER)
        logging.getLogger("aiohttp.server").debug("noise")

    entry = json.loads(stream.getvalue())
    assert entry.pop("time")
    assert entry == {
        "event": "request from +62812****90",
        "level": "error",
        "module": "aiohttp.server",
        "call_id": "c1",
    }


def test_configuring_again_replaces_the_stream() -> None:
    first, second = io.StringIO(), io.StringIO()
    log.configure("info", first)
    log.configure("info", second)

    logging.getLogger("x").warning("once")
    log.get_logger("y").warning("once")

    assert first.getvalue() == ""
    assert len(second.getvalue().splitlines()) == 2
