"""What people said a call was.

Revision 0003.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Room for a mark; calls before have none."""
    op.add_column("calls", sa.Column("mark", sa.String()))


def downgrade() -> None:
    """The marks are still told by call_events."""
    op.drop_column("calls", "mark")
