"""Media can expire."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from libs import database

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the time, which few have."""
    op.add_column("media", sa.Column("expires_at", database.Timestamp))
    op.create_index("ix_media_expires_at", "media", ["expires_at"], postgresql_where=sa.text("expires_at IS NOT NULL"))
