"""Asterisk dies under its calls."""

from __future__ import annotations

import asyncio

from ess_pbx.chaos.records import call_back_numbers, calls_of, record_checks
from ess_pbx.chaos.scene import Scene
from ess_pbx.chaos.verdict import Check

USABLE_WITHIN = 10.0
STORED_WITHIN = 15.0
TOP_PRIORITY = 9


async def restart(scene: Scene) -> list[Check]:
    """``kill -9``: whoever was connected is cut off, and must be on record and be called back."""
    async with scene.running() as running:
        await running.warm()
        await asyncio.sleep(min(3.0, scene.load.seconds / 4))
        cut = [each for each in running.callers.all if each.call.end is None and each.established]
        killed = running.centre.kill_asterisk()
        scene.progress(f"Asterisk killed under {len(cut)} calls")
        rung = await running.centre.until(
            lambda: any(
                call.at.get("incoming", 0) > killed
                for phone in running.operators.phones
                for call in phone.calls
            ),
            "an operator is rung again",
            4 * USABLE_WITHIN,
        )
        await running.callers.over()
        records = await record_checks(running.database, cut, STORED_WITHIN)
        rows = {str(row["caller_e164"]): row for row in await calls_of(running.database)}
        causes = [str(rows[each.number]["reason"]) for each in cut if each.number in rows]
        tasks = await call_back_numbers(running.database)
        wanted = [tasks.get(each.number) for each in cut]
        later = [each for each in running.callers.all if (each.invited or 0) > rung]
        return [
            Check("cut off", len(cut)),
            *records,
            Check("without cause", len(cut) - causes.count("asterisk-lost"), at_most=0),
            Check("operators usable", round(rung - killed, 2), at_most=USABLE_WITHIN, unit="s"),
            Check("cut off without call-back task", wanted.count(None), at_most=0),
            Check(
                "lowest priority of a task",
                min((each for each in wanted if each is not None), default=None),
                at_least=TOP_PRIORITY,
            ),
            Check("failed afterwards", sum(each.failed for each in later), at_most=0),
        ]
