"""Media may be for the members of a group; people may be suspended."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the group, and who is suspended."""
    op.add_column("media", sa.Column("group_id", sa.Uuid))
    op.drop_constraint("visibility", "media")
    op.create_check_constraint("visibility", "media", "visibility IN ('private', 'group', 'unlisted', 'public')")
    op.create_check_constraint("ck_media_group", "media", "(visibility = 'group') = (group_id IS NOT NULL)")
    op.create_index(
        "ix_media_group", "media", ["group_id", "created_at", "id"], postgresql_where=sa.text("group_id IS NOT NULL")
    )
    op.create_table(
        "suspensions",
        sa.Column("user_id", sa.Uuid, primary_key=True),
        sa.Column("suspended", sa.Boolean, nullable=False),
        sa.Column("told_by", sa.Uuid, nullable=False),
    )
