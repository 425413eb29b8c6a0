"""Transcription's tables: recordings, the versions of their transcripts, segments with their words, and speakers."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Computed, ForeignKey, UniqueConstraint
from sqlalchemy.dialects.postgresql import REGCONFIG, TSVECTOR
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from libs import database
from libs.contracts import transcripts as contracts


class Base(DeclarativeBase):
    """This service's tables."""

    metadata = database.metadata()
    type_annotation_map = database.TYPES


class Recording(Base):
    """A recording that was handed to us: whose it is, and what they wished. Stays, emptied, when it is deleted."""

    __tablename__ = "recordings"

    media_id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[UUID | None]  # None: only known to be deleted
    wishes: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime] = mapped_column(server_default=database.now())
    deleted_at: Mapped[datetime | None]


class Transcript(Base):
    """One version of what was said in a recording. People put it right in place, an engine's better one gets a number."""

    __tablename__ = "transcripts"
    __table_args__ = (UniqueConstraint("media_id", "version"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=database.new_id)
    media_id: Mapped[UUID] = mapped_column(ForeignKey("recordings.media_id", ondelete="CASCADE"))
    version: Mapped[int]  # from 1
    engine: Mapped[str]
    model: Mapped[str]
    quality: Mapped[str]  # "standard" or "draft"
    language: Mapped[str]  # BCP 47
    language_confidence: Mapped[float | None]  # 0 to 1
    reason: Mapped[str] = mapped_column(default="")  # why the engine ran as it did
    translation: Mapped[list[dict[str, Any]]] = mapped_column(deferred=True, default=list)  # text, start, end
    chapters: Mapped[list[dict[str, Any]]] = mapped_column(default=list)  # a contract's Chapters
    revision: Mapped[int] = mapped_column(default=0)  # how often it was changed since it came
    edited_at: Mapped[datetime | None]
    reviewed_at: Mapped[datetime | None]
    duration: Mapped[float]  # seconds
    words: Mapped[int]
    loudness: Mapped[dict[str, Any]] = mapped_column(deferred=True)  # a contract's Loudness
    created_at: Mapped[datetime] = mapped_column(server_default=database.now())
    segments: Mapped[list[Segment]] = relationship(
        order_by="Segment.position", cascade="all, delete-orphan", passive_deletes=True, lazy="raise"
    )
    speakers: Mapped[list[Speaker]] = relationship(
        order_by="Speaker.position", cascade="all, delete-orphan", passive_deletes=True, lazy="raise"
    )

    @property
    def tag(self) -> str:
        """What changes whenever its content does: the entity tag, without quotes."""
        return f"{self.id}.{self.revision}"

    def public(self, *, loudness: bool = False) -> contracts.Transcript:
        """Show it as it crosses service borders; its segments and speakers have to be loaded."""
        return contracts.Transcript(
            media_id=self.media_id,
            engine=self.engine,
            model=self.model,
            quality="standard" if self.quality == "standard" else "draft",
            language=self.language,
            language_confidence=self.language_confidence,
            reason=self.reason,
            version=self.version,
            tag=self.tag,
            edited_at=self.edited_at,
            reviewed_at=self.reviewed_at,
            duration=self.duration,
            segments=tuple(segment.public() for segment in self.segments),
            speakers=tuple(speaker.public() for speaker in self.speakers),
            chapters=tuple(contracts.Chapter.model_validate(chapter) for chapter in self.chapters),
            loudness=contracts.Loudness.model_validate(self.loudness) if loudness else None,
        )


class Pass(Base):
    """A recording while it is heard, from its being cut to its transcript; its id is that of the job that cuts it."""

    __tablename__ = "passes"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    media_id: Mapped[UUID] = mapped_column(ForeignKey("recordings.media_id", ondelete="CASCADE"))
    engine: Mapped[str]
    model: Mapped[str]
    quality: Mapped[str]
    duration: Mapped[float | None]  # seconds; None while it is being cut
    turns: Mapped[list[Any] | None]  # who speaks by channel; None where voices decide
    loudness: Mapped[dict[str, Any] | None] = mapped_column(deferred=True)
    span: Mapped[dict[str, Any] | None]  # when it was cut: an EngineSpan
    failed: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(server_default=database.now())


class Chunk(Base):
    """A stretch of a recording that is heard by itself, by a job of its own. Times are seconds of the recording."""

    __tablename__ = "chunks"

    pass_id: Mapped[UUID] = mapped_column(ForeignKey("passes.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)  # from 0
    start: Mapped[float]
    end: Mapped[float]
    heard_from: Mapped[float]  # when its sound begins
    regions: Mapped[list[Any]]  # pairs of seconds
    speech: Mapped[float]  # seconds between its own ends
    object_key: Mapped[str] = mapped_column(unique=True)
    size: Mapped[int]  # bytes
    done: Mapped[float] = mapped_column(default=0.0)  # seconds of speech heard so far
    heard: Mapped[dict[str, Any] | None] = mapped_column(deferred=True)  # what hear_child gave, and its EngineSpan


class Segment(Base):
    """A sentence of one speaker."""

    __tablename__ = "segments"

    transcript_id: Mapped[UUID] = mapped_column(ForeignKey("transcripts.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[float] = mapped_column(primary_key=True)  # from 0; what is split off comes halfway to the next
    id: Mapped[UUID] = mapped_column(default=database.new_id, unique=True)
    start: Mapped[float]
    end: Mapped[float]
    speaker: Mapped[str | None]  # a label
    text: Mapped[str]
    words: Mapped[list[dict[str, Any]]]  # text, start, end, confidence, and mark where there is one
    rules: Mapped[str] = mapped_column(REGCONFIG, default="simple")  # by which it is indexed: those of its language
    search: Mapped[str] = mapped_column(TSVECTOR, Computed("to_tsvector(rules, text)", persisted=True), deferred=True)

    def public(self) -> contracts.Segment:
        """Show it as it crosses service borders."""
        return contracts.Segment(
            id=self.id,
            text=self.text,
            start=self.start,
            end=self.end,
            speaker=self.speaker,
            words=tuple(contracts.Word(**word, speaker=self.speaker) for word in self.words),
        )


class Speaker(Base):
    """A voice in a recording."""

    __tablename__ = "speakers"

    transcript_id: Mapped[UUID] = mapped_column(ForeignKey("transcripts.id", ondelete="CASCADE"), primary_key=True)
    label: Mapped[str] = mapped_column(primary_key=True)  # "S1"
    position: Mapped[int]  # from 0, by first appearance
    name: Mapped[str]  # "Speaker 1"
    seconds: Mapped[float]  # speech time
    suggestion: Mapped[dict[str, Any] | None]  # a contract's Suggestion

    def public(self) -> contracts.Speaker:
        """Show it as it crosses service borders."""
        suggestion = contracts.Suggestion.model_validate(self.suggestion) if self.suggestion else None
        return contracts.Speaker(label=self.label, name=self.name, seconds=self.seconds, suggestion=suggestion)


class Edit(Base):
    """A change that somebody made: the rows that it took away and those that it put there, so that it can be undone."""

    __tablename__ = "edits"

    transcript_id: Mapped[UUID] = mapped_column(ForeignKey("transcripts.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)  # from 1
    kind: Mapped[str]
    summary: Mapped[str]  # for people
    by: Mapped[UUID]
    made_at: Mapped[datetime] = mapped_column(server_default=database.now())
    undone: Mapped[bool] = mapped_column(default=False)
    before: Mapped[dict[str, Any]]  # {"segments": […], "speakers": […]}
    after: Mapped[dict[str, Any]]
