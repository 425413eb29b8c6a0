"""Originals may be dropped after a while."""

import sqlalchemy as sa
from alembic import op

from libs import database

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("originals", sa.Column("dropped_at", database.Timestamp))
    op.create_index("ix_originals_kept", "originals", ["created_at"], postgresql_where=sa.text("dropped_at IS NULL"))
    op.create_table(
        "retention",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("days", sa.Integer),
        sa.Column("told_by", sa.Uuid, nullable=False),
        sa.CheckConstraint("id = 1", name="ck_retention_one"),
    )
