"""When a recording begins: with the answer, by the dialplan, or with the talk, by the recorder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import fields
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.web.story import CALL, OPERATOR, QUICK, Service, centre_settings

from ess_pbx.asterisk.render import AsteriskFolders, render
from ess_pbx.engine import recordings
from ess_pbx.settings.credentials import load_credentials
from ess_pbx.settings.load import load_settings
from ess_pbx.settings.model import CHECKOUT, Settings

PROVINCE = CHECKOUT / "deploy" / "sample" / "province" / "installation.toml"
START = f'mixmonitor start {CALL} "'


class Console:
    """Takes what the recorder asks of Asterisk."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def ask(self, command: str) -> str:
        self.asked.append(command)
        return ""

    @property
    def started(self) -> int:
        return sum(command.startswith(START) for command in self.asked)


def recording_from(settings: Settings, *, waiting: bool, centres: int = 1) -> Settings:
    """Settings of which so many centres record how callers wait, or not."""
    changed = [
        replace(each, policy=replace(each.policy, record_waiting=waiting or number >= centres))
        for number, each in enumerate(settings.centres)
    ]
    return replace(settings, centres=tuple(changed))


@pytest.fixture
async def service(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Service]:
    monkeypatch.setattr("ess_pbx.settings.pins._HASHER", QUICK)
    settings = centre_settings(tmp_path / "s", enabled=False)
    service = Service(recording_from(settings, waiting=request.param))
    await service.start()
    yield service
    await service.stop()


@pytest.fixture
def console(service: Service) -> Console:
    service.engine.recorder._console = console = Console()
    service.settings.folders.recordings.mkdir(parents=True, exist_ok=True)
    return console


@pytest.mark.parametrize("service", [False], indirect=True)
async def test_it_begins_once_when_somebody_speaks_with_the_caller(
    service: Service, console: Console
) -> None:
    service.given_present(OPERATOR)
    service.when_a_call_arrives()
    await service.engine.recorder.look()
    await service.engine.settled()
    assert console.asked == []
    service.when_it_is_answered()
    await service.engine.settled()
    service.when_much_is_announced("selamat-datang")
    await service.engine.recorder.look()
    await service.engine.settled()
    assert console.started == 1


@pytest.mark.parametrize("service", [False], indirect=True)
async def test_what_goes_on_already_is_left_alone(service: Service, console: Console) -> None:
    """An engine before this one began it, or the dialplan, which had the call first."""
    recordings.raw_path(service.settings.folders.recordings, CALL).write_bytes(b"\0" * 64)
    service.given_present(OPERATOR)
    service.when_a_call_arrives()
    service.when_it_is_answered()
    await service.engine.settled()
    assert console.asked == []


@pytest.mark.parametrize("service", [True], indirect=True)
async def test_where_waiting_is_recorded_the_dialplan_has_begun_it(
    service: Service, console: Console
) -> None:
    service.given_present(OPERATOR)
    service.when_a_call_arrives()
    service.when_it_is_answered()
    await service.engine.settled()
    assert console.asked == []


def dialplan(settings: Settings, folder: Path) -> str:
    names = [each.name for each in fields(AsteriskFolders)]
    folders = AsteriskFolders(**{name: folder / name for name in names})
    extensions = [each.extension for centre in settings.centres for each in centre.operators]
    render(settings, load_credentials(folder, extensions), folders)
    return (folders.etc / "extensions.conf").read_text()


def test_the_dialplan_records_from_the_answer_on_unless_the_centre_says_otherwise(
    tmp_path: Path,
) -> None:
    province = load_settings(PROVINCE)
    first, second = [each.id for each in province.centres][:2]
    everywhere = dialplan(recording_from(province, waiting=True), tmp_path)
    assert "waits)" in everywhere
    assert "?waits" not in everywhere
    assert ".raw,Dab)" not in everywhere

    of_one = dialplan(recording_from(province, waiting=False, centres=1), tmp_path)
    assert f'GotoIf($["${{ESS_RINGS}}" = "{first}"]?waits)' in of_one
    assert f'"{second}"]?waits' not in of_one
    unclaimed = {
        block.partition("]")[0]: block for block in of_one.split("[unclaimed-") if "]" in block
    }
    assert ".raw,Dab)" in unclaimed[first]
    assert ".raw,Dab)" not in unclaimed[second]
