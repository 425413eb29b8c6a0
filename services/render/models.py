"""Render's tables: recordings it was told of, clips with their plans, and the files made of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from libs import database
from services.render.plans import Plan
from services.render.states import RenditionState, moved


class Base(DeclarativeBase):
    """This service's tables."""

    metadata = database.metadata()
    type_annotation_map = database.TYPES


MIME = "video/mp4"


class Recording(Base):
    """A recording, or a deleted clip. The row is the lock under which plans are made; it outlives the recording."""

    __tablename__ = "recordings"

    media_id: Mapped[UUID] = mapped_column(primary_key=True)
    deleted_at: Mapped[datetime | None]


class Clip(Base):
    """A span of a recording and the look it gets. ``id`` is its media id everywhere."""

    __tablename__ = "clips"
    __table_args__ = (UniqueConstraint("media_id", "digest"), Index("ix_clips_owner_id", "owner_id", "id"))

    id: Mapped[UUID] = mapped_column(primary_key=True, default=database.new_id)
    media_id: Mapped[UUID]  # the recording
    owner_id: Mapped[UUID]
    title: Mapped[str]
    start: Mapped[float]
    end: Mapped[float]
    score: Mapped[float | None]
    reason: Mapped[str] = mapped_column(default="")
    preset: Mapped[str]
    plan: Mapped[dict[str, Any]]
    digest: Mapped[str]  # of the plan
    created_at: Mapped[datetime] = mapped_column(server_default=database.now())
    renditions: Mapped[list[Rendition]] = relationship(
        back_populates="clip", order_by="Rendition.id", cascade="all, delete-orphan", lazy="raise"
    )

    def planned(self) -> Plan:
        """The plan, as it was made."""
        return Plan.model_validate(self.plan)

    def public(self) -> dict[str, Any]:
        """The clip as its owner sees it."""
        states = {RenditionState(rendition.state) for rendition in self.renditions}
        first = next(state for state in _WORST_FIRST if state in states)
        problem = next((rendition.problem for rendition in self.renditions if rendition.problem), None)
        shares = [rendition.progress for rendition in self.renditions]
        return {
            "id": self.id,
            "media_id": self.media_id,
            "title": self.title,
            "start": self.start,
            "end": self.end,
            "score": self.score,
            "reason": self.reason,
            "preset": self.preset,
            "status": first.value,
            "progress": round(sum(shares) / len(shares), 3),
            "problem": problem,
            "files": [rendition.public() for rendition in self.renditions if rendition.state == RenditionState.READY],
            "created_at": self.created_at,
        }


_WORST_FIRST = (
    RenditionState.RENDERING,
    RenditionState.QUEUED,
    RenditionState.FAILED,
    RenditionState.DROPPED,
    RenditionState.READY,
)


class Rendition(Base):
    """One file of a clip. What is known of the file is set when it becomes visible, all at once."""

    __tablename__ = "renditions"
    __table_args__ = (Index("ix_renditions_kept", "ready_at", postgresql_where=text("state = 'ready'")),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=database.new_id)
    clip_id: Mapped[UUID] = mapped_column(ForeignKey("clips.id", ondelete="CASCADE"), index=True)
    preset: Mapped[str]
    state: Mapped[str] = mapped_column(default=RenditionState.QUEUED)
    progress: Mapped[float] = mapped_column(default=0.0)  # 0 to 1
    problem_code: Mapped[str | None]
    problem_detail: Mapped[str | None]
    object_key: Mapped[str | None]
    poster_key: Mapped[str | None]
    size: Mapped[int | None] = mapped_column(BigInteger)  # bytes
    sha256: Mapped[str | None]
    width: Mapped[int | None]
    height: Mapped[int | None]
    duration: Mapped[float | None]
    words: Mapped[int | None]  # that its captions show
    loudness: Mapped[float | None]  # LUFS
    true_peak: Mapped[float | None]  # dBTP
    created_at: Mapped[datetime] = mapped_column(server_default=database.now())
    ready_at: Mapped[datetime | None]
    clip: Mapped[Clip] = relationship(back_populates="renditions", lazy="raise")

    def to(self, state: RenditionState) -> None:
        """Move to another state; what the last one left behind goes."""
        self.state = moved(RenditionState(self.state), state)
        self.progress = 1.0 if state is RenditionState.READY else 0.0
        self.problem_code = self.problem_detail = None

    def drop(self) -> list[str]:
        """Note that there is no file any more. Returns the keys of the objects that are to go."""
        keys = self.keys
        self.to(RenditionState.DROPPED)
        self.object_key = self.poster_key = None
        return keys

    def fail(self, code: str, detail: str) -> None:
        """Note why there is no file."""
        self.to(RenditionState.FAILED)
        self.problem_code, self.problem_detail = code, detail

    @property
    def problem(self) -> dict[str, str] | None:
        """Why there is no file, if so."""
        return {"code": self.problem_code, "detail": self.problem_detail or ""} if self.problem_code else None

    @property
    def keys(self) -> list[str]:
        """Its objects in the store."""
        return [key for key in (self.object_key, self.poster_key) if key]

    def public(self) -> dict[str, Any]:
        """The file as its owner sees it."""
        return {
            "rendition_id": self.id,
            "preset": self.preset,
            "width": self.width,
            "height": self.height,
            "duration": self.duration,
            "size": self.size,
            "mime": MIME,
            "loudness": self.loudness,
            "true_peak": self.true_peak,
        }


class Retention(Base):
    """For how long files are kept, as catalog told last: one row, or none while nothing was told."""

    __tablename__ = "retention"

    id: Mapped[int] = mapped_column(primary_key=True, default=1)
    days: Mapped[int | None]  # None: for ever
    told_by: Mapped[UUID]  # the event that said so: an older one changes nothing
