"""The first tables: recordings, clips and renditions; and those of the bus."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from libs import bus, database

revision = "0001"
down_revision = None

BORN = sa.text("clock_timestamp()")


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "recordings",
        sa.Column("media_id", sa.Uuid, primary_key=True),
        sa.Column("deleted_at", database.Timestamp),
    )
    op.create_table(
        "clips",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("media_id", sa.Uuid, nullable=False),
        sa.Column("owner_id", sa.Uuid, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("start", sa.Double, nullable=False),
        sa.Column("end", sa.Double, nullable=False),
        sa.Column("score", sa.Double),
        sa.Column("reason", sa.Text, nullable=False, server_default=""),
        sa.Column("preset", sa.Text, nullable=False),
        sa.Column("plan", JSONB, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("created_at", database.Timestamp, nullable=False, server_default=BORN),
        sa.UniqueConstraint("media_id", "digest", name="uq_clips_media_id"),
    )
    op.create_index("ix_clips_owner_id", "clips", ["owner_id", "id"])
    op.create_table(
        "renditions",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("clip_id", sa.Uuid, sa.ForeignKey("clips.id", ondelete="CASCADE"), nullable=False),
        sa.Column("preset", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("progress", sa.Double, nullable=False, server_default="0"),
        sa.Column("problem_code", sa.Text),
        sa.Column("problem_detail", sa.Text),
        sa.Column("object_key", sa.Text),
        sa.Column("poster_key", sa.Text),
        sa.Column("size", sa.BigInteger),
        sa.Column("sha256", sa.Text),
        sa.Column("width", sa.Integer),
        sa.Column("height", sa.Integer),
        sa.Column("duration", sa.Double),
        sa.Column("words", sa.Integer),
        sa.Column("loudness", sa.Double),
        sa.Column("true_peak", sa.Double),
        sa.Column("created_at", database.Timestamp, nullable=False, server_default=BORN),
        sa.Column("ready_at", database.Timestamp),
    )
    op.create_index("ix_renditions_clip_id", "renditions", ["clip_id"])
    bus.create_tables(op)
