"""Highlight's tables: one search per recording, and the moments that it found."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from libs import database
from libs.contracts import moments as contracts
from services.highlight.states import SearchState, moved


class Base(DeclarativeBase):
    """Highlight's tables."""

    metadata = database.metadata()
    type_annotation_map = database.TYPES


class Search(Base):
    """The search through one recording: what was asked and what came of it. Stays, emptied, when the recording goes."""

    __tablename__ = "searches"

    media_id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[UUID | None]  # None: only known to be deleted
    words: Mapped[int] = mapped_column(default=0)
    state: Mapped[str] = mapped_column(default=SearchState.LOOKING)
    job_id: Mapped[UUID | None]  # whose result counts: a search that was asked for later overrules an earlier one
    wishes: Mapped[dict[str, Any]] = mapped_column(default=dict)
    chosen_by: Mapped[str] = mapped_column(default="")
    code: Mapped[str] = mapped_column(default="")
    detail: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime] = mapped_column(server_default=database.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=database.now(), onupdate=database.now())
    deleted_at: Mapped[datetime | None]
    moments: Mapped[list[Moment]] = relationship(
        back_populates="search", order_by="Moment.rank", cascade="all, delete-orphan", lazy="raise"
    )

    def to(self, state: SearchState) -> None:
        """Move to another state."""
        self.state = moved(SearchState(self.state), state)


class Moment(Base):
    """A span worth sharing, in seconds from the start of the recording."""

    __tablename__ = "moments"
    __table_args__ = (UniqueConstraint("media_id", "rank", deferrable=True, initially="DEFERRED"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=database.new_id)
    media_id: Mapped[UUID] = mapped_column(ForeignKey("searches.media_id", ondelete="CASCADE"))
    rank: Mapped[int]
    start: Mapped[float]
    end: Mapped[float]
    title: Mapped[str]
    text: Mapped[str]
    score: Mapped[float]
    scores: Mapped[dict[str, Any]]
    reason: Mapped[str]
    source: Mapped[str]  # who chose it
    created_at: Mapped[datetime] = mapped_column(server_default=database.now())
    search: Mapped[Search] = relationship(back_populates="moments", lazy="raise")

    def public(self) -> contracts.Moment:
        """Show it as it crosses service borders."""
        return contracts.Moment(
            id=self.id,
            media_id=self.media_id,
            rank=self.rank,
            start=self.start,
            end=self.end,
            title=self.title,
            text=self.text,
            score=self.score,
            scores=self.scores,
            reason=self.reason,
        )
