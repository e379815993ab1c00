"""What holds for every test."""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import os
import traceback
from collections.abc import Generator
from typing import Any

import pytest

ENDS_WITHIN = 120.0
"""Seconds for what a test leaves to be ended, its loop and its fixtures."""
COVERING = ("tests/unit/domain/", "tests/unit/report/", "tests/db/")
"""The tests of the core's single modules. Being watched would cost the others minutes."""
STANDARD_ERROR = pytest.StashKey[int]()


def pytest_configure(config: pytest.Config) -> None:
    """Keep what is standard error before a test's is captured."""
    config.stash[STANDARD_ERROR] = os.dup(2)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """Once a test failed the time-outs of pyproject.toml are over: its end has one of its own."""
    standard_error = item.config.stash[STANDARD_ERROR]
    faulthandler.dump_traceback_later(ENDS_WITHIN, exit=True, file=standard_error)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, rather than skip, what this user may not do; choose what counts as covering."""
    for item in items:
        if not item.nodeid.startswith(COVERING):
            item.add_marker("no_cover")
    if os.geteuid() == 0:
        return
    left_out = [item for item in items if item.get_closest_marker("root")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Have a test that was skipped fail in ``./ess test``, where all is set up: it proved nothing.

    And say what each task of one that hung waits for; the traceback tells only of the loop.
    """
    report = yield
    if report.failed and "from pytest-timeout" in report.longreprtext:
        tasks = [each for each in gc.get_objects() if isinstance(each, asyncio.Task)]
        stacks = [f"{each.get_name()}:\n{_stack(each)}" for each in tasks if not each.done()]
        report.sections.append(("what its tasks wait for", "\n".join(stacks)))
    if report.skipped and os.environ.get("ESS_TEST_COMPLETE"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and nothing may be: {report.longrepr}"
    return report


def _stack(task: asyncio.Task[Any]) -> str:
    """Where a task stands, down to what it waits for; ``Task.get_stack`` has the top alone."""
    frames = []
    waiting: Any = task.get_coro()
    while (frame := getattr(waiting, "cr_frame", None)) is not None:
        frames.append((frame, frame.f_lineno))
        waiting = waiting.cr_await
    return "".join(traceback.StackSummary.extract(iter(frames)).format())
