"""Reads of ingest."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from libs import database
from services.ingest.models import Original, Recording, Retention
from services.ingest.states import ARRIVING, State

__all__ = [
    "clock",
    "expected_bytes",
    "expired",
    "in_progress",
    "incomplete",
    "known_keys",
    "locked",
    "original",
    "owned",
    "stored_keys",
    "too_old",
    "unfinished",
]


def owned(session: Session, owner: UUID, media_id: UUID) -> Recording | None:
    """Find a recording of this person; somebody else's is as absent as none."""
    return session.scalar(select(Recording).where(Recording.id == media_id, Recording.owner_id == owner))


def locked(session: Session, media_id: UUID) -> Recording | None:
    """Find a recording and hold its row until the transaction ends."""
    return session.scalar(select(Recording).where(Recording.id == media_id).with_for_update())


def original(session: Session, media_id: UUID) -> tuple[Recording, Original] | None:
    """Find a recording with its stored original."""
    row = session.execute(select(Recording, Original).join(Original).where(Recording.id == media_id)).first()
    return (row[0], row[1]) if row else None


def unfinished(session: Session, owner: UUID) -> int:
    """Count the recordings of a person that are still arriving."""
    arriving = Recording.state.in_([state.value for state in ARRIVING])
    return session.scalar(select(func.count()).where(Recording.owner_id == owner, arriving)) or 0


def expected_bytes(session: Session) -> int:
    """Sum up the bytes that accepted uploads have yet to bring."""
    missing = func.coalesce(func.sum(Recording.total - Recording.received), 0)
    return int(session.scalar(select(missing).where(Recording.state == State.RECEIVING.value)) or 0)


def expired(session: Session, limit: int) -> list[UUID]:
    """Find uploads that nobody has sent a byte to for too long, oldest first."""
    late = (Recording.state == State.RECEIVING.value, Recording.expires_at < database.now())
    return list(session.scalars(select(Recording.id).where(*late).order_by(Recording.expires_at).limit(limit)))


def in_progress(session: Session, ids: Collection[UUID]) -> set[UUID]:
    """Tell which of these recordings still need their files on this disk."""
    states = [state.value for state in (*ARRIVING, State.CHECKING)]
    return set(session.scalars(select(Recording.id).where(Recording.id.in_(ids), Recording.state.in_(states))))


def incomplete(session: Session, quiet: float) -> tuple[int, int]:
    """Count the uploads that are not whole: those that moved within ``quiet`` seconds, and the others."""
    moved = Recording.updated_at > database.now() - func.make_interval(0, 0, 0, 0, 0, 0, quiet)
    counts = select(func.count().filter(moved), func.count().filter(~moved))
    row = session.execute(counts.where(Recording.state == State.RECEIVING.value)).one()
    return row[0], row[1]


def clock(session: Session) -> datetime:
    """Read the database's clock."""
    return session.scalars(select(database.now())).one()


def known_keys(session: Session, keys: Collection[str]) -> set[str]:
    """Those of the keys that a recording refers to; its bytes may still be on their way there."""
    return {key for key in session.scalars(select(Recording.object_key).where(Recording.object_key.in_(keys))) if key}


def stored_keys(session: Session) -> set[str]:
    """The keys of all originals that were not dropped: those whose bytes have to be there."""
    return set(session.scalars(select(Original.object_key).where(Original.dropped_at.is_(None))))


def too_old(session: Session, limit: int) -> list[tuple[Recording, Original]]:
    """Take the originals that were kept for as long as the rule says, oldest first; others' work is not waited for."""
    days = select(Retention.days).scalar_subquery()
    rows = session.execute(
        select(Recording, Original)
        .join(Original)
        .where(Original.dropped_at.is_(None), Original.created_at < database.now() - func.make_interval(0, 0, 0, days))
        .order_by(Original.created_at)
        .limit(limit)
        .with_for_update(of=(Recording, Original), skip_locked=True)
    )
    return [(recording, original) for recording, original in rows]
