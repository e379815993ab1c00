"""The disk that recordings go to is full."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

from ess_pbx.chaos.centre import CentreProcess
from ess_pbx.chaos.scene import Scene
from ess_pbx.chaos.verdict import Check
from ess_pbx.domain.facts import FactKind
from ess_pbx.settings.model import Settings

ROOM = "256k"
"""Some seconds of a few calls; recordings are 16-bit at 8000 Hz, 16 kB a second each way."""
ALARM_WITHIN = 5.0
FULL_WITHIN = 10.0
_NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount")


def why_not() -> str | None:
    """Why a small disk cannot be had here; None when it can."""
    if shutil.which("unshare") is None:
        return "needs unshare(1) for a small disk of its own, or root"
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
    """Recordings on a disk of 256 kB, which is full within seconds."""
    async with scene.running(wrapper=_small_disk) as running:
        full_at = await running.centre.until(
            lambda: _is_full(running.centre), "the disk is full", scene.load.seconds + FULL_WITHIN
        )
        scene.progress("the disk is full")
        found = await running.checks()
        alarms = [
            at
            for kind in (FactKind.ALARM_RAISED, FactKind.RECORDING_FAILED)
            for at, _ in running.centre.told(kind)
        ]
        return [
            Check("room", float(ROOM.removesuffix("k")), unit="kB"),
            Check(
                "alarm",
                round(max(min(alarms) - full_at, 0), 1) if alarms else None,
                at_most=ALARM_WITHIN,
                unit="s",
            ),
            *found,
        ]


def _is_full(centre: CentreProcess) -> bool:
    """Whether recordings have no room left, as the engine sees its disk."""
    seen = Path(f"/proc/{centre.engine_pid}/root{centre.settings.folders.recordings}")
    return os.statvfs(seen).f_bavail == 0
