"""The first tables: deliverables and how they appear, shares, grants, plays; and those of the bus."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from libs import bus, database

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "appearances",
        sa.Column("media_id", sa.Uuid, primary_key=True),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("visibility", sa.Text, nullable=False, server_default="private"),
        sa.Column("changed_by", sa.Uuid),
        sa.Column("deleted", sa.Boolean, nullable=False, server_default=sa.false()),
    )
    op.create_table(
        "deliverables",
        sa.Column("media_id", sa.Uuid, sa.ForeignKey("appearances.media_id"), primary_key=True),
        sa.Column("owner_id", sa.Uuid, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("rendition_id", sa.Uuid),
        sa.Column("object_key", sa.Text, nullable=False),
        sa.Column("poster_key", sa.Text),
        sa.Column("mime", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("duration", sa.Float, nullable=False),
    )
    op.create_table(
        "shares",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("media_id", sa.Uuid, sa.ForeignKey("deliverables.media_id", ondelete="CASCADE"), nullable=False),
        sa.Column("owner_id", sa.Uuid, nullable=False),
        sa.Column("created_at", database.Timestamp, nullable=False, server_default=sa.text("clock_timestamp()")),
        sa.Column("expires_at", database.Timestamp, nullable=False),
        sa.Column("revoked_at", database.Timestamp),
        sa.Column("views", sa.BigInteger, nullable=False, server_default="0"),
    )
    op.create_index("ix_shares_media_id_id", "shares", ["media_id", "id"])
    op.create_table(
        "grants",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("media_id", sa.Uuid, sa.ForeignKey("deliverables.media_id", ondelete="CASCADE"), nullable=False),
        sa.Column("viewer_id", sa.Uuid),
        sa.Column("expires_at", database.Timestamp, nullable=False),
    )
    op.create_index("ix_grants_media_id", "grants", ["media_id"])
    op.create_index("ix_grants_expires_at", "grants", ["expires_at"])
    op.create_table(
        "plays",
        sa.Column("share_id", sa.Uuid, sa.ForeignKey("shares.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("viewer", sa.LargeBinary, primary_key=True),
        sa.Column("expires_at", database.Timestamp, nullable=False),
    )
    op.create_index("ix_plays_expires_at", "plays", ["expires_at"])
    bus.create_tables(op)


def downgrade() -> None:
    """Drop them."""
    for table in ("plays", "grants", "shares", "deliverables", "appearances", "jobs", "inbox", "outbox"):
        op.drop_table(table)
