"""The first tables: media, people, tombstones; and those of the bus."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from libs import bus, database

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make them."""
    born = sa.text("clock_timestamp()")
    op.create_table(
        "media",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("parent_id", sa.Uuid),
        sa.Column("owner_id", sa.Uuid),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("own_title", sa.Text),
        sa.Column("description", sa.Text, nullable=False, server_default=""),
        sa.Column("visibility", sa.Text, nullable=False, server_default="private"),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("duration", sa.Double),
        sa.Column("facts", JSONB, nullable=False, server_default="{}"),
        sa.Column("body", JSONB, nullable=False, server_default="{}"),
        sa.Column("dropped", sa.Integer, nullable=False, server_default="0"),
        sa.Column("views", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("version", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("created_at", database.Timestamp, nullable=False, server_default=born),
        sa.Column("updated_at", database.Timestamp, nullable=False, server_default=born),
        sa.CheckConstraint("kind IN ('recording', 'clip')", name="kind"),
        sa.CheckConstraint("visibility IN ('private', 'unlisted', 'public')", name="visibility"),
    )
    # One index for each order of an owner's library; the id makes keys unique.
    op.create_index("ix_media_owner_created", "media", ["owner_id", "created_at", "id"])
    op.create_index("ix_media_owner_updated", "media", ["owner_id", "updated_at", "id"])
    op.create_index("ix_media_owner_title", "media", ["owner_id", sa.text("lower(title)"), "id"])
    op.create_index("ix_media_owner_duration", "media", ["owner_id", sa.text("coalesce(duration, 0)"), "id"])
    op.create_index(
        "ix_media_public_created", "media", ["created_at", "id"], postgresql_where=sa.text("visibility = 'public'")
    )
    op.create_index("ix_media_parent_id", "media", ["parent_id"])
    op.create_table(
        "people",
        sa.Column("user_id", sa.Uuid, primary_key=True),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.Column("told_by", sa.Uuid, nullable=False),
    )
    op.create_table(
        "tombstones",
        sa.Column("media_id", sa.Uuid, primary_key=True),
        sa.Column("deleted_at", database.Timestamp, nullable=False, server_default=born),
    )
    bus.create_tables(op)
