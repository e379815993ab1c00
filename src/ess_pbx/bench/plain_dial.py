"""The centre that is measured: no menu, one operator, and a second trunk that no engine sees.

The second trunk's dialplan is the plain ``Dial()`` that the engine is held against. It is added to
copies of the templates, which the installation then renders like its own.
"""

from __future__ import annotations

import shutil
import socket
from datetime import time
from pathlib import Path

from msgspec.structs import replace

from ess_pbx.asterisk.free_ports import free_port
from ess_pbx.bench import BenchError
from ess_pbx.demo.stage import HOST, loopback, sample
from ess_pbx.domain.config import Policy, Shift
from ess_pbx.settings.model import Settings

PLAIN = "bench-plain"
"""Trunk and dialplan context of the calls that no engine sees."""

_TRUNK = """
[{plain}](trunk)
context = {plain}
allow = alaw,ulaw
aors = {plain}

[{plain}]
type = aor
contact = sip:{host}:{port}

[{plain}]
type = identify
endpoint = {plain}
match = {host}:{port}
"""

_CONTEXT = """
[{plain}]
exten => 112,1,Dial(PJSIP/{extension})
"""


def stage(folder: Path) -> tuple[Settings, int]:
    """Settings of the centre, all it keeps in ``folder``, and the second trunk's port.

    Raises BenchError when ``folder`` holds something already.
    """
    if folder.exists() and any(folder.iterdir()):
        raise BenchError(f"{folder} is not empty; expected a new folder for the benchmark")
    settings = loopback(sample(), folder / "state", policy=Policy(ring=60, rona_pause=0.1))
    centre = settings.centre_named()
    operator = centre.operators[0]
    whole_day = Shift(
        id="bench",
        name="Bench",
        starts=time(0),
        ends=time(0),
        operators=(operator.extension,),
    )
    port = free_port(socket.SOCK_DGRAM)
    names = {"plain": PLAIN, "host": HOST, "port": port, "extension": operator.extension}
    folders = replace(
        settings.folders,
        templates=_copy(settings.folders.templates, folder / "asterisk"),
        dialplan=_copy(settings.folders.dialplan, folder / "dialplan"),
    )
    _append(folders.templates / "pjsip.conf.j2", _TRUNK.format(**names))
    _append(folders.dialplan / "extensions.conf.j2", _CONTEXT.format(**names))
    centre = replace(centre, first_menu=None, operators=(operator,), shifts=(whole_day,))
    return replace(settings, centres=(centre,), folders=folders), port


def _copy(source: Path, target: Path) -> Path:
    shutil.copytree(source, target)
    return target


def _append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)
