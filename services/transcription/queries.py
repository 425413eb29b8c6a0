"""Reads of recordings and transcripts."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, selectinload, undefer

from libs import database
from libs.web import problems
from services.transcription.models import Chunk, Edit, Pass, Recording, Segment, Transcript


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
    session: Session, media_id: UUID, owner_id: UUID | None = None, *, loudness: bool = False, whole: bool = True
) -> Transcript | None:
    """A recording's newest transcript, whole or without what is said; None where there is none, or it is somebody else's."""
    wanted = (
        select(Transcript)
        .join(Recording, Recording.media_id == Transcript.media_id)
        .where(Transcript.media_id == media_id, Recording.deleted_at.is_(None))
        .order_by(Transcript.version.desc())
        .limit(1)
    )
    if whole:
        wanted = wanted.options(selectinload(Transcript.segments), selectinload(Transcript.speakers))
    if owner_id is not None:
        wanted = wanted.where(Recording.owner_id == owner_id)
    if loudness:
        wanted = wanted.options(undefer(Transcript.loudness))
    return session.scalar(wanted)


def none_there() -> problems.NotFound:
    """What is said of a recording without a transcript, and of one that isn't one's own."""
    return problems.NotFound("There is no transcript of this recording.")


def editable(session: Session, media_id: UUID, owner_id: UUID) -> Transcript:
    """The newest transcript of a recording of one's own, locked, with its speakers and none of its segments."""
    wanted = (
        select(Transcript)
        .join(Recording, Recording.media_id == Transcript.media_id)
        .where(Transcript.media_id == media_id, Recording.deleted_at.is_(None), Recording.owner_id == owner_id)
        .order_by(Transcript.version.desc())
        .limit(1)
        .with_for_update(of=Transcript)
        .options(selectinload(Transcript.speakers))
    )
    found = session.scalar(wanted)
    if found is None:
        raise none_there()
    return found


def segment(session: Session, transcript_id: UUID, segment_id: UUID) -> Segment:
    """One segment. Raises NotFound."""
    found = session.scalar(select(Segment).where(Segment.transcript_id == transcript_id, Segment.id == segment_id))
    if found is None:
        raise problems.NotFound("This transcript has no such segment; it may have been merged or undone meanwhile.")
    return found


def following(session: Session, one: Segment) -> Segment | None:
    """The segment after one."""
    wanted = select(Segment).where(Segment.transcript_id == one.transcript_id, Segment.position > one.position)
    return session.scalar(wanted.order_by(Segment.position).limit(1))


def segments(session: Session, transcript_id: UUID, speaker: str | None = None) -> list[Segment]:
    """All segments in order, or those of one speaker."""
    wanted = select(Segment).where(Segment.transcript_id == transcript_id).order_by(Segment.position)
    if speaker is not None:
        wanted = wanted.where(Segment.speaker == speaker)
    return list(session.scalars(wanted))


def edits(session: Session, transcript_id: UUID, limit: int) -> list[Edit]:
    """The newest changes, newest first, undone ones too."""
    wanted = select(Edit).where(Edit.transcript_id == transcript_id).order_by(Edit.number.desc()).limit(limit)
    return list(session.scalars(wanted))


def edit_to(session: Session, transcript_id: UUID, *, undo: bool) -> Edit | None:
    """The change that is undone next, or done again next."""
    order = Edit.number.desc() if undo else Edit.number.asc()
    wanted = select(Edit).where(Edit.transcript_id == transcript_id, Edit.undone.is_(not undo)).order_by(order)
    return session.scalar(wanted.limit(1))


def hearing(session: Session, pass_id: UUID) -> Pass | None:
    """A pass, locked, whose recording is still there."""
    wanted = (
        select(Pass)
        .join(Recording, Recording.media_id == Pass.media_id)
        .where(Pass.id == pass_id, Recording.deleted_at.is_(None))
        .with_for_update(of=Pass)
    )
    return session.scalar(wanted)


def pass_of(session: Session, media_id: UUID, owner_id: UUID) -> Pass | None:
    """The pass of a recording of one's own that is being heard."""
    wanted = (
        select(Pass)
        .join(Recording, Recording.media_id == Pass.media_id)
        .where(
            Pass.media_id == media_id,
            Pass.failed.is_(False),
            Recording.owner_id == owner_id,
            Recording.deleted_at.is_(None),
        )
        .order_by(Pass.created_at.desc())
    )
    return session.scalars(wanted).first()


def chunk(session: Session, pass_id: UUID, position: int, *, heard: bool = False) -> Chunk | None:
    """One chunk of a pass, on demand with what was heard in it."""
    return session.get(Chunk, (pass_id, position), options=[undefer(Chunk.heard)] if heard else [])


def note_heard(session: Session, pass_id: UUID, position: int, done: float) -> tuple[float, float, float | None]:
    """Note how much of a chunk is heard; returns seconds of speech done and found, and how long the rest will take."""
    session.execute(update(Chunk).where(Chunk.pass_id == pass_id, Chunk.position == position).values(done=done))
    total = func.coalesce(func.sum(Chunk.speech), 0.0)
    spent = func.extract("epoch", database.now() - Pass.created_at)
    row = session.execute(
        select(func.coalesce(func.sum(Chunk.done), 0.0), total, spent, Pass.duration)
        .join(Pass, Pass.id == Chunk.pass_id)
        .where(Pass.id == pass_id)
        .group_by(Pass.id)
    ).first()
    if row is None:
        return 0.0, 0.0, None
    reached, found, seconds, duration = row
    known = reached > 0 and duration is not None
    return reached, found, round(float(seconds) / reached * (found - reached), 1) if known else None


def unheard(session: Session, pass_id: UUID) -> int:
    """How many chunks of a pass are not heard yet."""
    wanted = select(func.count()).where(Chunk.pass_id == pass_id, Chunk.heard.is_(None))
    return session.execute(wanted).scalar_one()


def heard_chunks(session: Session, pass_id: UUID) -> Iterator[Chunk]:
    """The chunks of a pass in order, with what was heard in them, read a few at a time."""
    wanted = select(Chunk).where(Chunk.pass_id == pass_id).order_by(Chunk.position).options(undefer(Chunk.heard))
    return iter(session.scalars(wanted.execution_options(yield_per=8)))


def drop_passes(session: Session, media_id: UUID) -> list[str]:
    """Drop what was cut of a recording; returns the keys of the objects that nothing refers to then."""
    wanted = select(Chunk.object_key).join(Pass, Pass.id == Chunk.pass_id).where(Pass.media_id == media_id)
    keys = list(session.scalars(wanted))
    session.execute(delete(Pass).where(Pass.media_id == media_id))
    return keys


def known_keys(session: Session, keys: list[str]) -> set[str]:
    """Which of some keys chunks refer to."""
    return set(session.scalars(select(Chunk.object_key).where(Chunk.object_key.in_(keys))))


def stored_keys(session: Session) -> set[str]:
    """All keys that chunks refer to."""
    return set(session.scalars(select(Chunk.object_key)))


def next_version(session: Session, media_id: UUID) -> int:
    """The number of the next transcript of a recording that is locked."""
    newest = session.scalar(select(func.max(Transcript.version)).where(Transcript.media_id == media_id))
    return (newest or 0) + 1


def delete_transcripts(session: Session, media_id: UUID) -> None:
    """Drop all versions of a recording's transcript; segments and speakers go with them."""
    session.execute(delete(Transcript).where(Transcript.media_id == media_id))
