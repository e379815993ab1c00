"""Asterisk dies under its calls."""

from __future__ import annotations

import asyncio

from ess_pbx.chaos.centre import CentreProcess
from ess_pbx.chaos.operators import WITH_A_SECOND_LINE
from ess_pbx.chaos.recorded import recording_check
from ess_pbx.chaos.records import call_back_numbers, calls_of, record_checks
from ess_pbx.chaos.scene import Scene
from ess_pbx.chaos.verdict import Check
from ess_pbx.domain.agent import AgentState
from ess_pbx.domain.facts import FactKind

USABLE_WITHIN = 10.0
STORED_WITHIN = 15.0
TOP_PRIORITY = 9
NOTICED = 2.0
"""Seconds until an operator whose caller is gone without a word hangs up."""
PRESENT = "present"


async def restart(scene: Scene) -> list[Check]:
    """``kill -9``: whoever was connected is cut off, and must be on record and be called back."""
    # Whoever picked up in that very moment has a call that no hanging up ends before 64·T1 (32 s):
    # without an ACK a phone may send no BYE (RFC 3261 §15). It keeps a line of their own phone.
    async with scene.running(phones_a_process=WITH_A_SECOND_LINE) as running:
        await running.warm()
        await asyncio.sleep(min(3.0, scene.load.seconds / 4))
        cut = [each for each in running.callers.all if each.call.end is None and each.established]
        killed = running.centre.kill_asterisk()
        scene.progress(f"Asterisk killed under {len(cut)} calls")
        hung_up = asyncio.create_task(running.operators.hang_up_what_is_dead(killed, NOTICED))
        rung = await running.centre.until(
            lambda: any(
                call.at.get("incoming", 0) > killed
                for phone in running.operators.phones
                for call in phone.calls
            ),
            "an operator is rung again",
            4 * USABLE_WITHIN,
        )
        await hung_up
        await running.callers.over()
        records = await record_checks(running.database, cut, STORED_WITHIN)
        rows = {str(row["caller_e164"]): row for row in await calls_of(running.database)}
        causes = [str(rows[each.number]["reason"]) for each in cut if each.number in rows]
        tasks = await call_back_numbers(running.database)
        wanted = [tasks.get(each.number) for each in cut]
        usable = all_usable(running.centre, killed)
        vain = [at for at, _ in running.centre.told(FactKind.OFFER_MISSED) if at > killed]
        talked = [each for each in running.talked if each.left_at is not None or each in cut]
        recorded = await recording_check(running.centre, talked, killed)
        later = [each for each in running.callers.all if (each.invited or 0) > rung]
        return [
            Check("cut off", len(cut)),
            *records,
            Check("without cause", len(cut) - causes.count("asterisk-lost"), at_most=0),
            Check("a phone rings again", round(rung - killed, 2), at_most=USABLE_WITHIN, unit="s"),
            Check("operators", len(running.centre.settings.centre_named().operators)),
            Check("all usable", usable, at_most=USABLE_WITHIN, unit="s"),
            Check("offered in vain", len(vain)),
            Check("of them later", sum(at > killed + USABLE_WITHIN for at in vain), at_most=0),
            Check("cut off without call-back task", wanted.count(None), at_most=0),
            Check(
                "lowest priority of a task",
                min((each for each in wanted if each is not None), default=None),
                at_least=TOP_PRIORITY,
            ),
            Check("failed afterwards", sum(each.failed for each in later), at_most=0),
            recorded,
            running.centre.ended_twice(),
        ]


def all_usable(centre: CentreProcess, killed: float) -> float | None:
    """Seconds after which no operator is away or passed over any more; None for never."""
    bad: dict[str, bool] = {}
    since: float | None = None
    last = killed
    for at, fact in centre.told(FactKind.AGENT_STATE):
        if at < killed:
            continue
        bad[str(fact.data["agent"])] = (
            fact.data["status"] != PRESENT or fact.data["state"] == AgentState.PAUSED
        )
        if any(bad.values()):
            since = at if since is None else since
        elif since is not None:
            since, last = None, at
    return None if since is not None else round(last - killed, 2)
