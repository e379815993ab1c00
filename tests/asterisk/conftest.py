"""A centre of its own for each test, and the story of the call when a test fails."""

from __future__ import annotations

import contextlib
import logging
import os
import random
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from ess_pbx import log
from ess_pbx.demo.stage import HOST
from ess_pbx.demo.up import STANDARD_SIP_PORT
from ess_pbx.prompts.build import build_prompts
from ess_pbx.prompts.synthesis import EspeakSynthesiser
from ess_pbx.settings.model import CHECKOUT

from .story import GivenCentre, Story, centre_settings

FAILED = pytest.StashKey[bool]()
STORIES = pytest.StashKey[list[Story]]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call" and report.failed:
        item.stash[FAILED] = True
        for story in item.stash.get(STORIES, []):
            report.sections.append((f"what happened in {story.folder}", story.told()))
    return report


@pytest.fixture(scope="session", autouse=True)
def standard_sip_port_is_taken() -> Iterator[None]:
    """``ess up`` takes it where it is free: two that begin at once would both choose it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        # Every worker has it, so that it is taken until the last one ends.
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Another program may have it already.
        with contextlib.suppress(OSError):
            holder.bind((HOST, STANDARD_SIP_PORT))
        yield


@pytest.fixture(scope="session")
def built_prompts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The prompts, spoken once for all tests (by whichever worker comes first)."""
    base = tmp_path_factory.getbasetemp()
    target = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "spoken-prompts"
    build_prompts(CHECKOUT / "ivr_prompts", target, EspeakSynthesiser.find())
    return target


@pytest.fixture
def logging_to_files() -> Iterator[None]:
    """Leave logging as it was: it is one for the whole process."""
    yield
    structlog.reset_defaults()
    root = logging.getLogger()
    for handler in [each for each in root.handlers if each.get_name() == "ess_pbx"]:
        root.removeHandler(handler)


@pytest.fixture
async def given_centre(
    request: pytest.FixtureRequest,
    built_prompts: Path,
    logging_to_files: None,  # noqa: ARG001 - for its end
) -> AsyncIterator[GivenCentre]:
    """Make a centre: ``await given_centre(on_duty=("1001",), …)``, as ``centre_settings`` takes it.

    It is started unless ``started=False``; all is ended with the test, and its folder is kept when
    the test fails.
    """
    stories: list[Story] = []
    request.node.stash[STORIES] = stories
    async with contextlib.AsyncExitStack() as stack:

        async def given(
            *, started: bool = True, kind: type[Story] = Story, **options: Any
        ) -> Story:
            # Not in pytest's folder: the path of a UNIX socket has room for 107 bytes.
            folder = Path(tempfile.mkdtemp(prefix="ess", dir="/tmp"))
            if not stories:
                # Logging is the process's: a second centre of a test writes into the same file.
                engine_log = stack.enter_context((folder / "engine.log").open("w"))
                log.configure("info", engine_log)
            ports = stack.enter_context(own_ports())
            story = kind(folder, centre_settings(folder / "s", ports, **options))
            story.given_its_dialplan_is_patient()
            stories.append(story)
            stack.push_async_callback(story.close)
            shutil.copytree(
                built_prompts,
                folder / "s" / "prompts",
                ignore=shutil.ignore_patterns("*.tmp"),  # another worker looks them over
            )
            if started:
                await story.given_it_runs()
            return story

        yield given
    if not request.node.stash.get(FAILED, False):
        for story in stories:
            shutil.rmtree(story.folder, ignore_errors=True)


PORTS_FIRST, PORTS_LAST, PORTS_EACH = 5_070, 11_980, 10


@contextlib.contextmanager
def own_ports() -> Iterator[Iterator[int]]:
    """Ports that stay ours before they are bound: below those of ``free_port``, one block a test.

    Who has the first port of a block bound owns the block, in every process that does as we do.
    """
    blocks = list(range(PORTS_FIRST, PORTS_LAST, PORTS_EACH))
    random.shuffle(blocks)
    for block in blocks:
        ports = range(block + 1, block + PORTS_EACH)
        with socket.socket() as guard:
            try:
                guard.bind(("127.0.0.1", block))
            except OSError:
                continue
            if all(_is_free(port) for port in ports):
                yield iter(ports)
                return
    raise RuntimeError(f"no {PORTS_EACH} free ports in a row from {PORTS_FIRST} to {PORTS_LAST}")


def _is_free(port: int) -> bool:
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True
