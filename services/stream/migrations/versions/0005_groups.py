"""Groups may see what is for them; grants end with sessions and memberships; people may be suspended."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add what that takes."""
    op.add_column("appearances", sa.Column("group_id", sa.Uuid))
    op.add_column("grants", sa.Column("session_id", sa.Uuid))
    op.add_column("grants", sa.Column("group_id", sa.Uuid))
    op.create_index("ix_grants_session_id", "grants", ["session_id"])
    op.create_index("ix_grants_viewer_id", "grants", ["viewer_id"])
    op.create_table(
        "suspensions",
        sa.Column("user_id", sa.Uuid, primary_key=True),
        sa.Column("suspended", sa.Boolean, nullable=False),
        sa.Column("told_by", sa.Uuid, nullable=False),
    )
