"""The audit log: what people asked for.

Revision 0005. Facts from before are not in it: none of them says who asked.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "audit",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("centre", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("via", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("call", sa.String()),
        sa.Column("subject", DOCUMENT, nullable=False),
        sa.ForeignKeyConstraint(["call"], ["calls.id"], name="fk_audit_call_calls"),
        sa.ForeignKeyConstraint(["centre"], ["centres.id"], name="fk_audit_centre_centres"),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )
    op.create_index("ix_audit_by_at", "audit", ["by", "at"])
    op.create_index("ix_audit_centre_at", "audit", ["centre", "at"])


def downgrade() -> None:
    """Drop it, with what it holds."""
    op.drop_table("audit")
