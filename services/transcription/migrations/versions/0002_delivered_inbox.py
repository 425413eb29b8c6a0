"""Events are delivered into the inbox, and jobs take fair turns."""

from __future__ import annotations

from alembic import op

from libs import bus

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add what that needs."""
    bus.deliver_into_inboxes(op)
