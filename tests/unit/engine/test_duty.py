"""The dialplan's list of phones follows the shift, also when its disk refused it once."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ess_pbx.demo.stage import sample
from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.events import AlarmChanged, ClockRead
from ess_pbx.engine import fallback
from ess_pbx.engine.duty import ALARM, Duty
from ess_pbx.settings.model import CHECKOUT

NOON = 1_800_000_000.0


class GivenDuty:
    """A centre whose clock is read, and what its core is told."""

    def __init__(self, folder: Path) -> None:
        self.told: list[Any] = []
        self.list = folder / "fallback" / "contoh"
        dispatcher: Any = SimpleNamespace(feed=self.told.append)
        self.duty = Duty(CallCentre(sample().centre_named()), dispatcher, None, self.list)

    async def reads(self, wall: float = NOON) -> list[AlarmChanged]:
        """What is told of the list when it is so late."""
        self.told.clear()
        await self.duty.read_clock(wall, phones_known=True)
        assert isinstance(self.told[-1], ClockRead)
        return [each for each in self.told if isinstance(each, AlarmChanged)]


async def test_a_list_that_could_not_be_written_is_an_alarm_and_written_at_the_next_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = GivenDuty(tmp_path)

    def refuses(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(fallback, "write", refuses)
        (raised,) = await given.reads()
        assert (raised.alarm, raised.standing) == (ALARM, True)
        assert "No space left on device" in raised.detail
        assert not given.list.exists()

    (cleared,) = await given.reads(NOON + 5)
    assert (cleared.alarm, cleared.standing) == (ALARM, False)
    assert given.duty.on_duty is not None
    listed, _, after = given.list.read_text().partition(fallback.END)
    assert {*listed.split("&")} == {f"PJSIP/{e}" for e in given.duty.on_duty}
    assert after == "", "whatever Asterisk reads beyond is not of the list"


async def test_a_list_that_says_what_is_so_is_not_written_again(
    tmp_path: Path,
) -> None:
    given = GivenDuty(tmp_path)
    await given.reads()
    given.list.unlink()
    assert await given.reads(NOON + 5) == []
    assert not given.list.exists()


@pytest.mark.parametrize("count", [372, 373, 3000])
def test_a_list_is_cut_between_two_phones_where_the_dialplan_ends_to_read(
    tmp_path: Path, count: int
) -> None:
    everyone = [str(number) for number in range(1000, 1000 + count)]

    fallback.write(tmp_path / "list", (), everyone)

    text = (tmp_path / "list").read_text()
    listed = text.removesuffix(fallback.END).split("&")
    assert text.endswith(fallback.END)
    assert listed == [f"PJSIP/{each}" for each in everyone[: len(listed)]]
    assert len(listed) == min(count, 372), "as many as there is room for"
    assert len(text) <= fallback.LONGEST
    dialplan = (CHECKOUT / "dialplan" / "extensions.conf.j2").read_text()
    assert f"}},0,{fallback.LONGEST})" in dialplan, "what FILE() reads"
