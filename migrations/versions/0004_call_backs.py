"""Call-backs: whom the centre is to call back, and the calls that it makes for it.

Revision 0004.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table, and say of calls which way they went and what they make up for."""
    op.create_table(
        "call_backs",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("centre", sa.String(), nullable=False),
        sa.Column("caller_e164", sa.String()),
        sa.Column("caller_display", sa.String()),
        sa.Column("category", sa.String()),
        sa.Column("priority", sa.Integer()),
        sa.Column("language", sa.String()),
        sa.Column("trunk", sa.String()),
        sa.Column("why", sa.String()),
        sa.Column("not_callable", sa.String()),
        sa.Column("created_at", sa.DateTime(timezone=True)),
        sa.Column("attempts", sa.Integer()),
        sa.Column("last_attempt_at", sa.DateTime(timezone=True)),
        sa.Column("last_outcome", sa.String()),
        sa.Column("due_at", sa.DateTime(timezone=True)),
        sa.Column("outcome", sa.String()),
        sa.Column("reason", sa.String()),
        sa.Column("closed_at", sa.DateTime(timezone=True)),
        sa.Column("closed_by", sa.String()),
        sa.Column("closed_via", sa.String()),
        sa.ForeignKeyConstraint(["centre"], ["centres.id"], name="fk_call_backs_centre_centres"),
        sa.PrimaryKeyConstraint("id", name="pk_call_backs"),
    )
    op.create_index("ix_call_backs_centre_created_at", "call_backs", ["centre", "created_at"])
    op.create_index("ix_call_backs_centre_outcome", "call_backs", ["centre", "outcome"])
    op.add_column("calls", sa.Column("direction", sa.String()))
    op.add_column("calls", sa.Column("earlier", sa.String()))


def downgrade() -> None:
    """Take them back, with what they hold."""
    op.drop_column("calls", "earlier")
    op.drop_column("calls", "direction")
    op.drop_table("call_backs")
