"""Tables of the auth service."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import ARRAY, ForeignKey, LargeBinary, Text, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from libs import database

__all__ = ["ApiKey", "Base", "Role", "Session", "User"]


class Base(DeclarativeBase):
    """This service's tables."""

    metadata = database.metadata()
    type_annotation_map = database.TYPES


_WHEN_MADE = text("clock_timestamp()")


Role = Literal["user", "admin"]


class User(Base):
    """A person with a password."""

    __tablename__ = "users"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=database.new_id)
    email: Mapped[str] = mapped_column(unique=True)  # normalised and lower-case: one mailbox, one account
    display_name: Mapped[str]
    password_hash: Mapped[str]
    role: Mapped[Role] = mapped_column(Text, server_default="user")
    created_at: Mapped[datetime] = mapped_column(server_default=_WHEN_MADE)


class Session(Base):
    """A sign-in that has not been ended. It is over at ``expires_at``, or when idle for too long, whichever is first."""

    __tablename__ = "sessions"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=database.new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"), index=True)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=_WHEN_MADE)
    last_seen_at: Mapped[datetime] = mapped_column(server_default=_WHEN_MADE)
    expires_at: Mapped[datetime]


class ApiKey(Base):
    """A key that a program acts with. Revoked keys stay, so that ``last_used_at`` can still be asked about."""

    __tablename__ = "api_keys"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=database.new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"), index=True)
    name: Mapped[str]
    prefix: Mapped[str]
    key_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    created_at: Mapped[datetime] = mapped_column(server_default=_WHEN_MADE)
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
