"""Who is behind a session token or an API key. The gateway asks this for every request that it has no fresh answer to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session as Transaction

from libs import database
from libs.contracts.identity import DELEGATE, Identity
from libs.web.problems import Forbidden, NotFound
from services.auth import credentials, queries
from services.auth.models import ApiKey, Membership, Session, User
from services.auth.operations import accounts, audit, sessions
from services.auth.operations.audit import Actor
from services.auth.origin import NOWHERE, Origin
from services.auth.settings import settings

__all__ = ["Act", "by_api_key", "by_delegation", "by_email", "by_session", "record_act"]

SESSION_SCOPES = ("upload", "read", "write")
UNKNOWN = "unknown_delegated_user"
ADMIN = "admin"  # a role, and the scope that it brings
TOUCHED_EVERY = timedelta(minutes=1)  # seeing somebody again within it writes nothing


@dataclass(frozen=True)
class Act:
    """A request that a trusted system sends in somebody's name; ``path`` is without its query."""

    user_id: UUID
    key_id: UUID
    delegate: str
    method: str
    path: str
    correlation_id: str


def by_session(token: str, origin: Origin = NOWHERE) -> Identity | None:
    """The person signed in with a token; None if it is unknown, ended, too old or idle for too long."""
    with database.transaction() as session:
        idle = timedelta(seconds=settings().session_idle)
        digest = credentials.digest(token)
        found = queries.live_session(session, digest, idle)
        if found is None:
            # A token that was rotated away: good for a moment more, and then the end of its whole family.
            still = sessions.ended_by_reuse(session, digest, origin)
            found = queries.live_session(session, still.token_hash, idle) if still is not None else None
        if found is None:
            return None
        signed_in, person = found
        due = Session.last_seen_at < database.now() - TOUCHED_EVERY
        seen = {"address": origin.address, "device": origin.device} if origin.address else {}
        session.execute(
            update(Session).where(Session.id == signed_in.id, due).values(last_seen_at=database.now(), **seen)
        )
        scopes = (*SESSION_SCOPES, ADMIN) if _rules(session, signed_in, person) else SESSION_SCOPES
        return _identity(session, person, scopes, session_id=signed_in.id, expires_at=signed_in.expires_at)


def by_api_key(text: str) -> Identity | None:
    """The person whose key it is, with the key's scopes; None if it is unknown, over or revoked.

    A key of somebody who is no administrator any more is none of an administrator's, whatever was written on it.
    """
    with database.transaction() as session:
        found = queries.live_key(session, credentials.digest(text))
        if found is None:
            return None
        key, person = found
        _touch(session, key)
        return _identity(session, person, _scopes(key, person), expires_at=key.expires_at, key_id=key.id)


def by_delegation(text: str, email: str, origin: Origin = NOWHERE) -> Identity | None:
    """The person of an address, for whom the key of a trusted system acts; None if the key is unknown, over or revoked.

    It may do what its scopes say, and an administrator's things only if they say that and the person is one. Refusals are
    audited. Raises Forbidden for a key that may act for nobody, NotFound for an address that is nobody's.
    """
    with database.transaction() as session:
        found = queries.live_key(session, credentials.digest(text))
        if found is None:
            return None
        key, owner = found
        _touch(session, key)
        person = queries.user_by_email(session, email)
        known = person is not None and person.disabled_at is None and person.delete_after is None
        # Only administrators give such keys, and they are worth nothing once their giver is none any more.
        trusted = DELEGATE in key.scopes and owner.role == ADMIN
        if trusted and known and person is not None:
            scopes = _scopes(key, person)
            return _identity(session, person, scopes, expires_at=key.expires_at, key_id=key.id, delegate=key.name)
        actor = Actor(owner.id, owner.email, key.name)
        result = UNKNOWN if trusted else "missing_scope"
        audit.note(session, "delegated.refused", actor, origin, called=email, result=result)
    if not trusted:
        raise Forbidden("This key may act for nobody.", code="missing_scope")
    raise NotFound("Nobody has this address.", code=UNKNOWN)


def by_email(email: str) -> Identity | None:
    """The person whom a developer's machine takes everybody for; None if there is none, and always in production."""
    if settings().environment == "production":
        return None
    with database.transaction() as session:
        person = queries.user_by_email(session, email)
        if person is None or person.disabled_at is not None:
            return None
        return _identity(session, person, (*SESSION_SCOPES, ADMIN) if person.role == ADMIN else SESSION_SCOPES)


def record_act(act: Act, origin: Origin = NOWHERE) -> None:
    """Write down what a trusted system is about to do in somebody's name: before it is done, so that no act goes unseen."""
    with database.transaction() as session:
        actor = Actor(act.user_id, delegate=act.delegate)
        facts = {"method": act.method, "path": act.path, "key": str(act.key_id), "correlation_id": act.correlation_id}
        audit.note(session, "delegated.act", actor, origin, on=act.user_id, called=f"{act.method} {act.path}", **facts)


def _rules(session: Transaction, signed_in: Session, person: User) -> bool:
    """Whether somebody may act as an administrator in a session: by their role, and a second factor where that is asked."""
    return person.role == ADMIN and (signed_in.strong or not accounts.rules(session).admins_need_second_factor)


def _scopes(key: ApiKey, person: User) -> tuple[str, ...]:
    """What a key may do in somebody's name."""
    return tuple(scope for scope in key.scopes if scope != DELEGATE and (scope != ADMIN or person.role == ADMIN))


def _touch(session: Transaction, key: ApiKey) -> None:
    due = or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at < database.now() - TOUCHED_EVERY)
    session.execute(update(ApiKey).where(ApiKey.id == key.id, due).values(last_used_at=database.now()))


def _identity(
    session: Transaction,
    person: User,
    scopes: tuple[str, ...],
    *,
    session_id: UUID | None = None,
    expires_at: datetime | None = None,
    key_id: UUID | None = None,
    delegate: str | None = None,
) -> Identity:
    groups = tuple(session.scalars(select(Membership.group_id).where(Membership.user_id == person.id)))
    return Identity(
        user_id=person.id,
        session_id=session_id,
        scopes=scopes,
        email=person.email,
        display_name=person.display_name,
        expires_at=expires_at,
        role=person.role,
        groups=groups,
        key_id=key_id,
        delegate=delegate,
    )
