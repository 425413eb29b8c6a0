"""Rules of how long each kind is kept."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from libs import database

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the rules, and what finds imports by their age."""
    op.create_table(
        "retention",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("originals", sa.Integer),
        sa.Column("renditions", sa.Integer),
        sa.Column("imports", sa.Integer),
        sa.Column("changed_by", sa.Uuid, nullable=False),
        sa.Column("changed_at", database.Timestamp, nullable=False, server_default=sa.text("clock_timestamp()")),
        sa.CheckConstraint("id = 1", name="ck_retention_one"),
    )
    op.create_index(
        "ix_media_imports", "media", ["created_at"], postgresql_where=sa.text("body #>> '{origin,kind}' = 'import'")
    )
