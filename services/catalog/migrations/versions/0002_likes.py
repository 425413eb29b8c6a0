"""Who likes what, and how many do."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from libs import database

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the table and the count."""
    op.add_column("media", sa.Column("likes", sa.BigInteger, nullable=False, server_default="0"))
    op.create_table(
        "likes",
        sa.Column("media_id", sa.Uuid, sa.ForeignKey("media.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("user_id", sa.Uuid, primary_key=True),
        sa.Column("created_at", database.Timestamp, nullable=False, server_default=sa.text("clock_timestamp()")),
    )
