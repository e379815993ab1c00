"""Where programs are found, how they are started, and what is said when they are not there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ess_pbx import runtime as runtime_module
from ess_pbx.errors import RuntimeMissingError
from ess_pbx.runtime import Runtime, unprivileged

TRIPLET = "riscv64-linux-gnu"


@pytest.fixture(autouse=True)
def no_runtime_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ESS_PBX_RUNTIME", raising=False)


def given_program(file: Path, says: str = "") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\necho '{says}'\n")
    file.chmod(0o755)
    return file


def given_tree(root: Path) -> Path:
    """A private tree whose loader does what ld.so does: drops its options, runs the program."""
    loader = root / f"usr/lib/{TRIPLET}/ld-linux-riscv64-lp64d.so.1"
    loader.parent.mkdir(parents=True)
    loader.write_text('#!/bin/sh\nshift 3\nexec "$@"\n')
    loader.chmod(0o755)
    (loader.parent / "asterisk/modules").mkdir(parents=True)
    (root / "usr/share/asterisk/rest-api").mkdir(parents=True)
    return root


def test_a_private_program_starts_through_the_trees_own_loader(tmp_path: Path) -> None:
    tree = given_tree(tmp_path)
    sipp = given_program(tree / "usr/bin/sipp")

    command = Runtime(tree).command("sipp")

    libraries = tree / "usr/lib" / TRIPLET
    assert command == [
        str(libraries / "ld-linux-riscv64-lp64d.so.1"),
        "--inhibit-cache",
        "--library-path",
        str(libraries),
        str(sipp),
    ]


def test_the_newest_postgresql_is_taken(tmp_path: Path) -> None:
    tree = given_tree(tmp_path)
    for version in ("9.6", "17", "18"):
        given_program(tree / f"usr/lib/postgresql/{version}/bin/initdb")

    assert Runtime(tree).program("initdb") == tree / "usr/lib/postgresql/18/bin/initdb"


def test_a_program_the_tree_lacks_comes_from_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = given_program(tmp_path / "bin/ess-test-program")
    monkeypatch.setenv("PATH", str(program.parent))

    assert Runtime(given_tree(tmp_path / "tree")).command("ess-test-program") == [str(program)]


def test_a_program_that_is_nowhere_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(RuntimeMissingError, match=r"no-such-program was not found.*Run \./ess"):
        Runtime(given_tree(tmp_path)).command("no-such-program")


def test_espeak_is_told_where_its_voices_lie(tmp_path: Path) -> None:
    tree = given_tree(tmp_path)
    given_program(tree / "usr/bin/espeak-ng")

    environment = Runtime(tree).environment("espeak-ng")

    assert environment == {"ESPEAK_DATA_PATH": str(tree / "usr/lib" / TRIPLET)}


def test_asterisks_data_and_modules_are_the_trees(tmp_path: Path) -> None:
    tree = given_tree(tmp_path)
    given_program(tree / "usr/sbin/asterisk")

    assert (Runtime(tree).data_dir("asterisk") / "rest-api").is_dir()
    assert Runtime(tree).modules_dir() == tree / "usr/lib" / TRIPLET / "asterisk/modules"


@pytest.mark.parametrize(
    ("says", "version"),
    [
        ("Asterisk 22.10.1+dfsg+~cs6.17.60671434-1", (22, 10, 1)),
        ("Asterisk 23.0.0", (23, 0, 0)),
    ],
)
def test_an_asterisk_new_enough_is_accepted(
    tmp_path: Path, says: str, version: tuple[int, int, int]
) -> None:
    tree = given_tree(tmp_path)
    given_program(tree / "usr/sbin/asterisk", says)

    assert Runtime(tree).require_asterisk() == version


@pytest.mark.parametrize("says", ["Asterisk 20.5.0~dfsg", "Asterisk 22.10.0", "Asterisk 22.9.9"])
def test_an_asterisk_too_old_is_refused_with_what_to_do(tmp_path: Path, says: str) -> None:
    tree = given_tree(tmp_path)
    given_program(tree / "usr/sbin/asterisk", says)

    with pytest.raises(RuntimeMissingError, match=r"needs 22\.10\.1 or newer.*Delete \.runtime"):
        Runtime(tree).require_asterisk()


def test_an_asterisk_that_says_nothing_of_a_version_is_refused(tmp_path: Path) -> None:
    tree = given_tree(tmp_path)
    given_program(tree / "usr/sbin/asterisk", "hello")

    with pytest.raises(RuntimeMissingError, match="said 'hello'"):
        Runtime(tree).require_asterisk()


def test_the_environment_names_another_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ESS_PBX_RUNTIME", str(given_tree(tmp_path)))

    assert Runtime.find().root == tmp_path


def test_a_named_folder_that_is_no_tree_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ESS_PBX_RUNTIME", str(tmp_path))

    with pytest.raises(RuntimeMissingError, match="holds no usr/ folder"):
        Runtime.find()


def test_an_ordinary_user_runs_a_command_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    assert unprivileged(["postgres", "-D", "x"]) == ["postgres", "-D", "x"]


def test_root_runs_a_command_through_the_first_way_down_that_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "unshare").write_text("#!/bin/sh\nexit 1\n")
    given_program(tmp_path / "setpriv")
    (tmp_path / "unshare").chmod(0o755)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", str(tmp_path))
    runtime_module._drop_root.cache_clear()

    command = unprivileged(["postgres"])

    runtime_module._drop_root.cache_clear()
    assert command[0] == "setpriv"
    assert command[-2:] == ["--", "postgres"]
