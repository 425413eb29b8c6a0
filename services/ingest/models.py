"""Tables of ingest: recordings on their way in, and the originals that came of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, false, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from libs import database
from services.ingest.states import State, move

__all__ = ["Base", "Original", "Recording", "Retention"]


class Base(DeclarativeBase):
    """This service's tables."""

    metadata = database.metadata()
    type_annotation_map = database.TYPES


class Recording(Base):
    """One recording from the moment it was announced. Its id is the media id everywhere."""

    __tablename__ = "recordings"
    __table_args__ = (
        Index("ix_recordings_expiry", "expires_at", postgresql_where=text("state = 'receiving'")),
        Index("ix_recordings_owner", "owner_id"),
        Index(
            "uq_recordings_idempotency",
            "owner_id",
            "idempotency_key",
            unique=True,
            postgresql_where=text("idempotency_key IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[UUID]
    kind: Mapped[str]  # "upload" or "import", as in contracts.media.Origin
    title: Mapped[str]
    filename: Mapped[str] = mapped_column(default="")
    url: Mapped[str] = mapped_column(default="")
    wishes: Mapped[dict[str, Any]] = mapped_column(default=dict)
    state: Mapped[str]
    received: Mapped[int] = mapped_column(BigInteger, default=0)  # bytes that are durable on disk
    total: Mapped[int | None] = mapped_column(BigInteger)
    under_way: Mapped[bool] = mapped_column(server_default=false())  # a request brings bytes, or broke off while it did
    object_key: Mapped[str | None]  # where its bytes go in the store; noted before they go there
    code: Mapped[str] = mapped_column(default="")  # why it was rejected
    detail: Mapped[str] = mapped_column(default="")
    engine: Mapped[list[dict[str, Any]]] = mapped_column(default=list)  # contracts.media.EngineSpan
    idempotency_key: Mapped[str | None]  # written by the release before the table idempotency_keys, and no more
    expires_at: Mapped[datetime | None]
    told_at: Mapped[datetime | None]  # of the last media.progress
    created_at: Mapped[datetime] = mapped_column(server_default=database.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=database.now(), onupdate=database.now())

    def become(self, state: State) -> None:
        """Move to another state. Raises IllegalMove."""
        self.state = move(State(self.state), state).value
        self.expires_at = None

    @property
    def standing(self) -> State:
        """Where it stands."""
        return State(self.state)


class Original(Base):
    """The untouched bytes of a recording, as probed."""

    __tablename__ = "originals"
    __table_args__ = (Index("ix_originals_kept", "created_at", postgresql_where=text("dropped_at IS NULL")),)

    media_id: Mapped[UUID] = mapped_column(ForeignKey("recordings.id", ondelete="CASCADE"), primary_key=True)
    object_key: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str]
    container: Mapped[str]
    mime: Mapped[str]
    duration: Mapped[float]
    has_audio: Mapped[bool]
    has_video: Mapped[bool]
    width: Mapped[int]
    height: Mapped[int]
    fps: Mapped[float]
    created_at: Mapped[datetime] = mapped_column(server_default=database.now())
    dropped_at: Mapped[datetime | None]  # since when there are no bytes under its key, on purpose


class Retention(Base):
    """For how long originals are kept, as catalog told last: one row, or none while nothing was told."""

    __tablename__ = "retention"

    id: Mapped[int] = mapped_column(primary_key=True, default=1)
    days: Mapped[int | None]  # None: for ever
    told_by: Mapped[UUID]  # the event that said so: an older one changes nothing
