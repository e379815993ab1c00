"""The tables, the same on SQLite and PostgreSQL.

Facts must never be refused: what a fact may not know is nullable, and a call refers to its trunk,
operator and agency by the names used in the settings, without foreign keys, since a call may come
over a trunk or to a person that the settings no longer know. Rows of the settings are never
deleted, only made inactive: history refers to them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    Time,
    TypeDecorator,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Moment(TypeDecorator[datetime]):
    """A point in time, aware and in UTC on both databases; SQLite itself keeps no zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(
        self,
        value: datetime | None,
        dialect: Dialect,  # noqa: ARG002
    ) -> datetime | None:
        """To UTC; a naive time is an error of the program."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone; expected an aware datetime")
        return value.astimezone(UTC)

    def process_result_value(
        self,
        value: Any | None,
        dialect: Dialect,  # noqa: ARG002
    ) -> datetime | None:
        """From UTC, or from the zone of the PostgreSQL session."""
        if value is None:
            return None
        moment: datetime = value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


Document = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


def _active() -> Column[bool]:
    return Column("active", Boolean(), nullable=False, server_default=true())


centres = Table(
    "centres",
    metadata,
    Column("id", String(), primary_key=True),
    Column("name", String()),
    Column("time_zone", String()),
    Column("language", String()),
)

trunks = Table(
    "trunks",
    metadata,
    Column("centre", ForeignKey(centres.c.id), primary_key=True),
    Column("id", String(), primary_key=True),
    Column("name", String()),
    Column("address", String()),
    Column("port", Integer()),
    _active(),
)

agents = Table(
    "agents",
    metadata,
    Column("centre", ForeignKey(centres.c.id), primary_key=True),
    Column("extension", String(), primary_key=True),
    Column("name", String()),
    # As the last agent_state said.
    Column("status", String()),
    Column("state", String()),
    Column("call", String()),
    Column("state_at", Moment()),
    _active(),
)

shifts = Table(
    "shifts",
    metadata,
    Column("centre", ForeignKey(centres.c.id), primary_key=True),
    Column("id", String(), primary_key=True),
    Column("name", String()),
    # In the centre's local time.
    Column("starts", Time()),
    Column("ends", Time()),
    _active(),
)

shift_members = Table(
    "shift_members",
    metadata,
    Column("centre", String(), primary_key=True),
    Column("shift", String(), primary_key=True),
    Column("agent", String(), primary_key=True),
    ForeignKeyConstraint(["centre", "shift"], [shifts.c.centre, shifts.c.id]),
    ForeignKeyConstraint(["centre", "agent"], [agents.c.centre, agents.c.extension]),
)

agencies = Table(
    "agencies",
    metadata,
    Column("centre", ForeignKey(centres.c.id), primary_key=True),
    Column("id", String(), primary_key=True),
    Column("name", String()),
    Column("code", String()),
    Column("contact", String()),
    _active(),
)

calls = Table(
    "calls",
    metadata,
    Column("id", String(), primary_key=True),
    Column("centre", ForeignKey(centres.c.id), nullable=False),
    Column("trunk", String()),
    Column("node", String()),
    Column("channel", String()),
    Column("caller_raw", String()),
    Column("caller_e164", String()),
    Column("caller_display", String()),
    Column("called", String()),
    Column("category", String()),
    Column("queue", String()),
    Column("priority", Integer()),
    Column("language", String()),
    # in or out; None is in: only call-backs go out.
    Column("direction", String()),
    # The caller's call before this one, which nobody answered.
    Column("earlier", String()),
    Column("invited_at", Moment()),
    Column("answered_at", Moment()),
    Column("queued_at", Moment()),
    Column("operator_answered_at", Moment()),
    Column("agency_answered_at", Moment()),
    Column("ended_at", Moment()),
    # Milliseconds since the INVITE on the monotonic clock: the service level is counted in these.
    Column("operator_answered_ms", BigInteger()),
    Column("agency_answered_ms", BigInteger()),
    Column("ended_ms", BigInteger()),
    Column("operator", String()),
    Column("agency", String()),
    # The one terminal record: set together, once.
    Column("result", String()),
    Column("reason", String()),
    Column("channel_cause", Integer()),
    Column("ended_by", String()),
    # What people last said it was: normal, ghost, prank or informasi.
    Column("mark", String()),
    Index(None, "centre", "invited_at"),
    Index(None, "caller_e164", "invited_at"),
    Index(None, "invited_at"),
)

legs = Table(
    "legs",
    metadata,
    Column("id", String(), primary_key=True),
    Column("call", ForeignKey(calls.c.id), nullable=False, index=True),
    # caller, operator or agency
    Column("role", String()),
    Column("party", String()),
    Column("started_at", Moment()),
    Column("rung_at", Moment()),
    Column("answered_at", Moment()),
    Column("ended_at", Moment()),
    # Q.850, or why an offer or a consult came to nothing.
    Column("cause", String()),
)

call_events = Table(
    "call_events",
    metadata,
    Column("id", String(), primary_key=True),
    Column("centre", ForeignKey(centres.c.id), nullable=False),
    Column("call", ForeignKey(calls.c.id)),
    Column("kind", String(), nullable=False),
    Column("at", Moment(), nullable=False),
    Column("ms", BigInteger()),
    Column("data", Document, nullable=False),
    Column("journal", String(), nullable=False),
    Column("position", BigInteger(), nullable=False),
    Index(None, "call", "position"),
    Index(None, "centre", "kind", "at"),
)

audit = Table(
    "audit",
    metadata,
    # The fact's own.
    Column("id", String(), primary_key=True),
    Column("centre", ForeignKey(centres.c.id), nullable=False),
    Column("at", Moment(), nullable=False),
    Column("by", String(), nullable=False),
    Column("via", String(), nullable=False),
    # The fact's kind.
    Column("action", String(), nullable=False),
    Column("call", ForeignKey(calls.c.id)),
    # The rest of the fact's data.
    Column("subject", Document, nullable=False),
    Index(None, "centre", "at"),
    Index(None, "by", "at"),
)

recordings = Table(
    "recordings",
    metadata,
    Column("id", String(), primary_key=True),
    Column("call", ForeignKey(calls.c.id), nullable=False, index=True),
    Column("path", String()),
    # started, finished, failed or sealed
    Column("state", String()),
    Column("reason", String()),
    Column("started_at", Moment()),
    Column("finished_at", Moment()),
    Column("seconds", Float(53)),
    Column("sample_rate", Integer()),
    Column("channels", Integer()),
    Column("sha256", String()),
    Column("rms_dbov", Document),
    Column("bytes", BigInteger()),
)

call_backs = Table(
    "call_backs",
    metadata,
    # Of the call that it came of, as far as that is known.
    Column("id", String(), primary_key=True),
    Column("centre", ForeignKey(centres.c.id), nullable=False),
    Column("caller_e164", String()),
    Column("caller_display", String()),
    Column("category", String()),
    Column("priority", Integer()),
    Column("language", String()),
    Column("trunk", String()),
    # abandoned or cut off
    Column("why", String()),
    # Why the number cannot be called.
    Column("not_callable", String()),
    Column("created_at", Moment()),
    Column("attempts", Integer()),
    Column("last_attempt_at", Moment()),
    Column("last_outcome", String()),
    Column("due_at", Moment()),
    # reached, redialled, unreachable, closed or expired; None while it is open
    Column("outcome", String()),
    Column("reason", String()),
    Column("closed_at", Moment()),
    Column("closed_by", String()),
    Column("closed_via", String()),
    Index(None, "centre", "created_at"),
    Index(None, "centre", "outcome"),
)

reports = Table(
    "reports",
    metadata,
    # The ticket: centre, local date and a number of that day.
    Column("number", String(), primary_key=True),
    Column("centre", ForeignKey(centres.c.id), nullable=False),
    Column("opened_at", Moment()),
    Column("opened_by", String()),
    # normal, ghost, prank or informasi
    Column("kind", String()),
    Column("category", String()),
    Column("subcategory", String()),
    Column("place", String()),
    Column("district", String()),
    Column("village", String()),
    # latitude, longitude, accuracy_m and source
    Column("point", Document),
    Column("caller_name", String()),
    # A second number to reach the caller, as they said it.
    Column("contact_number", String()),
    Column("victims", Integer()),
    Column("narrative", Text()),
    Column("priority", Integer()),
    Column("answers", Document),
    Column("saved_at", Moment()),
    Column("saved_by", String()),
    Column("closed_at", Moment()),
    Column("closed_by", String()),
    Column("outcome", String()),
    # The report of the same event that it was joined to.
    Column("joined_to", String()),
    Index(None, "centre", "opened_at"),
)

report_calls = Table(
    "report_calls",
    metadata,
    Column("report", String(), primary_key=True),
    Column("call", String(), primary_key=True, index=True),
    Column("linked_at", Moment()),
    Column("linked_by", String()),
)

report_steps = Table(
    "report_steps",
    metadata,
    Column("report", String(), primary_key=True),
    Column("agency", String(), primary_key=True),
    # diserahkan, diterima, berangkat, di-lokasi or selesai
    Column("step", String(), primary_key=True),
    Column("at", Moment()),
    Column("by", String()),
)

report_drafts = Table(
    "report_drafts",
    metadata,
    Column("report", String(), primary_key=True),
    Column("by", String(), primary_key=True),
    Column("base", Integer()),
    # What somebody has typed and not saved; empty once they have.
    Column("fields", Document),
    Column("at", Moment()),
)

projection = Table(
    "projection",
    metadata,
    Column("journal", String(), primary_key=True),
    Column("position", BigInteger(), nullable=False),
    # The fact at that position: another one there means that the journal is not the one we read.
    Column("fact", String()),
)
