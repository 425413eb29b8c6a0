"""Files may be dropped while what they are of stays."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from libs import database

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add since when."""
    op.add_column("deliverables", sa.Column("dropped_at", database.Timestamp))
