"""What administrators do: people found, given roles, disabled and removed, and the rules of accounts."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, delete, exists, func, or_, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session as Transaction

from libs import bus, database
from libs.contracts.events import UserSuspended
from libs.web import Principal
from libs.web.problems import Conflict, Malformed, NotFound
from services.auth.forgetting import forget
from services.auth.models import (
    ApiKey,
    Membership,
    Passkey,
    Platform,
    RecoveryCode,
    Role,
    Session,
    SignUpMode,
    Totp,
    User,
)
from services.auth.operations import accounts, audit, leaving
from services.auth.operations.audit import Actor
from services.auth.operations.sessions import end_all
from services.auth.origin import NOWHERE, Origin

__all__ = [
    "AdminUser",
    "People",
    "Rules",
    "change",
    "drop_factors",
    "people",
    "person",
    "remove",
    "rule",
    "rules",
    "sign_out",
]

ADMIN = "admin"  # the role, and the scope that all of this takes


@dataclass(frozen=True)
class AdminUser:
    """A person as administrators see them."""

    id: UUID
    email: str
    email_verified: bool
    display_name: str
    role: Role
    disabled_at: datetime | None
    delete_after: datetime | None
    second_factor: bool
    sessions: int
    groups: int
    last_seen_at: datetime | None
    created_at: datetime


@dataclass(frozen=True)
class People:
    """One page of people, the cursor of the next, and how many there are on all pages."""

    items: Sequence[AdminUser]
    next_cursor: str | None
    total: int


@dataclass(frozen=True)
class Rules:
    """Who may make an account, and what that takes. ``changed_at`` is None while nobody chose."""

    sign_up: SignUpMode
    verify_email: bool
    admins_need_second_factor: bool
    changed_at: datetime | None = None


def people(
    by: Principal,
    *,
    q: str = "",
    role: Role | None = None,
    disabled: bool | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> People:
    """Find people by part of their name or address, newest first. Raises Malformed for a strange cursor."""
    by.require(ADMIN)
    conditions = []
    if q:
        conditions.append(
            or_(User.email.icontains(q, autoescape=True), User.display_name.icontains(q, autoescape=True))
        )
    if role is not None:
        conditions.append(User.role == role)
    if disabled is not None:
        conditions.append(User.disabled_at.is_not(None) if disabled else User.disabled_at.is_(None))
    wanted = _people().where(*conditions).order_by(User.created_at.desc(), User.id.desc()).limit(limit + 1)
    if cursor is not None:
        wanted = wanted.where(tuple_(User.created_at, User.id) < tuple_(*_parsed(cursor)))
    with database.transaction() as session:
        total = session.scalars(select(func.count()).select_from(User).where(*conditions)).one()
        found = [_view(row) for row in session.execute(wanted)]
    page = found[:limit]
    return People(page, _cursor(page[-1]) if len(found) > limit else None, total)


def person(user_id: UUID, by: Principal) -> AdminUser:
    """One of them. Raises NotFound."""
    by.require(ADMIN)
    with database.transaction() as session:
        return _one(session, user_id)


def change(
    user_id: UUID, by: Principal, origin: Origin = NOWHERE, *, role: Role | None = None, disabled: bool | None = None
) -> AdminUser:
    """Give somebody another role, disable them, or let them in again.

    Their sessions end with a disabling, and with any change of role begin anew: rights never change under a live session.
    Raises NotFound, and Conflict for oneself and for the last administrator.
    """
    by.require(ADMIN)
    with database.transaction() as session:
        found = _held(session, user_id, by)
        if role is not None and role != found.role:
            before, found.role = found.role, role
            session.flush()
            end_all(session, user_id)
            audit.note(
                session, "user.role", Actor.of(by), origin, on=user_id, called=found.email, before=before, role=role
            )
        if disabled is not None and disabled != (found.disabled_at is not None):
            found.disabled_at = session.scalars(select(database.now())).one() if disabled else None
            session.flush()
            if disabled:
                end_all(session, user_id)
            bus.publish(session, UserSuspended(user_id=user_id, suspended=disabled))
            action = "user.disabled" if disabled else "user.enabled"
            audit.note(session, action, Actor.of(by), origin, on=user_id, called=found.email)
        _keep_an_administrator(session)
        keys = session.scalars(select(ApiKey.id).where(ApiKey.user_id == user_id)).all()
        answer = _one(session, user_id)
    forget(user_id, *keys)
    return answer


def sign_out(user_id: UUID, by: Principal, origin: Origin = NOWHERE) -> None:
    """End all sessions of somebody. Raises NotFound."""
    by.require(ADMIN)
    with database.transaction() as session:
        found = session.get(User, user_id)
        if found is None:
            raise NotFound
        count = end_all(session, user_id)
        audit.note(session, "session.all_ended", Actor.of(by), origin, on=user_id, called=found.email, count=count)
    forget(user_id)


def drop_factors(user_id: UUID, by: Principal, origin: Origin = NOWHERE) -> None:
    """Take away all second factors of somebody who lost them, and end their sessions. Raises NotFound and Conflict."""
    by.require(ADMIN)
    with database.transaction() as session:
        found = _held(session, user_id, by)
        for factor in (Totp, RecoveryCode, Passkey):
            session.execute(delete(factor).where(factor.user_id == user_id))
        end_all(session, user_id)
        audit.note(session, "user.factors_dropped", Actor.of(by), origin, on=user_id, called=found.email)
    forget(user_id)


def remove(user_id: UUID, by: Principal, origin: Origin = NOWHERE) -> None:
    """Delete somebody's account at once, with everything in it. Raises NotFound and Conflict."""
    by.require(ADMIN)
    with database.transaction() as session:
        found = _held(session, user_id, by)
        end_all(session, user_id)
        leaving.remove(session, found, Actor.of(by), origin)
        session.flush()
        _keep_an_administrator(session)
    forget(user_id)


