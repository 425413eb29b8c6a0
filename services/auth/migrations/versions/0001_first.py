"""The first tables: users, sessions, API keys; and those of the bus."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from libs import bus, database

revision = "0001"
down_revision = None


def _made_at() -> sa.Column[object]:
    return sa.Column("created_at", database.Timestamp, nullable=False, server_default=sa.text("clock_timestamp()"))


def _of_user() -> sa.Column[object]:
    return sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True)


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.Column("password_hash", sa.Text, nullable=False),
        _made_at(),
        sa.UniqueConstraint("email", name="uq_users_email"),
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.Uuid, primary_key=True),
        _of_user(),
        sa.Column("token_hash", sa.LargeBinary, nullable=False),
        _made_at(),
        sa.Column("last_seen_at", database.Timestamp, nullable=False, server_default=sa.text("clock_timestamp()")),
        sa.Column("expires_at", database.Timestamp, nullable=False),
        sa.UniqueConstraint("token_hash", name="uq_sessions_token_hash"),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Uuid, primary_key=True),
        _of_user(),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("prefix", sa.Text, nullable=False),
        sa.Column("key_hash", sa.LargeBinary, nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.Text), nullable=False),
        _made_at(),
        sa.Column("last_used_at", database.Timestamp),
        sa.Column("revoked_at", database.Timestamp),
        sa.UniqueConstraint("key_hash", name="uq_api_keys_key_hash"),
    )
    bus.create_tables(op)


def downgrade() -> None:
    """Drop them."""
    for table in ("api_keys", "sessions", "users", "jobs", "inbox", "outbox"):
        op.drop_table(table)
