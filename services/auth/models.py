"""Tables of the auth service."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, ForeignKey, Identity, Index, LargeBinary, Text, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from libs import database
from libs.contracts.identity import Role

__all__ = [
    "ApiKey",
    "AuditEntry",
    "Avatar",
    "Base",
    "Challenge",
    "Code",
    "Group",
    "Invitation",
    "Mail",
    "Membership",
    "MembershipRole",
    "OidcIdentity",
    "Passkey",
    "Platform",
    "RecoveryCode",
    "RetiredToken",
    "Role",
    "Session",
    "SignUpMode",
    "Throttle",
    "Totp",
    "User",
]


class Base(DeclarativeBase):
    """This service's tables."""

    metadata = database.metadata()
    type_annotation_map = database.TYPES


_WHEN_MADE = text("clock_timestamp()")
_NOW = text("clock_timestamp()")

MembershipRole = Literal["owner", "moderator", "member"]
SignUpMode = Literal["open", "invitation", "closed"]


class User(Base):
    """A person. Without a password they sign in through an identity provider or with a passkey."""

    __tablename__ = "users"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=database.new_id)
    email: Mapped[str] = mapped_column(unique=True)  # normalised and lower-case: one mailbox, one account
    email_verified_at: Mapped[datetime | None]  # when they proved that they read its mail
    display_name: Mapped[str]
    password_hash: Mapped[str | None]
    password_changed_at: Mapped[datetime | None]
    role: Mapped[Role] = mapped_column(Text, server_default="user")
    language: Mapped[str] = mapped_column(server_default="en")  # BCP 47, of the app and of mails
    year_of_birth: Mapped[int | None]
    consent_version: Mapped[str | None]  # of the agreement that speakers sign
    consented_at: Mapped[datetime | None]
    disabled_at: Mapped[datetime | None]  # by an administrator: nothing of theirs works until they are enabled again
    delete_after: Mapped[datetime | None]  # they asked to be deleted, and can still think better of it
    created_at: Mapped[datetime] = mapped_column(server_default=_WHEN_MADE)


class Session(Base):
    """A sign-in that has not been ended. It is over at ``expires_at``, or when idle for too long, whichever is first.

    Its token changes (rotation), its id does not: all tokens that it ever had are one family.
    """

    __tablename__ = "sessions"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=database.new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"), index=True)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    rotated_at: Mapped[datetime] = mapped_column(server_default=_NOW)
    device: Mapped[str] = mapped_column(server_default="")  # "Firefox on Linux", as the browser says it
    address: Mapped[str] = mapped_column(server_default="")  # the last one that it was seen from
    proved_at: Mapped[datetime] = mapped_column(server_default=_NOW)  # when who is behind it last proved who they are
    strong: Mapped[bool] = mapped_column(server_default=text("false"))  # begun with a second factor or a passkey
    created_at: Mapped[datetime] = mapped_column(server_default=_WHEN_MADE)
    last_seen_at: Mapped[datetime] = mapped_column(server_default=_WHEN_MADE)
    expires_at: Mapped[datetime]


class RetiredToken(Base):
    """A token that a session had. Whoever brings it to be rotated once more has stolen it, or lost it to a thief."""

    __tablename__ = "retired_tokens"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    session_id: Mapped[UUID] = mapped_column(ForeignKey(Session.id, ondelete="CASCADE"), index=True)
    retired_at: Mapped[datetime] = mapped_column(server_default=_NOW)


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
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class Code(Base):
    """A secret that was mailed to somebody: once, for one purpose, for some minutes. Only its hash is here."""

    __tablename__ = "codes"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=database.new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"), index=True)
    purpose: Mapped[str]  # "verify", "reset", "new-address"
    code_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    email: Mapped[str]  # the address that it was sent to, and proves
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=_WHEN_MADE)


class Throttle(Base):
    """How often somebody failed to prove who they are, by what they claimed. It slows guessing down; it locks nobody out."""

    __tablename__ = "throttles"

    key: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)  # SHA-256 of what was claimed: an address, a code
    failures: Mapped[int]
    last_at: Mapped[datetime] = mapped_column(server_default=_NOW)
    blocked_until: Mapped[datetime | None]


class Totp(Base):
    """A shared secret of RFC 6238, sealed. It counts once a code of it was entered."""

    __tablename__ = "totps"

    user_id: Mapped[UUID] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"), primary_key=True)
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    confirmed_at: Mapped[datetime | None]
    last_step: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))  # no code is good twice
    created_at: Mapped[datetime] = mapped_column(server_default=_WHEN_MADE)


class RecoveryCode(Base):
    """Stands in for a second factor once."""

    __tablename__ = "recovery_codes"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=database.new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"), index=True)
    code_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    used_at: Mapped[datetime | None]


