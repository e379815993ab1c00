"""``demo``, ``up`` and ``serve`` as a person runs them: as processes of their own."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import soundfile

from ess_pbx.demo.stage import SAMPLE, sample
from ess_pbx.phones import audio
from ess_pbx.phones.softphone import SoftPhone

pytestmark = pytest.mark.asterisk

COMMAND = [sys.executable, "-m", "ess_pbx.cli"]
STEPS = (
    *("invite", "answered", "greeting_started", "key_pressed", "queued", "offered"),
    *("operator_answered", "consult_started", "agency_rung", "agency_answered"),
    *("conference", "operator_left", "ended"),
)
PATIENCE = 180.0


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short path, removed afterwards."""
    path = Path(tempfile.mkdtemp(prefix="ess-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


async def run(*arguments: str, **environment: str) -> tuple[int, str, str]:
    """Run a command to its end; returns exit code, stdout and stderr."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environment},
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), PATIENCE)
    finally:
        await end(process)
    return process.returncode or 0, out.decode(), err.decode()


async def test_the_demo_prints_one_json_object_that_proves_the_whole_call(folder: Path) -> None:
    code, out, err = await run("demo", "--json", "--folder", str(folder))

    assert code == 0, err
    assert out.count("\n") == 1
    result = json.loads(out)
    assert result["ok"] is True
    assert (result["caller"], result["category"]) == ("+6281234567890", "medis")
    assert tuple(result["timeline_ms"]) == STEPS
    times = list(result["timeline_ms"].values())
    assert times == sorted(times)
    assert result["missed_by"]
    assert result["operator"] not in result["missed_by"]
    assert result["agency"] == "psc-119"
    assert result["termination"] == {"result": "success", "reason": "completed"}
    assert result["leftovers"] == {"channels": 0, "bridges": 0, "tasks": 0}
    assert result["failed_requests"] == 0
    assert result["database"]["calls"] == 1
    recording, consult = result["recordings"]
    content = Path(recording["path"]).read_bytes()  # noqa: ASYNC240 - nothing else runs
    assert hashlib.sha256(content).hexdigest() == recording["sha256"]
    assert (recording["sample_rate"], recording["channels"]) == (8000, 2)

    frames, rate = soundfile.read(recording["path"], dtype="int16")
    # The last second and a half: caller (400 Hz) and agency (1200 Hz) alone.
    left, right = frames[-rate:, 0], frames[-rate:, 1]
    assert audio.hears_tone(left, 400), err
    assert audio.hears_tone(right, 1200), err
    assert audio.tone_level_dbov(left, 1200) < -50  # A-law alone makes -58 of a 400 Hz tone
    assert audio.tone_level_dbov(right, 400) < -50

    frames, rate = soundfile.read(consult["path"], dtype="int16")
    assert audio.hears_tone(frames[-rate:, 0], 1200), "the agency is left in what it was told"


async def test_a_demo_without_asterisk_says_what_is_missing_and_where_the_logs_are(
    folder: Path,
) -> None:
    (folder / "empty" / "usr").mkdir(parents=True)
    code, out, err = await run(
        *("demo", "--json", "--folder", str(folder / "run")),
        ESS_PBX_RUNTIME=str(folder / "empty"),
        PATH="/nowhere",
    )

    assert code == 1
    result = json.loads(out)
    assert result["ok"] is False
    assert "was not found" in result["error"]
    assert "./ess" in result["error"]
    assert "engine.log" in err


@asynccontextmanager
async def running(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A command that goes on; ended at the end if it still runs."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "COLUMNS": "150"},
        start_new_session=True,
    )
    try:
        yield process
    finally:
        await end(process)


async def end(process: asyncio.subprocess.Process) -> None:
    """With all that it started, if it still runs: its Asterisk and phones outlive who is killed."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), 30)
    except TimeoutError:
        process.kill()
        await process.wait()


async def read_until(stream: asyncio.StreamReader | None, words: str) -> str:
    """What a process printed up to the line with these words."""
    assert stream is not None
    lines = []
    async with asyncio.timeout(PATIENCE):
        while line := (await stream.readline()).decode():
            lines.append(line)
            if words in line:
                break
    text = "".join(lines)
    assert words in text, text
    return text


def asterisk_pid(words: str) -> int:
    found = re.search(r"Asterisk is up \(pid (\d+)\)", words)
    assert found is not None, words
    return int(found.group(1))


def runs(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def test_up_prints_logins_that_work_and_ctrl_c_stops_all_of_it(folder: Path) -> None:
    async with running("up", "--folder", str(folder / "up")) as process:
        printed = await read_until(process.stdout, "Ctrl-C stops")
        server = re.search(r"SIP server ([\d.]+):(\d+)", printed)
        login = re.search(r"(1001)\W+([a-z0-9]{17})\b", printed)
        assert server is not None, printed
        assert login is not None, printed
        assert "*119# PSC 119" in printed
        assert "Recordings:" in printed
        async with SoftPhone(folder / "phone") as phone:
            where = (server.group(1), int(server.group(2)))
            await phone.add_account(login.group(1), login.group(2), where)
            await phone.registered(login.group(1), 10)

        os.kill(process.pid, signal.SIGINT)
        told = await read_until(process.stderr, "stopped")
        assert await asyncio.wait_for(process.wait(), PATIENCE) == 0

    assert not runs(asterisk_pid(told))


async def test_the_command_line_asks_a_service_that_runs(folder: Path) -> None:
    state, settings = folder / "up", folder / "centre.toml"
    text = SAMPLE.read_text().replace("../../var/contoh", str(state))
    settings.write_text(text.replace("../../", f"{SAMPLE.parents[2]}/"))

    code, _, told = await run("agents", "list", str(settings))
    assert code == 1
    assert "the service does not run" in told

    # An address of its own: another "up" that starts in this moment wants the same port.
    host = f"127.9.{os.getpid() >> 8 & 255}.{os.getpid() & 255 | 1}"
    async with running("up", "--folder", str(state), "--host", host) as process:
        printed = await read_until(process.stdout, "Ctrl-C stops")
        assert re.search(r"API: http://127\.0\.0\.1:\d+/api/v1, sign in as admin", printed)
        code, out, told = await run("agents", "list", str(settings), "--json")
        assert code == 0, told
        assert len(json.loads(out)) == len(sample().centre_named().operators)
        code, _, told = await run("agents", "end-break", str(settings), "9999")
        assert code == 1
        assert "unknown-operator" in told
        os.kill(process.pid, signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), PATIENCE) == 0
    assert not (state / "control.sock").exists()


async def test_ups_passwords_stay_the_same_at_its_next_start(folder: Path) -> None:
    printed = []
    for _ in range(2):
        async with running("up", "--folder", str(folder / "up")) as process:
            printed.append(await read_until(process.stdout, "Ctrl-C stops"))
            os.kill(process.pid, signal.SIGTERM)
            assert await asyncio.wait_for(process.wait(), PATIENCE) == 0
    passwords = [re.findall(r"100\d\W+([a-z0-9]{17})\b", text) for text in printed]

    assert len(passwords[0]) == 7
    assert passwords[0] == passwords[1]


async def test_traffic_makes_calls_that_are_queued(folder: Path) -> None:
    async with running("up", "--traffic", "30", "--folder", str(folder / "up")) as process:
        await read_until(process.stderr, "30 synthetic callers a minute")
        log = folder / "up" / "engine.log"
        async with asyncio.timeout(PATIENCE):
            while '"queued"' not in log.read_text():  # noqa: ASYNC110 - it is another process
                await asyncio.sleep(0.1)
        os.kill(process.pid, signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), PATIENCE) == 0


async def test_wrong_settings_start_nothing_and_exit_with_2(folder: Path) -> None:
    wrong = folder / "centre.toml"
    wrong.write_text('[centre]\nid = "Contoh!"\n')

    code, out, err = await run("serve", str(wrong))

    assert code == 2
    assert out == ""
    assert f"{wrong}:2: centre.id" in err
    assert "Asterisk is up" not in err
    assert os.listdir(folder) == [wrong.name]  # noqa: PTH208


async def test_a_second_up_in_the_same_folder_is_refused_and_harms_nothing(folder: Path) -> None:
    where = str(folder / "up")
    async with running("up", "--folder", where) as first:
        await read_until(first.stdout, "Ctrl-C stops")
        before = (folder / "up" / "asterisk" / "etc" / "pjsip.conf").read_text()

        code, _, err = await run("up", "--folder", where)

        assert code == 1
        assert f"in use by process {first.pid}" in err
        assert (folder / "up" / "asterisk" / "etc" / "pjsip.conf").read_text() == before
        assert first.returncode is None
        os.kill(first.pid, signal.SIGTERM)
        assert await asyncio.wait_for(first.wait(), PATIENCE) == 0


async def test_a_demo_that_is_stopped_says_so_in_json_and_leaves_nothing_running(
    folder: Path,
) -> None:
    async with running("demo", "--json", "--folder", str(folder / "demo")) as process:
        told = await read_until(process.stderr, "hears the greeting")

        os.kill(process.pid, signal.SIGTERM)
        out, _ = await asyncio.wait_for(process.communicate(), PATIENCE)

    assert process.returncode == 1
    result = json.loads(out)
    assert (result["ok"], result["error"]) == (False, "stopped")
    assert not runs(asterisk_pid(told))
