"""The disk that recordings go to is full."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import subprocess
import time
from pathlib import Path

from ess_pbx.chaos import ChaosError
from ess_pbx.chaos.centre import CentreProcess
from ess_pbx.chaos.scene import Scene
from ess_pbx.chaos.verdict import Check
from ess_pbx.db.replay import read_journal
from ess_pbx.domain.facts import FactKind
from ess_pbx.engine.segments import Damage
from ess_pbx.settings.model import Settings

ROOM = "256k"
"""Some seconds of a few calls; recordings are 16-bit at 8000 Hz, 16 kB a second each way."""
MORE_ROOM = "256m"
"""What is made of it in the end."""
ALARM, ALARM_WITHIN, OVER_WITHIN = "disk", 5.0, 5.0
"""``disk:recordings``. That a recording fails is told beside it (``recording-failed``)."""
FULL_WITHIN, FULL_SECONDS = 10.0, 8.0
_NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount")


def why_not() -> str | None:
    """Why a small disk cannot be had here; None when it can."""
    if not (shutil.which("unshare") and shutil.which("nsenter")):
        return "needs unshare(1) and nsenter(1) for a small disk of its own, or root"
    tried = subprocess.run([*_NAMESPACE, "true"], capture_output=True, check=False)  # noqa: S603
    if tried.returncode != 0:
        return "needs user namespaces for a small disk of its own, or root"
    return None


def _small_disk(settings: Settings) -> tuple[str, ...]:
    """Runs a command with its recordings on a tmpfs that nobody else sees."""
    folder = settings.folders.recordings
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    mount = f"mount -t tmpfs -o size={ROOM},mode=700 tmpfs {shlex.quote(str(folder))}"
    return (*_NAMESPACE, "sh", "-c", f'{mount} && exec "$@"', "sh")


async def full(scene: Scene) -> list[Check]:
    """Recordings on a disk of 256 kB, which is full within seconds; later there is room."""
    async with scene.running(wrapper=_small_disk) as running:
        centre = running.centre
        full_at = await centre.until(
            lambda: _is_full(centre), "the disk is full", scene.load.seconds + FULL_WITHIN
        )
        scene.progress("the disk is full")
        await asyncio.sleep(FULL_SECONDS)
        await _make_room(centre)
        room_at = time.monotonic()
        scene.progress("there is room")
        found = await running.checks()
        raised, cleared = centre.alarm_raised(ALARM), centre.alarm_cleared(ALARM)
        return [
            Check("room", float(ROOM.removesuffix("k")), unit="kB"),
            Check(
                "disk alarm",
                None if raised is None else round(max(raised - full_at, 0), 1),
                at_most=ALARM_WITHIN,
                unit="s",
            ),
            Check(
                "over, once there is room",
                None if cleared is None else round(cleared - room_at, 1),
                at_least=0,
                at_most=OVER_WITHIN,
                unit="s",
            ),
            Check("recordings that failed", len(centre.told(FactKind.RECORDING_FAILED))),
            Check("facts missing in the journal", await _not_in_journal(centre), at_most=0),
            *found,
        ]


def _is_full(centre: CentreProcess) -> bool:
    """Whether recordings have no room left, as the engine sees its disk."""
    seen = Path(f"/proc/{centre.engine_pid}/root{centre.settings.folders.recordings}")
    return os.statvfs(seen).f_bavail == 0


async def _make_room(centre: CentreProcess) -> None:
    """Make the small disk a larger one."""
    into = ("nsenter", "--target", str(centre.engine_pid), "--user", "--mount")
    mount = ("mount", "-o", f"remount,size={MORE_ROOM}", str(centre.settings.folders.recordings))
    tried = await asyncio.create_subprocess_exec(
        *(*into, "--preserve-credentials", *mount), stderr=asyncio.subprocess.PIPE
    )
    _, said = await tried.communicate()
    if tried.returncode != 0:
        raise ChaosError(f"no room could be made on the small disk: {said.decode().strip()}")


async def _not_in_journal(centre: CentreProcess) -> int:
    """Facts that the engine told of and that its journal lacks, and places that are damaged."""

    def compare() -> int:
        kept, wrong, expected = set[str](), 0, 1
        for item in read_journal(centre.settings.folders.state / "journal"):
            if isinstance(item, Damage):
                wrong += 1
                continue
            sequence, fact = item
            wrong += sequence != expected
            expected = sequence + 1
            kept.add(fact.id)
        return wrong + len({fact.id for _, fact in told} - kept)

    told = list(centre.facts)
    return await asyncio.to_thread(compare)
