"""What a fault is given: a folder, a load, a database, and a centre under that load."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

from ess_pbx.chaos.callers import Caller, Callers
from ess_pbx.chaos.centre import CentreProcess
from ess_pbx.chaos.engine_process import Order
from ess_pbx.chaos.operators import PHONES_A_PROCESS, Operators
from ess_pbx.chaos.postgres import PostgresServer
from ess_pbx.chaos.recorded import recording_check
from ess_pbx.chaos.records import record_checks
from ess_pbx.chaos.stage import Load, settings_for
from ess_pbx.chaos.verdict import Check
from ess_pbx.installation import Progress
from ess_pbx.phones.softphone import Behaviour
from ess_pbx.settings.model import Settings

RELEASED_WITHIN = 5.0
WARM_UP = 3.0
"""Seconds of load before the fault, so that some talk, some ring and some wait."""

Prepare: TypeAlias = Callable[[Settings], Awaitable[int | None]]
"""Done before the engine starts; may give the port at which it finds Asterisk."""
Lines: TypeAlias = Callable[[Settings], Awaitable[tuple[Settings, Settings]]]
"""Makes lines to Asterisk; gives the settings as phones, and as callers, have them by those."""


@dataclass
class Running:
    """A centre under load."""

    centre: CentreProcess
    operators: Operators
    callers: Callers
    database: str

    @property
    def talked(self) -> list[Caller]:
        """Those whose call an operator picked up, also where that phone is gone by now."""
        return [
            caller
            for caller in self.callers.all
            if caller.established and self.operators.picked_up(caller.number)
        ]

    async def warm(self) -> None:
        """Let the load come up."""
        await asyncio.sleep(min(WARM_UP, self.callers.load.seconds / 3))

    async def checks(self, *, since: float | None = None, released: bool = True) -> list[Check]:
        """When all is over: callers, records, recordings, what is left in Asterisk after 5 s."""
        await self.callers.over()
        found = self.callers.checks(since=since)
        found += await record_checks(self.database, self.callers.all)
        found.append(await recording_check(self.centre, self.talked))
        found.append(self.centre.ended_twice())
        if released:
            left = await self.centre.leftovers(RELEASED_WITHIN)
            found.append(Check("left in Asterisk", left, at_most=0))
        return found


@dataclass
class Scene:
    """One fault's run."""

    folder: Path
    load: Load
    postgres: PostgresServer
    progress: Progress
    closing: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)
    """Ended after the run, whatever comes."""

    async def database(self) -> str:
        """An empty database of its own."""
        name = re.sub("[^a-z0-9]", "_", f"{self.folder.parent.name}_{self.folder.name}".lower())
        return await asyncio.to_thread(self.postgres.create_database, name)

    @contextlib.asynccontextmanager
    async def running(
        self,
        *,
        load: Load | None = None,
        database: str | None = None,
        own: str | None = None,
        behaviours: Sequence[Behaviour] = (),
        wrapper: Callable[[Settings], tuple[str, ...]] | None = None,
        prepare: Prepare | None = None,
        operators: int | None = None,
        standby: bool = False,
        menu: bool = False,
        phones_a_process: int = PHONES_A_PROCESS,
        more_calls: int = 0,
        lines: Lines | None = None,
        environment: Mapping[str, str] = MappingProxyType({}),
        before_calls: Callable[[], None] = lambda: None,
    ) -> AsyncIterator[Running]:
        """Engine, Asterisk, operators and callers; all ended afterwards.

        ``database`` is what the engine is given, where that is not the URL of its ``own`` database;
        ``more_calls`` are those that the fault itself adds to the load; ``before_calls`` is called
        when the operators are there.
        """
        wanted = load or self.load
        own = own or await self.database()
        settings = settings_for(
            self.folder / "s",
            database or own,
            wanted,
            operators=operators,
            calls=wanted.calls + more_calls,
            menu=menu,
        )
        ari_port = None if prepare is None else await prepare(settings)
        command = () if wrapper is None else wrapper(settings)
        for_phones, for_callers = (settings, settings) if lines is None else await lines(settings)
        async with contextlib.AsyncExitStack() as stack:
            centre = await stack.enter_async_context(
                CentreProcess(self.folder, Order(settings, ari_port, standby), command, environment)
            )
            phones = await stack.enter_async_context(
                Operators(
                    for_phones,
                    centre.credentials,
                    self.folder,
                    behaviours=behaviours,
                    a_process=phones_a_process,
                )
            )
            before_calls()
            callers = await stack.enter_async_context(
                Callers(for_callers, phones, self.folder / "callers", wanted, menu=menu)
            )
            yield Running(centre, phones, callers, own)


Inject: TypeAlias = Callable[[Scene], Awaitable[list[Check]]]
"""Injects one fault and says what it cost."""
