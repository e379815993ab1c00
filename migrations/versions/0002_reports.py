"""Reports of incidents, the calls that belong to them, and what agencies said of them.

Revision 0002.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "reports",
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("centre", sa.String(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True)),
        sa.Column("opened_by", sa.String()),
        sa.Column("kind", sa.String()),
        sa.Column("category", sa.String()),
        sa.Column("subcategory", sa.String()),
        sa.Column("place", sa.String()),
        sa.Column("district", sa.String()),
        sa.Column("village", sa.String()),
        sa.Column("point", DOCUMENT),
        sa.Column("caller_name", sa.String()),
        sa.Column("victims", sa.Integer()),
        sa.Column("narrative", sa.Text()),
        sa.Column("priority", sa.Integer()),
        sa.Column("answers", DOCUMENT),
        sa.Column("saved_at", sa.DateTime(timezone=True)),
        sa.Column("saved_by", sa.String()),
        sa.Column("closed_at", sa.DateTime(timezone=True)),
        sa.Column("closed_by", sa.String()),
        sa.Column("outcome", sa.String()),
        sa.Column("joined_to", sa.String()),
        sa.ForeignKeyConstraint(["centre"], ["centres.id"], name="fk_reports_centre_centres"),
        sa.PrimaryKeyConstraint("number", name="pk_reports"),
    )
    op.create_index("ix_reports_centre_opened_at", "reports", ["centre", "opened_at"])
    op.create_table(
        "report_calls",
        sa.Column("report", sa.String(), nullable=False),
        sa.Column("call", sa.String(), nullable=False),
        sa.Column("linked_at", sa.DateTime(timezone=True)),
        sa.Column("linked_by", sa.String()),
        sa.PrimaryKeyConstraint("report", "call", name="pk_report_calls"),
    )
    op.create_index("ix_report_calls_call", "report_calls", ["call"])
    op.create_table(
        "report_steps",
        sa.Column("report", sa.String(), nullable=False),
        sa.Column("agency", sa.String(), nullable=False),
        sa.Column("step", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True)),
        sa.Column("by", sa.String()),
        sa.PrimaryKeyConstraint("report", "agency", "step", name="pk_report_steps"),
    )


def downgrade() -> None:
    """Drop the tables, with what they hold."""
    for table in ("report_steps", "report_calls", "reports"):
        op.drop_table(table)
