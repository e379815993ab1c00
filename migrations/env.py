"""Run by Alembic; ``ess_pbx.db.migrate`` hands over the connection to work on."""

from typing import Any, Literal

from alembic import context
from sqlalchemy import Connection

from ess_pbx.db.tables import Moment, metadata

connection: Connection | None = context.config.attributes.get("connection")
if connection is None:
    raise SystemExit("migrations run through ess_pbx.db.migrate: use `ess-pbx migrate`")


def plain(kind: str, item: object, _context: Any) -> str | Literal[False]:
    """Keep migrations free of the program's own types, which may change after them."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, Moment) else False


context.configure(
    connection=connection,
    target_metadata=metadata,
    # SQLite alters a table only by making it anew.
    render_as_batch=connection.dialect.name == "sqlite",
    compare_server_default=True,
    render_item=plain,
)
with context.begin_transaction():
    context.run_migrations()
