"""Reads of recordings and transcripts."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, selectinload, undefer

from services.transcription.models import Recording, Transcript


def locked(session: Session, media_id: UUID) -> Recording:
    """Take a recording for writing, deleted or not. Made if there is none yet."""
    session.execute(insert(Recording).values(media_id=media_id, wishes={}).on_conflict_do_nothing())
    return session.scalars(select(Recording).where(Recording.media_id == media_id).with_for_update()).one()


def live(session: Session, media_id: UUID) -> Recording | None:
    """A recording that was received and not deleted."""
    wanted = select(Recording).where(
        Recording.media_id == media_id, Recording.owner_id.is_not(None), Recording.deleted_at.is_(None)
    )
    return session.scalar(wanted)


def transcript(
    session: Session, media_id: UUID, owner_id: UUID | None = None, *, loudness: bool = False
) -> Transcript | None:
    """A recording's newest transcript, whole; None where there is none, or it is somebody else's."""
    wanted = (
        select(Transcript)
        .join(Recording, Recording.media_id == Transcript.media_id)
        .where(Transcript.media_id == media_id, Recording.deleted_at.is_(None))
        .order_by(Transcript.version.desc())
        .limit(1)
        .options(selectinload(Transcript.segments), selectinload(Transcript.speakers))
    )
    if owner_id is not None:
        wanted = wanted.where(Recording.owner_id == owner_id)
    if loudness:
        wanted = wanted.options(undefer(Transcript.loudness))
    return session.scalar(wanted)


def next_version(session: Session, media_id: UUID) -> int:
    """The number of the next transcript of a recording that is locked."""
    newest = session.scalar(select(func.max(Transcript.version)).where(Transcript.media_id == media_id))
    return (newest or 0) + 1


def delete_transcripts(session: Session, media_id: UUID) -> None:
    """Drop all versions of a recording's transcript; segments and speakers go with them."""
    session.execute(delete(Transcript).where(Transcript.media_id == media_id))