class Passkey(Base):
    """A WebAuthn credential."""

    __tablename__ = "passkeys"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=database.new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"), index=True)
    credential_id: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    sign_count: Mapped[int] = mapped_column(BigInteger)
    transports: Mapped[list[str]] = mapped_column(ARRAY(Text))
    name: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=_WHEN_MADE)
    last_used_at: Mapped[datetime | None]


class Challenge(Base):
    """A question that was put to a browser, and is answered once: WebAuthn's, a second factor's, an OIDC sign-in's."""

    __tablename__ = "challenges"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=database.new_id)
    purpose: Mapped[str]
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)  # of what the browser brings back
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"), index=True)
    facts: Mapped[dict[str, Any]]
    expires_at: Mapped[datetime]


class OidcIdentity(Base):
    """Somebody's account at an identity provider, known by issuer and subject and by nothing else."""

    __tablename__ = "oidc_identities"

    id: Mapped[UUID] = mapped_column(unique=True, default=database.new_id)  # what people name it by
    issuer: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"), index=True)
    email: Mapped[str]  # as the provider told it last; to be shown, never to be believed
    created_at: Mapped[datetime] = mapped_column(server_default=_WHEN_MADE)
    last_used_at: Mapped[datetime | None]


class Group(Base):
    """A circle of friends: what its members share with it, nobody else sees."""

    __tablename__ = "groups"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=database.new_id)
    name: Mapped[str]
    description: Mapped[str] = mapped_column(server_default="")
    created_at: Mapped[datetime] = mapped_column(server_default=_WHEN_MADE)


class Membership(Base):
    """That somebody belongs to a group. A group has exactly one owner."""

    __tablename__ = "memberships"
    __table_args__ = (
        Index("uq_memberships_owner", "group_id", unique=True, postgresql_where=text("role = 'owner'")),
        Index("ix_memberships_user_id", "user_id"),
    )

    group_id: Mapped[UUID] = mapped_column(ForeignKey(Group.id, ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"), primary_key=True)
    role: Mapped[MembershipRole] = mapped_column(Text)
    joined_at: Mapped[datetime] = mapped_column(server_default=_WHEN_MADE)


class Invitation(Base):
    """Lets people in: onto the server, and into a group if it names one."""

    __tablename__ = "invitations"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=database.new_id)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    group_id: Mapped[UUID | None] = mapped_column(ForeignKey(Group.id, ondelete="CASCADE"), index=True)
    email: Mapped[str | None]  # whom it was mailed to: nobody else can use it
    created_by: Mapped[UUID] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"), index=True)
    most_uses: Mapped[int]
    uses: Mapped[int] = mapped_column(server_default=text("0"))
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=_WHEN_MADE)


class Avatar(Base):
    """A person's picture, as it was encoded here."""

    __tablename__ = "avatars"

    user_id: Mapped[UUID] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"), primary_key=True)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    mime: Mapped[str]
    etag: Mapped[str]


class Mail(Base):
    """A mail that was sent, or is to be. Without an SMTP server this is where people find it."""

    __tablename__ = "mails"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=database.new_id)
    user_id: Mapped[UUID | None]  # whom it is for, if they have an account
    recipient: Mapped[str]
    subject: Mapped[str]
    body: Mapped[bytes | None] = mapped_column(
        LargeBinary
    )  # sealed, for it may hold a code; gone once it was delivered
    how: Mapped[str | None]  # "smtp" or "file", once it was delivered
    problem: Mapped[str | None]  # why it could not be sent, as the server said it
    sent_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=_WHEN_MADE)


class Platform(Base):
    """What administrators chose about accounts. One row, or none while nobody chose."""

    __tablename__ = "platform"

    id: Mapped[int] = mapped_column(primary_key=True, default=1)
    sign_up: Mapped[SignUpMode] = mapped_column(Text, server_default="open")
    verify_email: Mapped[bool] = mapped_column(server_default=text("false"))  # nobody gets in with an unproved address
    admins_need_second_factor: Mapped[bool] = mapped_column(server_default=text("false"))
    changed_by: Mapped[UUID | None]
    changed_at: Mapped[datetime] = mapped_column(server_default=_NOW)


class AuditEntry(Base):
    """Who did what, on whom, from where, and how it ended. Written once, never changed; a trigger sees to that."""

    __tablename__ = "audit"
    __table_args__ = (
        Index("ix_audit_actor_id", "actor_id", "position"),
        Index("ix_audit_target_id", "target_id", "position"),
        Index("ix_audit_action", "action", "position"),
    )

    position: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=_NOW)
    action: Mapped[str]  # "session.begun", "group.member.removed"
    result: Mapped[str]  # "ok", or the code of the problem
    actor_id: Mapped[UUID | None]  # None: nobody who is known
    actor: Mapped[str]  # the e-mail address then; for who is not known, what they claimed
    delegate: Mapped[str | None]  # the key, by its name, that acted in the actor's name
    target_id: Mapped[UUID | None]
    target: Mapped[str]  # in words, as it was called then
    address: Mapped[str]
    device: Mapped[str]
    facts: Mapped[dict[str, Any]]
