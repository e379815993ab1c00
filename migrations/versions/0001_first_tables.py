"""The first tables: what the settings say, calls with their legs, events and recordings.

Revision 0001.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    """Make every table."""
    op.create_table(
        "centres",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String()),
        sa.Column("time_zone", sa.String()),
        sa.Column("language", sa.String()),
        sa.PrimaryKeyConstraint("id", name="pk_centres"),
    )
    op.create_table(
        "projection",
        sa.Column("journal", sa.String(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("fact", sa.String()),
        sa.PrimaryKeyConstraint("journal", name="pk_projection"),
    )
    op.create_table(
        "agencies",
        sa.Column("centre", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String()),
        sa.Column("code", sa.String()),
        sa.Column("contact", sa.String()),
        sa.Column("active", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.ForeignKeyConstraint(["centre"], ["centres.id"], name="fk_agencies_centre_centres"),
        sa.PrimaryKeyConstraint("centre", "id", name="pk_agencies"),
    )
    op.create_table(
        "agents",
        sa.Column("centre", sa.String(), nullable=False),
        sa.Column("extension", sa.String(), nullable=False),
        sa.Column("name", sa.String()),
        sa.Column("status", sa.String()),
        sa.Column("state", sa.String()),
        sa.Column("call", sa.String()),
        sa.Column("state_at", sa.DateTime(timezone=True)),
        sa.Column("active", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.ForeignKeyConstraint(["centre"], ["centres.id"], name="fk_agents_centre_centres"),
        sa.PrimaryKeyConstraint("centre", "extension", name="pk_agents"),
    )
    op.create_table(
        "calls",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("centre", sa.String(), nullable=False),
        sa.Column("trunk", sa.String()),
        sa.Column("node", sa.String()),
        sa.Column("channel", sa.String()),
        sa.Column("caller_raw", sa.String()),
        sa.Column("caller_e164", sa.String()),
        sa.Column("caller_display", sa.String()),
        sa.Column("called", sa.String()),
        sa.Column("category", sa.String()),
        sa.Column("queue", sa.String()),
        sa.Column("priority", sa.Integer()),
        sa.Column("language", sa.String()),
        sa.Column("invited_at", sa.DateTime(timezone=True)),
        sa.Column("answered_at", sa.DateTime(timezone=True)),
        sa.Column("queued_at", sa.DateTime(timezone=True)),
        sa.Column("operator_answered_at", sa.DateTime(timezone=True)),
        sa.Column("agency_answered_at", sa.DateTime(timezone=True)),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("operator_answered_ms", sa.BigInteger()),
        sa.Column("agency_answered_ms", sa.BigInteger()),
        sa.Column("ended_ms", sa.BigInteger()),
        sa.Column("operator", sa.String()),
        sa.Column("agency", sa.String()),
        sa.Column("result", sa.String()),
        sa.Column("reason", sa.String()),
        sa.Column("channel_cause", sa.Integer()),
        sa.Column("ended_by", sa.String()),
        sa.ForeignKeyConstraint(["centre"], ["centres.id"], name="fk_calls_centre_centres"),
        sa.PrimaryKeyConstraint("id", name="pk_calls"),
    )
    op.create_index("ix_calls_caller_e164_invited_at", "calls", ["caller_e164", "invited_at"])
    op.create_index("ix_calls_centre_invited_at", "calls", ["centre", "invited_at"])
    op.create_index("ix_calls_invited_at", "calls", ["invited_at"])
    op.create_table(
        "shifts",
        sa.Column("centre", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String()),
        sa.Column("starts", sa.Time()),
        sa.Column("ends", sa.Time()),
        sa.Column("active", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.ForeignKeyConstraint(["centre"], ["centres.id"], name="fk_shifts_centre_centres"),
        sa.PrimaryKeyConstraint("centre", "id", name="pk_shifts"),
    )
    op.create_table(
        "trunks",
        sa.Column("centre", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String()),
        sa.Column("address", sa.String()),
        sa.Column("port", sa.Integer()),
        sa.Column("active", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.ForeignKeyConstraint(["centre"], ["centres.id"], name="fk_trunks_centre_centres"),
        sa.PrimaryKeyConstraint("centre", "id", name="pk_trunks"),
    )
    op.create_table(
        "call_events",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("centre", sa.String(), nullable=False),
        sa.Column("call", sa.String()),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ms", sa.BigInteger()),
        sa.Column("data", DOCUMENT, nullable=False),
        sa.Column("journal", sa.String(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["call"], ["calls.id"], name="fk_call_events_call_calls"),
        sa.ForeignKeyConstraint(["centre"], ["centres.id"], name="fk_call_events_centre_centres"),
        sa.PrimaryKeyConstraint("id", name="pk_call_events"),
    )
    op.create_index("ix_call_events_call_position", "call_events", ["call", "position"])
    op.create_index("ix_call_events_centre_kind_at", "call_events", ["centre", "kind", "at"])
    op.create_table(
        "legs",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("call", sa.String(), nullable=False),
        sa.Column("role", sa.String()),
        sa.Column("party", sa.String()),
        sa.Column("started_at", sa.DateTime(timezone=True)),
        sa.Column("rung_at", sa.DateTime(timezone=True)),
        sa.Column("answered_at", sa.DateTime(timezone=True)),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("cause", sa.String()),
        sa.ForeignKeyConstraint(["call"], ["calls.id"], name="fk_legs_call_calls"),
        sa.PrimaryKeyConstraint("id", name="pk_legs"),
    )
    op.create_index("ix_legs_call", "legs", ["call"])
    op.create_table(
        "recordings",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("call", sa.String(), nullable=False),
        sa.Column("path", sa.String()),
        sa.Column("state", sa.String()),
        sa.Column("reason", sa.String()),
        sa.Column("started_at", sa.DateTime(timezone=True)),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.Column("seconds", sa.Float(precision=53)),
        sa.Column("sample_rate", sa.Integer()),
        sa.Column("channels", sa.Integer()),
        sa.Column("sha256", sa.String()),
        sa.Column("rms_dbov", DOCUMENT),
        sa.Column("bytes", sa.BigInteger()),
        sa.ForeignKeyConstraint(["call"], ["calls.id"], name="fk_recordings_call_calls"),
        sa.PrimaryKeyConstraint("id", name="pk_recordings"),
    )
    op.create_index("ix_recordings_call", "recordings", ["call"])
    op.create_table(
        "shift_members",
        sa.Column("centre", sa.String(), nullable=False),
        sa.Column("shift", sa.String(), nullable=False),
        sa.Column("agent", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["centre", "agent"],
            ["agents.centre", "agents.extension"],
            name="fk_shift_members_centre_agent_agents",
        ),
        sa.ForeignKeyConstraint(
            ["centre", "shift"],
            ["shifts.centre", "shifts.id"],
            name="fk_shift_members_centre_shift_shifts",
        ),
        sa.PrimaryKeyConstraint("centre", "shift", "agent", name="pk_shift_members"),
    )


def downgrade() -> None:
    """Drop every table, with what they hold."""
    for table in (
        "shift_members",
        "recordings",
        "legs",
        "call_events",
        "trunks",
        "shifts",
        "calls",
        "agents",
        "agencies",
        "projection",
        "centres",
    ):
        op.drop_table(table)
