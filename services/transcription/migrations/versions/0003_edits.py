"""Transcripts can be put right, with a history; how sure an engine was, what it translated, what names were heard."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from libs import database

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add what that needs."""
    op.add_column("transcripts", sa.Column("language_confidence", sa.Double))
    op.add_column("transcripts", sa.Column("reason", sa.Text, nullable=False, server_default=""))
    op.add_column("transcripts", sa.Column("translation", JSONB, nullable=False, server_default="[]"))
    op.add_column("transcripts", sa.Column("revision", sa.Integer, nullable=False, server_default="0"))
    op.add_column("transcripts", sa.Column("edited_at", database.Timestamp))
    op.add_column("transcripts", sa.Column("reviewed_at", database.Timestamp))
    op.add_column("speakers", sa.Column("suggestion", JSONB))
    op.alter_column("segments", "position", type_=sa.Double)
    op.add_column("segments", sa.Column("id", sa.Uuid, nullable=False, server_default=sa.text("gen_random_uuid()")))
    op.create_unique_constraint("uq_segments_id", "segments", ["id"])
    op.create_table(
        "edits",
        sa.Column("transcript_id", sa.Uuid, sa.ForeignKey("transcripts.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("summary", sa.Text, nullable=False),
        sa.Column("by", sa.Uuid, nullable=False),
        sa.Column("made_at", database.Timestamp, nullable=False, server_default=sa.text("clock_timestamp()")),
        sa.Column("undone", sa.Boolean, nullable=False, server_default="false"),
        sa.Column("before", JSONB, nullable=False),
        sa.Column("after", JSONB, nullable=False),
    )
