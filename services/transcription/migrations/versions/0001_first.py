"""The first tables: recordings, transcripts, segments and speakers; and those of the bus."""

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
        "recordings",
        sa.Column("media_id", sa.Uuid, primary_key=True),
        sa.Column("owner_id", sa.Uuid),
        sa.Column("wishes", JSONB, nullable=False, server_default="{}"),
        sa.Column("created_at", database.Timestamp, nullable=False, server_default=sa.text("clock_timestamp()")),
        sa.Column("deleted_at", database.Timestamp),
    )
    op.create_table(
        "transcripts",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("media_id", sa.Uuid, sa.ForeignKey("recordings.media_id", ondelete="CASCADE"), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("engine", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("quality", sa.Text, nullable=False),
        sa.Column("language", sa.Text, nullable=False),
        sa.Column("duration", sa.Double, nullable=False),
        sa.Column("words", sa.Integer, nullable=False),
        sa.Column("loudness", JSONB, nullable=False),
        sa.Column("created_at", database.Timestamp, nullable=False, server_default=sa.text("clock_timestamp()")),
        sa.UniqueConstraint("media_id", "version", name="uq_transcripts_media_id"),
    )
    op.create_table(
        "segments",
        sa.Column("transcript_id", sa.Uuid, sa.ForeignKey("transcripts.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("start", sa.Double, nullable=False),
        sa.Column("end", sa.Double, nullable=False),
        sa.Column("speaker", sa.Text),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("words", JSONB, nullable=False),
    )
    op.create_table(
        "speakers",
        sa.Column("transcript_id", sa.Uuid, sa.ForeignKey("transcripts.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("label", sa.Text, primary_key=True),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("seconds", sa.Double, nullable=False),
    )
    bus.create_tables(op)
