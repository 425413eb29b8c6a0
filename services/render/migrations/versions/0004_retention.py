"""Files may be dropped after a while."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the rule, and what finds the files that it is about."""
    op.create_index("ix_renditions_kept", "renditions", ["ready_at"], postgresql_where=sa.text("state = 'ready'"))
    op.create_table(
        "retention",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("days", sa.Integer),
        sa.Column("told_by", sa.Uuid, nullable=False),
        sa.CheckConstraint("id = 1", name="ck_retention_one"),
    )
