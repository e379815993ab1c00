"""What operators ask for on their keys."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ess_pbx.domain.commands import Mark
from ess_pbx.domain.feature_codes import LONGEST, Command, Consult, dial


def dialled(keys: str) -> list[Command | Consult | Mark]:
    """The commands that a row of keys gives."""
    kept, commands = "", []
    for key in keys:
        kept, command = dial(kept, key)
        if command is not None:
            commands.append(command)
    return commands


@pytest.mark.parametrize(
    ("keys", "commands"),
    [
        ("*2#", [Command.BACK_TO_CALLER]),
        ("*3#", [Command.CONFERENCE]),
        ("*4#", [Command.LEAVE]),
        ("*119#", [Consult("119")]),
        ("*2001#", [Consult("2001")]),
        ("*8119#", [Consult("8119")]),
        ("*912345678#", [Consult("912345678")]),
        ("*0#", [Command.HOLD]),
        ("*5#", [Command.DROP]),
        ("*6#", [Command.SUPERVISOR]),
        ("*71#", [Mark.NORMAL]),
        ("*72#", [Mark.GHOST]),
        ("*73#", [Mark.PRANK]),
        ("*74#", [Mark.INFORMATION]),
        ("*119#*3#", [Consult("119"), Command.CONFERENCE]),
    ],
)
def test_a_closed_code_is_a_command(keys: str, commands: list[Command | Consult | Mark]) -> None:
    assert dialled(keys) == commands


@pytest.mark.parametrize(
    "keys", ["", "119#", "2#", "#", "*#", "*", "*7#", "*12#", "*75#", "*119", "*1234567890#"]
)
def test_anything_else_is_none(keys: str) -> None:
    assert dialled(keys) == []


def test_a_star_begins_anew_after_a_slip() -> None:
    assert dialled("*11*119#") == [Consult("119")]


def test_a_code_never_closed_is_forgotten() -> None:
    assert dialled("*" + "7" * LONGEST + "#*2#") == [Command.BACK_TO_CALLER]


@given(st.text("0123456789*#ABCD"))
def test_a_code_can_be_dialled_whatever_was_pressed_before(keys: str) -> None:
    assert dialled(keys + "*119#")[-1] == Consult("119")


@given(st.text("0123456789*#ABCD"))
def test_what_is_kept_never_grows_beyond_the_longest_code(keys: str) -> None:
    kept = ""
    for key in keys:
        kept, _ = dial(kept, key)
        assert len(kept) <= LONGEST
