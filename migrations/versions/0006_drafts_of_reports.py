"""Drafts of reports, and a second number to reach a caller.

Revision 0006. Drafts from before are in the journal.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    """Make the table and the column."""
    op.create_table(
        "report_drafts",
        sa.Column("report", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("base", sa.Integer()),
        sa.Column("fields", DOCUMENT),
        sa.Column("at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("report", "by", name="pk_report_drafts"),
    )
    op.add_column("reports", sa.Column("contact_number", sa.String()))


def downgrade() -> None:
    """Take them back, with what they hold."""
    op.drop_column("reports", "contact_number")
    op.drop_table("report_drafts")
