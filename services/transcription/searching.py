"""Full-text search over what was said (PostgreSQL's text search, chapter 12 of its manual).

Each segment is indexed by the rules of its language: "walks" finds "walking" in English. A query is read by the rules of
each language that somebody has transcripts in, so that the index serves every one of them.
"""

from __future__ import annotations

from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, literal, not_, or_, select
from sqlalchemy.dialects.postgresql import REGCONFIG
from sqlalchemy.orm import Session, aliased

from services.transcription.models import Recording, Segment, Speaker, Transcript

__all__ = ["Hit", "found", "rules_of"]

RULES = {
    "ar": "arabic", "hy": "armenian", "eu": "basque", "ca": "catalan", "da": "danish", "nl": "dutch", "en": "english",
    "fi": "finnish", "fr": "french", "de": "german", "el": "greek", "hi": "hindi", "hu": "hungarian", "id": "indonesian",
    "it": "italian", "lt": "lithuanian", "ne": "nepali", "no": "norwegian", "nn": "norwegian",
    "pt": "portuguese", "ro": "romanian", "ru": "russian", "sr": "serbian", "es": "spanish", "sv": "swedish",
    "ta": "tamil", "tr": "turkish", "yi": "yiddish",
}  # fmt: skip
OPEN, CLOSE = "\x01", "\x02"  # around the words that were found: characters that no transcript holds
MARKED = f"HighlightAll=true, StartSel={OPEN}, StopSel={CLOSE}"


class Hit(NamedTuple):
    """A segment in which something was found. ``words`` are the indices of the words that match."""

    media_id: UUID
    segment: Segment
    speaker: str | None  # a name
    words: list[int]

    @property
    def at(self) -> float:
        """When the first word that matches is said, in seconds."""
        inside = [index for index in self.words if index < len(self.segment.words)]
        return float(self.segment.words[inside[0]]["start"]) if inside else self.segment.start


def rules_of(language: str) -> str:
    """PostgreSQL's name for the rules of a language (BCP 47); those that only fold case for one that it doesn't know."""
    return RULES.get(language.partition("-")[0].lower(), "simple")


def found(
    session: Session,
    owner_id: UUID,
    query: str,
    *,
    media_id: UUID | None,
    speaker: str | None,
    after: tuple[UUID, float] | None,
    limit: int,
) -> list[Hit]:
    """Segments of one's own newest transcripts that match, the newest recording first and in each by time.

    ``query`` is what people type into search boxes: words, "phrases", or, -not. ``after`` is the last hit of the page
    before: its recording and the segment's position.
    """
    rules = _rules(session, owner_id, media_id)
    if not rules:
        return []
    wanted = (
        _segments(owner_id, media_id)
        .add_columns(func.ts_headline(Segment.rules, Segment.text, _query(Segment.rules, query), MARKED))
        .where(or_(*(and_(Segment.rules == _config(one), _matches(one, query)) for one in rules)))
        .order_by(Transcript.media_id.desc(), Segment.position)
        .limit(limit)
    )
    if speaker is not None:
        wanted = wanted.where(func.lower(Speaker.name) == speaker.lower())
    if after is not None:
        media, position = after
        wanted = wanted.where(
            or_(
                Transcript.media_id < media,
                and_(Transcript.media_id == media, Segment.position > position),
            )
        )
    return [Hit(media, segment, name, _marked(text)) for media, segment, name, text in session.execute(wanted)]


def _segments(owner_id: UUID, media_id: UUID | None) -> Select[UUID, Segment, str]:
    """Recording, segment and the speaker's name, of the newest transcripts."""
    newer = aliased(Transcript)
    wanted = (
        select(Transcript.media_id, Segment, Speaker.name)
        .join(Recording, Recording.media_id == Transcript.media_id)
        .join(Segment, Segment.transcript_id == Transcript.id)
        .outerjoin(Speaker, and_(Speaker.transcript_id == Transcript.id, Speaker.label == Segment.speaker))
        .where(
            Recording.owner_id == owner_id,
            Recording.deleted_at.is_(None),
            not_(
                select(newer.id)
                .where(newer.media_id == Transcript.media_id, newer.version > Transcript.version)
                .exists()
            ),
        )
    )
    return wanted if media_id is None else wanted.where(Transcript.media_id == media_id)


def _rules(session: Session, owner_id: UUID, media_id: UUID | None) -> list[str]:
    """The rules by which somebody's transcripts are indexed."""
    wanted = (
        select(Transcript.language)
        .join(Recording, Recording.media_id == Transcript.media_id)
        .where(Recording.owner_id == owner_id, Recording.deleted_at.is_(None))
        .distinct()
    )
    if media_id is not None:
        wanted = wanted.where(Transcript.media_id == media_id)
    return sorted({rules_of(language) for language in session.scalars(wanted)})


def _config(rules: str) -> ColumnElement[Any]:
    return literal(rules).cast(REGCONFIG)


def _query(rules: Any, query: str) -> ColumnElement[Any]:
    return func.websearch_to_tsquery(rules, query)


def _matches(rules: str, query: str) -> ColumnElement[bool]:
    return Segment.search.op("@@")(_query(_config(rules), query))


def _marked(text: str) -> list[int]:
    """Which of the words between spaces hold something that was found."""
    return [index for index, word in enumerate(text.split(" ")) if OPEN in word]
