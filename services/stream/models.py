"""Tables of the stream service."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, Text, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from libs import database
from libs.contracts.media import Visibility
from libs.web.problems import Gone, Problem

__all__ = ["Appearance", "Base", "Deliverable", "Grant", "Play", "Share", "Suspension"]


class Base(DeclarativeBase):
    """This service's tables."""

    metadata = database.metadata()
    type_annotation_map = database.TYPES


class Appearance(Base):
    """What the owner lets others see of a recording or clip, and whether it is gone.

    Events come in any order: a title may be changed before there is a file, and a late ``rendition.ready`` must not bring a
    deleted clip back. So this row stands by itself, and stays when the rest is deleted.
    """

    __tablename__ = "appearances"

    media_id: Mapped[UUID] = mapped_column(primary_key=True)  # of a clip: the clip's id
    title: Mapped[str]
    visibility: Mapped[Visibility] = mapped_column(Text, default="private")
    group_id: Mapped[UUID | None]  # whose members may see it, where the visibility is "group"
    changed_by: Mapped[UUID | None]  # the newest media.changed heard of; ids of events are in the order of telling
    deleted: Mapped[bool] = mapped_column(default=False)


class Deliverable(Base):
    """A file that can be delivered: a recording as it came, or a clip as it was last rendered."""

    __tablename__ = "deliverables"

    media_id: Mapped[UUID] = mapped_column(ForeignKey(Appearance.media_id), primary_key=True)
    owner_id: Mapped[UUID]
    kind: Mapped[Literal["original", "clip"]] = mapped_column(Text)
    rendition_id: Mapped[UUID | None]  # of a clip: which of its renderings this is
    object_key: Mapped[str]
    poster_key: Mapped[str | None]
    mime: Mapped[str]  # as probed or made by this platform; never what an uploader said
    size: Mapped[int] = mapped_column(BigInteger)  # bytes
    sha256: Mapped[str]
    width: Mapped[int]  # 0 where there is no picture
    height: Mapped[int]
    duration: Mapped[float]  # seconds
    dropped_at: Mapped[datetime | None]  # since when the file is gone, as the platform's rules say; links live on

    @property
    def dropped(self) -> Problem | None:
        """Why there is nothing to play, if so."""
        if self.dropped_at is None:
            return None
        if self.kind == "original":
            return Gone(
                "The original of this recording was kept for as long as this platform's rules say, and is gone.",
                code="original_dropped",
            )
        return Gone(
            "The file of this clip was kept for as long as this platform's rules say, and is gone. Render it again.",
            code="rendition_dropped",
        )

    appearance: Mapped[Appearance] = relationship(lazy="joined", innerjoin=True)


class Share(Base):
    """A link that the owner gave away: whoever holds it may watch until it expires or is revoked."""

    __tablename__ = "shares"
    __table_args__ = (Index("ix_shares_media_id_id", "media_id", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=database.new_id)
    media_id: Mapped[UUID] = mapped_column(ForeignKey(Deliverable.media_id, ondelete="CASCADE"))
    owner_id: Mapped[UUID]
    created_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    views: Mapped[int] = mapped_column(BigInteger, default=0)


class Grant(Base):
    """Leave for one person to play one thing for a few hours; ``viewer_id`` is None for somebody not signed in."""

    __tablename__ = "grants"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=database.new_id)
    media_id: Mapped[UUID] = mapped_column(ForeignKey(Deliverable.media_id, ondelete="CASCADE"), index=True)
    viewer_id: Mapped[UUID | None] = mapped_column(index=True)
    session_id: Mapped[UUID | None] = mapped_column(index=True)  # in which it was asked for: it ends with that
    group_id: Mapped[UUID | None]  # as whose member they may see it; None for the owner, and for what is public
    expires_at: Mapped[datetime] = mapped_column(index=True)


class Suspension(Base):
    """Somebody whom an administrator disabled, or did once. No link of theirs opens anything meanwhile."""

    __tablename__ = "suspensions"

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    suspended: Mapped[bool]
    told_by: Mapped[UUID]


class Play(Base):
    """A counted play of a share, kept until the same viewer would count again."""

    __tablename__ = "plays"

    share_id: Mapped[UUID] = mapped_column(ForeignKey(Share.id, ondelete="CASCADE"), primary_key=True)
    viewer: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)  # SHA-256 of the viewer's cookie
    expires_at: Mapped[datetime] = mapped_column(index=True)
