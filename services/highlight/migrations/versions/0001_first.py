"""The first tables: searches and moments; and those of the bus."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from libs import bus, database

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "searches",
        sa.Column("media_id", sa.Uuid, primary_key=True),
        sa.Column("owner_id", sa.Uuid),
        sa.Column("words", sa.Integer, nullable=False, server_default="0"),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("job_id", sa.Uuid),
        sa.Column("wishes", JSONB, nullable=False, server_default="{}"),
        sa.Column("chosen_by", sa.Text, nullable=False, server_default=""),
        sa.Column("code", sa.Text, nullable=False, server_default=""),
        sa.Column("detail", sa.Text, nullable=False, server_default=""),
        sa.Column("created_at", database.Timestamp, nullable=False, server_default=sa.text("clock_timestamp()")),
        sa.Column("updated_at", database.Timestamp, nullable=False, server_default=sa.text("clock_timestamp()")),
        sa.Column("deleted_at", database.Timestamp),
    )
    op.create_table(
        "moments",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("media_id", sa.Uuid, sa.ForeignKey("searches.media_id", ondelete="CASCADE"), nullable=False),
        sa.Column("rank", sa.Integer, nullable=False),
        sa.Column("start", sa.Double, nullable=False),
        sa.Column("end", sa.Double, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("score", sa.Double, nullable=False),
        sa.Column("scores", JSONB, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("created_at", database.Timestamp, nullable=False, server_default=sa.text("clock_timestamp()")),
        sa.UniqueConstraint("media_id", "rank", name="uq_moments_media_id", deferrable=True, initially="DEFERRED"),
    )
    bus.create_tables(op)
