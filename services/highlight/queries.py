"""Reads of searches and moments."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, selectinload

from services.highlight.models import Search
from services.highlight.states import SearchState


def search(session: Session, media_id: UUID, owner_id: UUID | None = None) -> Search | None:
    """Find a recording's search with its moments; None where there is none, it is deleted, or somebody else's."""
    wanted = select(Search).where(
        Search.media_id == media_id, Search.deleted_at.is_(None), Search.owner_id.is_not(None)
    )
    if owner_id is not None:
        wanted = wanted.where(Search.owner_id == owner_id)
    return session.scalar(wanted.options(selectinload(Search.moments)))


def locked(session: Session, media_id: UUID) -> Search:
    """Take a recording's search for writing, with its moments, deleted or not. Made if there is none yet."""
    session.execute(
        insert(Search).values(media_id=media_id, state=SearchState.LOOKING, wishes={}).on_conflict_do_nothing()
    )
    wanted = select(Search).where(Search.media_id == media_id).with_for_update()
    return session.scalars(wanted.options(selectinload(Search.moments))).one()
