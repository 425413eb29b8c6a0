"""Catalog's tables: media as people see them, people's names, and the ids of what was deleted."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, Text, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from libs import database

IMPORTED = "body #>> '{origin,kind}' = 'import'"
"""Tells recordings that were fetched from elsewhere."""


class Base(DeclarativeBase):
    """Catalog's tables."""

    metadata = database.metadata()
    type_annotation_map = database.TYPES


class Media(Base):
    """A recording or a clip. ``facts`` is what was heard of it; ``status``, ``duration`` and ``body`` follow from them.

    A row without an owner is a shell: something was heard of it before the event that names its owner. Nobody sees shells.
    """

    __tablename__ = "media"
    __table_args__ = (
        Index("ix_media_expires_at", "expires_at", postgresql_where=text("expires_at IS NOT NULL")),
        Index("ix_media_imports", "created_at", postgresql_where=text(IMPORTED)),
        Index("ix_media_group", "group_id", "created_at", "id", postgresql_where=text("group_id IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    parent_id: Mapped[UUID | None]
    owner_id: Mapped[UUID | None]
    title: Mapped[str]
    own_title: Mapped[str | None]  # given by the owner: no event changes it
    description: Mapped[str] = mapped_column(Text, default="")
    visibility: Mapped[str] = mapped_column(default="private")
    group_id: Mapped[UUID | None]  # whose members may see it; there where the visibility is "group", and only there
    status: Mapped[str]
    duration: Mapped[float | None]
    facts: Mapped[dict[str, Any]]
    body: Mapped[dict[str, Any]]
    dropped: Mapped[int] = mapped_column(default=0)  # clips of found moments that were deleted
    views: Mapped[int] = mapped_column(BigInteger, default=0)
    likes: Mapped[int] = mapped_column(BigInteger, default=0)  # how many rows of Like there are
    version: Mapped[int] = mapped_column(BigInteger, default=0)
    expires_at: Mapped[datetime | None]  # when its owner wants it deleted
    created_at: Mapped[datetime] = mapped_column(server_default=database.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=database.now())

    def shown(self, viewer: UUID | None, *, liked: bool = False) -> dict[str, Any]:
        """Show it to a person, who ``liked`` it or not, or to anybody (None). Where it came from is the owner's business."""
        own = viewer is not None and viewer == self.owner_id
        view = {
            "id": self.id,
            "kind": self.kind,
            "parent_id": self.parent_id,
            "owner_id": self.owner_id,
            "title": self.title,
            "description": self.description,
            "visibility": self.visibility,
            "group_id": self.group_id,
            "status": self.status,
            "duration": self.duration,
            **self.body,
            "views": self.views,
            "likes": self.likes,
            "liked": liked,
            "version": self.version,
            "expires_at": self.expires_at,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
        }
        return view if own else view | {"origin": None}


class Like(Base):
    """A person likes a recording or clip: once, however often they say so."""

    __tablename__ = "likes"

    media_id: Mapped[UUID] = mapped_column(ForeignKey("media.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    created_at: Mapped[datetime] = mapped_column(server_default=database.now())


class Retention(Base):
    """For how many days each kind is kept; None is for ever. One row, or none while no administrator said anything."""

    __tablename__ = "retention"

    id: Mapped[int] = mapped_column(primary_key=True, default=1)
    originals: Mapped[int | None]
    renditions: Mapped[int | None]
    imports: Mapped[int | None]
    changed_by: Mapped[UUID]
    changed_at: Mapped[datetime] = mapped_column(server_default=database.now())


class Person(Base):
    """Whose media these are."""

    __tablename__ = "people"

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    display_name: Mapped[str]
    told_by: Mapped[UUID]  # the event that named them so: an older one changes nothing


class Suspension(Base):
    """Somebody whom an administrator disabled, or did once. What they shared is nobody else's to see meanwhile."""

    __tablename__ = "suspensions"

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    suspended: Mapped[bool]
    told_by: Mapped[UUID]


class Tombstone(Base):
    """The id of something deleted, so that a late event doesn't bring it back."""

    __tablename__ = "tombstones"

    media_id: Mapped[UUID] = mapped_column(primary_key=True)
    deleted_at: Mapped[datetime] = mapped_column(server_default=database.now())
