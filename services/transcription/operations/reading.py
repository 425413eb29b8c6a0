"""Showing transcripts, and how they come about here."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from libs import database
from libs.contracts import transcripts as contracts
from libs.web import problems
from services.transcription import queries, searching
from services.transcription.engines.choice import standing
from services.transcription.settings import settings

__all__ = ["search", "system", "transcript", "transcript_for_services"]


def transcript(media_id: UUID, owner_id: UUID) -> tuple[str, contracts.Transcript]:
    """The newest transcript of a recording of one's own, less its loudness, and its entity tag."""
    with database.transaction() as session:
        found = queries.transcript(session, media_id, owner_id)
        if found is None:
            raise queries.none_there()
        return found.tag, found.public()


def transcript_for_services(media_id: UUID) -> contracts.Transcript:
    """The newest transcript of any recording, with its loudness."""
    with database.transaction() as session:
        found = queries.transcript(session, media_id, loudness=True)
        if found is None:
            raise queries.none_there()
        return found.public(loudness=True)


def search(
    owner_id: UUID, query: str, *, media_id: UUID | None, speaker: str | None, cursor: str | None, limit: int
) -> dict[str, Any]:
    """One page of what was found in one's own transcripts. Raises Malformed for a cursor that is not from here."""
    after = None if cursor is None else _place(cursor)
    with database.transaction() as session:
        hits = searching.found(
            session, owner_id, query, media_id=media_id, speaker=speaker, after=after, limit=limit + 1
        )
        page = [_hit(hit) for hit in hits[:limit]]
        more = len(hits) > limit
        last = hits[limit - 1] if more else None
        return {"items": page, "next_cursor": f"{last.media_id}_{last.segment.position!r}" if last else None}


def _hit(hit: searching.Hit) -> dict[str, Any]:
    segment = hit.segment
    return {
        "media_id": hit.media_id,
        "segment": segment.id,
        "start": segment.start,
        "end": segment.end,
        "at": hit.at,
        "speaker": hit.speaker,
        "text": segment.text,
        "words": hit.words,
    }


def _place(cursor: str) -> tuple[UUID, float]:
    media_id, _, position = cursor.partition("_")
    try:
        return UUID(media_id), float(position)
    except ValueError as error:
        raise problems.Malformed("This cursor is not from here; begin again without a cursor.") from error


def system() -> dict[str, Any]:
    """Tell which engine hears here, why that one, and what would make it better."""
    choice = standing(settings())
    return {
        "engine": choice.engine,
        "model": choice.model,
        "quality": choice.quality,
        "reason": choice.reason,
        "improve": choice.improve,
        "speakers": "built-in",
    }
