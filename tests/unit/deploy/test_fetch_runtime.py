"""Fetching the runtime: which mirror, and what a machine hears that cannot have it.

Nothing here leaves the machine: the unreachable mirror is a closed port on loopback.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from deploy import debian_mirror, fetch_runtime
from deploy.debian_mirror import FetchError, Source

CHECKOUT = Path(__file__).parents[3]

DEB822 = """\
# written by the installer
Types: deb deb-src
URIs: http://mirror.invalid/debian
Suites: bookworm bookworm-updates
Components: main
 contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
# a comment between the fields
URIs: http://mirror.invalid/debian-security
Suites: bookworm-security
Components: main

Types: deb
Enabled: no
URIs: http://old.invalid/debian
Suites: bullseye
Components: main
"""


@pytest.fixture(autouse=True)
def no_mirror_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ESS_PBX_DEBIAN_MIRROR", raising=False)
    monkeypatch.delenv("ESS_PBX_RUNTIME", raising=False)


def given_apt(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder


def test_deb822_stanzas_give_their_fields_and_disabled_ones_are_left_out() -> None:
    sources = debian_mirror.parse_deb822(DEB822)

    assert sources == [
        Source(
            "http://mirror.invalid/debian",
            ("bookworm", "bookworm-updates"),
            ("main", "contrib"),
            "/usr/share/keyrings/debian-archive-keyring.gpg",
        ),
        Source("http://mirror.invalid/debian-security", ("bookworm-security",), ("main",)),
    ]


def test_one_line_entries_give_their_fields_with_or_without_options() -> None:
    sources = debian_mirror.parse_one_line(
        "# deb http://off.invalid/debian bookworm main\n"
        "deb [arch=amd64 signed-by=/k.gpg] http://a.invalid/debian trixie main contrib # near\n"
        "deb-src http://a.invalid/debian trixie main\n"
        "deb http://b.invalid/debian stable main\n"
    )

    assert sources == [
        Source("http://a.invalid/debian", ("trixie",), ("main", "contrib"), "/k.gpg"),
        Source("http://b.invalid/debian", ("stable",), ("main",)),
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("sources.list.d/debian.sources", DEB822),
        ("sources.list", "deb http://mirror.invalid/debian bookworm main\n"),
        ("sources.list.d/near.list", "deb http://mirror.invalid/debian testing main\n"),
    ],
)
def test_the_mirror_is_the_machines_own_in_either_format(
    tmp_path: Path, name: str, text: str
) -> None:
    assert debian_mirror.find_mirror(given_apt(tmp_path, {name: text})) == (
        "http://mirror.invalid/debian"
    )


def test_packages_of_others_for_debian_are_not_taken_for_the_archive(tmp_path: Path) -> None:
    apt = given_apt(
        tmp_path,
        {
            "sources.list": "deb cdrom:[Debian 12]/ bookworm main\n",
            "sources.list.d/browser.list": "deb http://browser.invalid/deb stable main\n",
            "sources.list.d/db.list": "deb http://db.invalid/apt bookworm-pgdg main\n",
            "sources.list.d/tool.list": "deb http://tool.invalid/apt bookworm main\n",
            "sources.list.d/z.sources": DEB822,
        },
    )

    assert debian_mirror.find_mirror(apt) == "http://mirror.invalid/debian"


def test_on_ubuntu_the_error_names_what_was_found_and_the_variable_to_set(tmp_path: Path) -> None:
    apt = given_apt(tmp_path, {"sources.list": "deb http://u.invalid/ubuntu noble main\n"})

    with pytest.raises(FetchError, match="no Debian mirror is configured") as error:
        debian_mirror.find_mirror(apt)

    assert "http://u.invalid/ubuntu" in str(error.value)
    assert "ESS_PBX_DEBIAN_MIRROR" in str(error.value)


def test_a_mirror_named_in_the_environment_goes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ESS_PBX_DEBIAN_MIRROR", "http://named.invalid/debian")

    mirror = debian_mirror.find_mirror(given_apt(tmp_path, {"sources.list": DEB822}))

    assert mirror == "http://named.invalid/debian"


def test_missing_keys_are_named_by_their_package(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="apt-get install debian-archive-keyring"):
        debian_mirror.find_keyring(tmp_path)


def given_checkout(folder: Path) -> Path:
    shutil.copytree(
        CHECKOUT / "deploy", folder / "deploy", ignore=shutil.ignore_patterns("__pycache__")
    )
    return folder


def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@pytest.mark.skipif(shutil.which("apt-get") is None, reason="no apt on this machine")
def test_an_unreachable_mirror_fails_fast_with_apts_words_and_leaves_nothing(
    tmp_path: Path,
) -> None:
    checkout = given_checkout(tmp_path)
    mirror = f"http://127.0.0.1:{closed_port()}/debian"

    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-B", str(checkout / "deploy/fetch_runtime.py")],
        env={
            **{k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")},
            "ESS_PBX_DEBIAN_MIRROR": mirror,
            # Only the tools themselves, so that a machine with Asterisk installed fetches too.
            "PATH": "/usr/bin:/bin",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1
    assert done.stdout == ""
    assert f"the Debian mirror {mirror} did not give the list" in done.stderr
    assert "apt-get: E: Failed to fetch" in done.stderr
    assert "set ESS_PBX_DEBIAN_MIRROR to another" in done.stderr
    assert time.monotonic() - began < 30
    assert [file.name for file in checkout.iterdir()] == ["deploy"]


def given_asterisk(root: Path, says: str) -> Path:
    program = root / "usr/sbin/asterisk"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho '{says}'\n")
    program.chmod(0o755)
    return root


def given_archive_with_asterisk(monkeypatch: pytest.MonkeyPatch, says: str) -> None:
    """apt answers, and what it gives unpacks to an Asterisk that says ``says``."""

    def unpack(_debs: object, root: Path) -> dict[str, str]:
        given_asterisk(root, says)
        return {"asterisk": "1:0"}

    monkeypatch.setattr(fetch_runtime, "system_suffices", lambda: False)
    monkeypatch.setattr(fetch_runtime, "find_mirror", lambda: "http://mirror.invalid/debian")
    monkeypatch.setattr(fetch_runtime, "find_keyring", lambda: Path("/k.gpg"))
    monkeypatch.setattr(fetch_runtime.PrivateApt, "update", lambda _apt: None)
    monkeypatch.setattr(fetch_runtime.PrivateApt, "download", lambda _apt: [])
    monkeypatch.setattr(fetch_runtime, "unpack", unpack)


def test_an_asterisk_too_old_is_refused_and_what_was_there_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_archive_with_asterisk(monkeypatch, "Asterisk 20.5.0~dfsg")
    before = tmp_path / "root/usr/before"
    before.mkdir(parents=True)

    with pytest.raises(FetchError, match=r"gave Asterisk 20\.5\.0; 22\.10\.1 or newer is needed"):
        fetch_runtime.fetch(tmp_path)

    assert before.is_dir()
    assert [file.name for file in tmp_path.iterdir()] == ["root"]


def test_what_was_fetched_is_stamped_and_not_fetched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_archive_with_asterisk(monkeypatch, "Asterisk 22.10.1~dfsg")
    fetch_runtime.fetch(tmp_path)
    monkeypatch.setattr(fetch_runtime, "find_mirror", lambda: pytest.fail("fetched again"))

    fetch_runtime.fetch(tmp_path)

    assert json.loads((tmp_path / "stamp.json").read_text())["asterisk"] == "22.10.1"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["root", "stamp.json"]


def test_too_small_a_disk_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_archive_with_asterisk(monkeypatch, "Asterisk 22.10.1")
    monkeypatch.setattr(fetch_runtime, "DISK_BYTES_NEEDED", 10**18)

    with pytest.raises(FetchError, match="MB free; unpacking needs"):
        fetch_runtime.fetch(tmp_path / "runtime")

    assert not (tmp_path / "runtime").exists()


def test_without_apt_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch_runtime, "system_suffices", lambda: False)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(FetchError, match="apt-get was not found"):
        fetch_runtime.fetch(tmp_path / "runtime")
