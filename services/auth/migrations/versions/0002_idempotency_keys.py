"""Answers to creating requests, remembered for a day."""

from alembic import op

from libs.web import idempotency

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    idempotency.create_table(op)