def rules(by: Principal) -> Rules:
    """What holds for accounts."""
    by.require(ADMIN)
    with database.transaction() as session:
        return _rules(accounts.rules(session))


def rule(wanted: Rules, by: Principal, origin: Origin = NOWHERE) -> Rules:
    """Choose what holds for accounts from now on. Raises Conflict where the chooser would lock themselves out."""
    changed_by = by.require(ADMIN)
    chosen: dict[str, Any] = {
        "sign_up": wanted.sign_up,
        "verify_email": wanted.verify_email,
        "admins_need_second_factor": wanted.admins_need_second_factor,
    }
    with database.transaction() as session:
        held = session.get(Session, by.session_id) if by.session_id is not None else None
        if wanted.admins_need_second_factor and held is not None and not held.strong:
            raise Conflict("Sign in with a second factor of your own first.", code="second_factor_first")
        values = chosen | {"changed_by": changed_by, "changed_at": database.now()}
        session.execute(
            insert(Platform).values(id=1, **values).on_conflict_do_update(index_elements=[Platform.id], set_=values)
        )
        audit.note(session, "accounts.ruled", Actor.of(by), origin, **chosen)
        answer = _rules(session.get_one(Platform, 1, populate_existing=True))
        administrators = session.scalars(select(User.id).where(User.role == ADMIN)).all()
    forget(*administrators)
    return answer


def _held(session: Transaction, user_id: UUID, by: Principal) -> User:
    """Somebody's row, held. Raises NotFound, and Conflict for oneself: nobody locks themselves out by a slip."""
    if user_id == by.acting:
        raise Conflict("This is your own account: use its page, or ask another administrator.", code="own_account")
    # One at a time, or two administrators could each remove the other.
    session.execute(select(func.pg_advisory_xact_lock(func.hashtext("auth.administrators"))))
    found = session.get(User, user_id, with_for_update=True)
    if found is None:
        raise NotFound
    return found


def _keep_an_administrator(session: Transaction) -> None:
    """Raise Conflict if nobody would be left who rules."""
    living = select(User).where(User.role == ADMIN, User.disabled_at.is_(None), User.delete_after.is_(None))
    if not session.scalar(select(living.exists())):
        raise Conflict("Nobody would be left to administer this server.", code="last_administrator")


def _people() -> Select[User, bool, int, int, datetime | None]:
    def count(model: type[Session | Membership]) -> Any:
        return select(func.count()).select_from(model).where(model.user_id == User.id).correlate(User).scalar_subquery()

    factor = or_(
        exists().where(Totp.user_id == User.id, Totp.confirmed_at.is_not(None)),
        exists().where(Passkey.user_id == User.id),
    )
    seen = select(func.max(Session.last_seen_at)).where(Session.user_id == User.id).correlate(User).scalar_subquery()
    return select(User, factor, count(Session), count(Membership), seen)


def _one(session: Transaction, user_id: UUID) -> AdminUser:
    row = session.execute(_people().where(User.id == user_id).execution_options(populate_existing=True)).one_or_none()
    if row is None:
        raise NotFound
    return _view(row)


def _view(row: Row[User, bool, int, int, datetime | None]) -> AdminUser:
    found, second_factor, sessions, groups, seen = row
    return AdminUser(
        found.id,
        found.email,
        found.email_verified_at is not None,
        found.display_name,
        found.role,
        found.disabled_at,
        found.delete_after,
        second_factor,
        sessions,
        groups,
        seen,
        found.created_at,
    )


def _rules(chosen: Platform) -> Rules:
    return Rules(chosen.sign_up, chosen.verify_email, chosen.admins_need_second_factor, chosen.changed_at)


def _cursor(last: AdminUser) -> str:
    return base64.urlsafe_b64encode(json.dumps([last.created_at.isoformat(), str(last.id)]).encode()).decode()


def _parsed(cursor: str) -> tuple[datetime, UUID]:
    try:
        at, last = json.loads(base64.urlsafe_b64decode(cursor))
        return datetime.fromisoformat(at), UUID(last)
    except (binascii.Error, ValueError, TypeError, AttributeError) as error:
        raise Malformed("This cursor is not from here; begin again without a cursor.") from error
