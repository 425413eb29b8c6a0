"""Rows that have had their day."""

from __future__ import annotations

from sqlalchemy import delete, func

from libs import database
from services.stream.models import Grant, Play

__all__ = ["tidy"]


def tidy() -> None:
    """Remove grants and counted plays that are over. Shares stay: their owner may still ask how often they were seen."""
    with database.transaction() as session:
        session.execute(delete(Grant).where(Grant.expires_at < func.now()))
        session.execute(delete(Play).where(Play.expires_at < func.now()))
