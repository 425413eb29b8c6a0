"""Recordings, originals, and the bus."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from libs import bus

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_STAMP = sa.DateTime(timezone=True)
_NOW = sa.func.clock_timestamp()


def upgrade() -> None:
    bus.create_tables(op)
    op.create_table(
        "recordings",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("owner_id", sa.Uuid, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("filename", sa.Text, nullable=False, server_default=""),
        sa.Column("url", sa.Text, nullable=False, server_default=""),
        sa.Column("wishes", JSONB, nullable=False, server_default="{}"),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("received", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("total", sa.BigInteger),
        sa.Column("object_key", sa.Text),
        sa.Column("code", sa.Text, nullable=False, server_default=""),
        sa.Column("detail", sa.Text, nullable=False, server_default=""),
        sa.Column("engine", JSONB, nullable=False, server_default="[]"),
        sa.Column("idempotency_key", sa.Text),
        sa.Column("expires_at", _STAMP),
        sa.Column("told_at", _STAMP),
        sa.Column("created_at", _STAMP, nullable=False, server_default=_NOW),
        sa.Column("updated_at", _STAMP, nullable=False, server_default=_NOW),
        sa.CheckConstraint(
            "state IN ('receiving', 'importing', 'checking', 'received', 'rejected', 'cancelled')",
            name="ck_recordings_state",
        ),
    )
    op.create_index(
        "ix_recordings_expiry", "recordings", ["expires_at"], postgresql_where=sa.text("state = 'receiving'")
    )
    op.create_index("ix_recordings_owner", "recordings", ["owner_id"])
    op.create_index(
        "uq_recordings_idempotency",
        "recordings",
        ["owner_id", "idempotency_key"],
        unique=True,
        postgresql_where=sa.text("idempotency_key IS NOT NULL"),
    )
    op.create_table(
        "originals",
        sa.Column("media_id", sa.Uuid, sa.ForeignKey("recordings.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("object_key", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("container", sa.Text, nullable=False),
        sa.Column("mime", sa.Text, nullable=False),
        sa.Column("duration", sa.Double, nullable=False),
        sa.Column("has_audio", sa.Boolean, nullable=False),
        sa.Column("has_video", sa.Boolean, nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("fps", sa.Double, nullable=False),
        sa.Column("created_at", _STAMP, nullable=False, server_default=_NOW),
    )
