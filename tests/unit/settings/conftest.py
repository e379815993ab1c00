"""The smallest settings file in which nothing is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

PLAIN = """\
[centre]
id = "contoh"
name = "Pusat 112"
first_menu = "utama"
menus = "menus.yaml"
default_queue = "umum"
default_category = "lainnya"
area_code = "0254"
[policy]
ring = 12
[asterisk]
sip_port = 5060
ari_port = 8088
rtp_first = 10000
rtp_last = 10999
[folders]
state = "state"
templates = "."
dialplan = "."
prompts = "prompts"
[database]
url = "postgresql+psycopg://ess:${ESS_TEST_PASSWORD}@127.0.0.1/ess"
[[trunks]]
id = "telco-a"
name = "Telco A"
address = "127.0.0.1"
port = 5080
entry_numbers = ["112", "+62112"]
[[queues]]
id = "umum"
name = "Umum"
operators = ["1001"]
[[categories]]
id = "lainnya"
name = "Lainnya"
queue = "umum"
[[shifts]]
id = "pagi"
name = "Pagi"
starts = 07:00:00
ends = "19:00"
operators = ["1001"]
[[shifts]]
id = "malam"
name = "Malam"
starts = "19:00"
ends = "07:00"
operators = ["1002"]
[[operators]]
extension = "1001"
name = "Satu"
[[operators]]
extension = "1002"
name = "Dua"
[[agencies]]
id = "psc"
name = "PSC"
code = "119"
contact = "sip:119@127.0.0.1:5090"
categories = ["lainnya"]
"""


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Write the plain settings with texts replaced, in a folder where all else is in order."""
    monkeypatch.setenv("ESS_TEST_PASSWORD", "p@ss/word")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "id.yaml").write_text("selamat-datang: Halo.\nmenu-utama: Tekan.\n")
    (tmp_path / "menus.yaml").write_text(
        "utama:\n  prompts: [menu-utama]\n  otherwise: {queue: umum}\n"
    )

    def write(*changes: tuple[str, str]) -> Path:
        source = PLAIN
        for old, new in changes:
            assert old in source
            source = source.replace(old, new, 1)
        Path("centre.toml").write_text(source)
        return Path("centre.toml")

    return write
