"""Showing transcripts, and how they come about here."""

from __future__ import annotations

from itertools import takewhile
from typing import Any
from uuid import UUID, uuid5

from libs import database
from libs.contracts import transcripts as contracts
from libs.web import problems
from services.transcription import queries, searching
from services.transcription.engines.choice import standing
from services.transcription.engines.protocol import Quality, Word
from services.transcription.engines.sentences import Sentence, sentences
from services.transcription.engines.stitching import stitched
from services.transcription.models import Chunk, Pass
from services.transcription.settings import settings

__all__ = ["search", "system", "transcript", "transcript_for_services"]


def transcript(media_id: UUID, owner_id: UUID, *, partly: bool = False) -> tuple[str, contracts.Transcript]:
    """The newest transcript of a recording of one's own, less its loudness, and its entity tag.

    ``partly``: what was heard so far will do, where there is none yet.
    """
    with database.transaction() as session:
        found = queries.transcript(session, media_id, owner_id)
        if found is not None:
            return found.tag, found.public()
        going_on = queries.pass_of(session, media_id, owner_id) if partly else None
        if going_on is None:
            raise queries.none_there()
        chunks = list(queries.heard_chunks(session, going_on.id))
        return _so_far(going_on, chunks)


def _so_far(going_on: Pass, chunks: list[Chunk]) -> tuple[str, contracts.Transcript]:
    """What was heard of a recording that is being heard, up to the first chunk that was not."""
    heard = list(takewhile(lambda chunk: chunk.heard is not None, chunks))
    parts = [[Word(*word) for word in (chunk.heard or {})["words"]] for chunk in heard]
    quality: Quality = "standard" if going_on.quality == "standard" else "draft"
    said = sentences(stitched(parts, [chunk.end for chunk in heard[:-1]]), quality)
    tag = f"{going_on.id}.{len(heard)}"
    return tag, contracts.Transcript(
        media_id=going_on.media_id,
        engine=going_on.engine,
        model=going_on.model,
        quality=quality,
        language=(heard[0].heard or {})["language"] if heard else "und",
        tag=tag,
        complete=False,
        duration=chunks[-1].end if chunks else 0.0,
        segments=tuple(_segment(going_on.id, sentence) for sentence in said),
        speakers=(),
    )


def _segment(pass_id: UUID, sentence: Sentence) -> contracts.Segment:
    words = [
        contracts.Word(text=word.text, start=word.start, end=word.end, confidence=word.confidence)
        for word in sentence.words
    ]
    start, end = words[0].start, words[-1].end
    return contracts.Segment(
        id=uuid5(pass_id, str(start)), text=sentence.text, start=start, end=end, words=tuple(words)
    )


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
