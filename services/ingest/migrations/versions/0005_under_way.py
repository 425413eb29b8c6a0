"""Whether a request brings bytes to an upload is written down, so that the next one knows if it broke off."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("recordings", sa.Column("under_way", sa.Boolean, nullable=False, server_default=sa.false()))
