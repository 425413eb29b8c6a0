"""Recordings are heard in chunks, each by a job of its own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from libs import database

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make their tables."""
    op.create_table(
        "passes",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("media_id", sa.Uuid, sa.ForeignKey("recordings.media_id", ondelete="CASCADE"), nullable=False),
        sa.Column("engine", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("quality", sa.Text, nullable=False),
        sa.Column("duration", sa.Double),
        sa.Column("turns", JSONB(none_as_null=True)),
        sa.Column("loudness", JSONB(none_as_null=True)),
        sa.Column("span", JSONB(none_as_null=True)),
        sa.Column("failed", sa.Boolean, nullable=False, server_default="false"),
        sa.Column("created_at", database.Timestamp, nullable=False, server_default=sa.text("clock_timestamp()")),
    )
    op.create_index("ix_passes_media_id", "passes", ["media_id"])
    op.create_table(
        "chunks",
        sa.Column("pass_id", sa.Uuid, sa.ForeignKey("passes.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("start", sa.Double, nullable=False),
        sa.Column("end", sa.Double, nullable=False),
        sa.Column("heard_from", sa.Double, nullable=False),
        sa.Column("regions", JSONB, nullable=False),
        sa.Column("speech", sa.Double, nullable=False),
        sa.Column("object_key", sa.Text, nullable=False, unique=True),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("done", sa.Double, nullable=False, server_default="0"),
        sa.Column("heard", JSONB(none_as_null=True)),
    )
