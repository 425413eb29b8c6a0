"""Telling this service's HTTP processes that something changed, in the transaction that changes it."""

from __future__ import annotations

import json
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

CHANNEL = "catalog_media"


def announce(session: Session, media_id: UUID, owner_id: UUID | None) -> None:
    """Tell who listens (``feed.py``) that a recording or clip changed. Nobody hears of it unless the transaction commits."""
    if owner_id is not None:
        payload = json.dumps({"id": str(media_id), "owner": str(owner_id)})
        session.execute(select(func.pg_notify(CHANNEL, payload)))
