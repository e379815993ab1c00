"""The projector: a background task that carries the journal into the database, exactly once.

The position in the journal is written in the same transaction as what the facts changed, so
after a crash on either side it goes on at the right place. While the database is away, facts stay
in the journal.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

from sqlalchemy import select
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, StatementError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from ess_pbx.db.changes import Change, Upsert, Values, clean, fold, moment, text
from ess_pbx.db.projections import changes
from ess_pbx.db.statements import by_shape, insert_missing, statement
from ess_pbx.db.tables import call_events, calls, centres, projection
from ess_pbx.domain.facts import Fact, FactKind
from ess_pbx.engine.journal import Journal
from ess_pbx.engine.segments import Cursor, JournalError, Record

BATCH = 256
BATCH_SECONDS = 30.0
BACKOFF_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


def _ignore(*_: object) -> None:
    pass


async def _nothing(_engine: AsyncEngine) -> None:
    pass


class Projector:
    """Follows ``journal`` into the database of ``engine`` while ``run`` runs.

    ``prepare`` is called, and tried again until it succeeds, before the first fact: the place for
    migrations and the rows of the settings. ``on_trouble(reason)`` is told once when the database
    stops taking facts and of each fact that it cannot hold; ``on_recovered()`` when it goes on.
    """

    def __init__(
        self,
        journal: Journal,
        engine: AsyncEngine,
        *,
        prepare: Callable[[AsyncEngine], Awaitable[None]] = _nothing,
        on_trouble: Callable[[str], None] = _ignore,
        on_recovered: Callable[[], None] = _ignore,
        backoff_seconds: Sequence[float] = BACKOFF_SECONDS,
    ) -> None:
        self._journal = journal
        self._engine = engine.execution_options(sqlite_begin="IMMEDIATE")
        self._prepare = prepare
        self._on_trouble = on_trouble
        self._on_recovered = on_recovered
        self._backoff_seconds = backoff_seconds
        self._prepared = False
        self._failures = 0
        self._batch = BATCH
        self._position = 0
        self._progress = asyncio.Condition()

    @property
    def position(self) -> int:
        """The sequence of the last fact that the database surely holds."""
        return self._position

    @property
    def lag(self) -> int:
        """How many facts are on disk and not yet in the database."""
        return max(0, self._journal.durable - self._position)

    async def run(self) -> None:
        """Carry facts over until cancelled, or all of a closed journal is in the database.

        Trouble never ends it.
        """
        while True:
            try:
                await self._follow()
            except JournalError:
                return
            except Exception as error:
                await self._back_off(error)

    async def reached(self, sequence: int) -> None:
        """Wait until the database holds the fact with ``sequence``."""
        async with self._progress:
            await self._progress.wait_for(lambda: self._position >= sequence)

    async def _follow(self) -> None:
        if not self._prepared:
            await self._prepare(self._engine)
            self._prepared = True
        await self._advance(await self._find_position())
        cursor = self._journal.cursor(self._position + 1)
        while True:
            seen = self._journal.durable
            records = await asyncio.to_thread(cursor.take, self._batch)
            if not records:
                self._recover()
                await self._journal.flushed(seen + 1)
                continue
            await self._store(records)
            self._recover()
            await self._advance(records[-1][0])

    async def _find_position(self) -> int:
        """Where to go on; 0 when the journal is not the one that the database has followed."""
        async with asyncio.timeout(BATCH_SECONDS), self._engine.begin() as connection:
            at, fact = await _stored_position(connection, self._journal.id)
            if at == 0:
                return 0
            cursor: Cursor = self._journal.cursor(at)
            found = await asyncio.to_thread(cursor.take, 1)
            if found and found[0][0] == at and found[0][1].id == fact:
                return at
            self._on_trouble(
                f"journal {self._journal.folder}: record {at} is not fact {fact} any more, which "
                "the database followed it to; all of it is compared with the database again"
            )
            await _store_position(connection, self._journal.id, 0, None)
            return 0

    async def _store(self, records: list[Record]) -> None:
        async with asyncio.timeout(BATCH_SECONDS):
            try:
                async with self._engine.begin() as connection:
                    await self._store_in(connection, records, one_by_one=False)
            except Exception as error:
                if not _is_of_the_fact(error):
                    raise
                async with self._engine.begin() as connection:
                    await self._store_in(connection, records, one_by_one=True)

    async def _store_in(
        self, connection: AsyncConnection, records: list[Record], *, one_by_one: bool
    ) -> None:
        if one_by_one:
            for record in records:
                await self._store_alone(connection, record)
        else:
            await project(connection, records, self._journal.id)
        sequence, fact = records[-1]
        await _store_position(connection, self._journal.id, sequence, fact.id)

    async def _store_alone(self, connection: AsyncConnection, record: Record) -> None:
        """One fact; if the database cannot hold it, the others still go in."""
        try:
            async with connection.begin_nested():
                await project(connection, [record], self._journal.id)
        except Exception as error:
            if not _is_of_the_fact(error):
                raise
            sequence, fact = record
            self._on_trouble(
                f"fact {fact.id} ({fact.kind}), record {sequence} of journal "
                f"{self._journal.folder}, cannot be held by the database: {_summary(error)}; it "
                "is left out there and kept in the journal: report this as a fault of ess-pbx"
            )

    async def _advance(self, position: int) -> None:
        async with self._progress:
            self._position = position
            self._progress.notify_all()

    def _recover(self) -> None:
        self._batch = min(BATCH, self._batch * 2)
        if self._failures:
            self._failures = 0
            self._on_recovered()

    async def _back_off(self, error: Exception) -> None:
        if not self._failures:
            self._on_trouble(
                f"database: {_summary(error)}; {self.lag} facts wait in the journal and are tried "
                "again: start the database, or see its log"
            )
        delay = self._backoff_seconds[min(self._failures, len(self._backoff_seconds) - 1)]
        self._failures += 1
        # A database so slow that a batch runs out of time gets smaller ones.
        self._batch = max(1, self._batch // 2)
        await asyncio.sleep(delay)


async def project(connection: AsyncConnection, records: Sequence[Record], journal: str) -> None:
    """Put facts of the journal with id ``journal`` into the tables, within the caller's
    transaction; those whose event is there already change nothing.
    """
    ids = [text(fact.id) for _, fact in records]
    rows = await connection.execute(select(call_events.c.id).where(call_events.c.id.in_(ids)))
    known = set(rows.scalars())
    new: dict[str | None, Record] = {}
    for record in records:
        fact_id = text(record[1].id)
        if fact_id not in known:
            new.setdefault(fact_id, record)
    # A checkpoint is the engine's own note, and repeats what other facts say.
    for fact_id, (_, fact) in list(new.items()):
        if fact.kind == FactKind.CHECKPOINT:
            del new[fact_id]
    facts = [fact for _, fact in new.values()]
    if not facts:
        return
    dialect = connection.dialect.name
    # Rows that others refer to come first: a fact may be of a call whose arrival was lost.
    homes = dict.fromkeys(text(fact.centre) for fact in facts)
    parents = {text(fact.call): text(fact.centre) for fact in facts if fact.call is not None}
    for table, values in (
        (centres, [{"id": centre} for centre in homes]),
        (calls, [{"id": call, "centre": centre} for call, centre in parents.items()]),
        (call_events, [_event(*record, journal) for record in new.values()]),
    ):
        if values:
            await connection.execute(insert_missing(dialect, table), values)
    await _execute(connection, fold(change for fact in facts for change in changes(fact)))


async def _execute(connection: AsyncConnection, wanted: Iterable[Change]) -> None:
    for shape, values in by_shape(wanted).items():
        await connection.execute(statement(connection.dialect.name, shape), values)


def _event(sequence: int, fact: Fact, journal: str) -> Values:
    return {
        "id": text(fact.id),
        "centre": text(fact.centre),
        "call": text(fact.call),
        "kind": text(fact.kind),
        "at": moment(fact.at) or moment(0),
        "ms": fact.ms,
        "data": clean(fact.data),
        "journal": journal,
        "position": sequence,
    }


async def _stored_position(connection: AsyncConnection, journal: str) -> tuple[int, str | None]:
    query = select(projection.c.position, projection.c.fact).where(projection.c.journal == journal)
    row = (await connection.execute(query)).one_or_none()
    return (0, None) if row is None else (row.position, row.fact)


async def _store_position(
    connection: AsyncConnection, journal: str, position: int, fact: str | None
) -> None:
    row = {"position": position, "fact": text(fact)}
    await _execute(connection, [Upsert(projection, {"journal": journal}, latest=row)])


def _is_of_the_fact(error: Exception) -> bool:
    """Whether the fact is to blame, so that trying it again would never help."""
    if isinstance(error, DBAPIError):
        return isinstance(error, DataError | IntegrityError)
    return isinstance(error, StatementError | TypeError | ValueError | ArithmeticError)


def _summary(error: Exception) -> str:
    cause = error.orig if isinstance(error, StatementError) and error.orig else error
    first, *_ = str(cause).strip().splitlines() or [type(cause).__name__]
    return first
