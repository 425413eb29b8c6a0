"""API keys: made, listed and revoked by their owner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select, update

from libs import database
from libs.contracts.identity import DELEGATE
from libs.web import UNKEYED, Once, Principal, idempotency
from libs.web.problems import Conflict, Forbidden, NotFound
from services.auth import credentials, queries
from services.auth.forgetting import forget
from services.auth.models import ApiKey, User
from services.auth.operations import audit
from services.auth.operations.audit import Actor
from services.auth.origin import NOWHERE, Origin
from services.auth.settings import settings

__all__ = ["NewKey", "create", "keys", "revoke"]

MANAGING = "write"  # the scope that all of this takes
ADMIN = "admin"  # the one that keys which act for others take


@dataclass(frozen=True)
class NewKey:
    """A key just made; ``key`` is the key itself, which is shown this once."""

    id: UUID
    name: str
    prefix: str
    scopes: list[str]
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None
    key: str


def create(
    name: str,
    scopes: Sequence[str],
    by: Principal,
    origin: Origin = NOWHERE,
    once: Once = UNKEYED,
    *,
    days: int | None = None,
) -> NewKey:
    """Make a key for its maker, for some ``days`` or (None) until it is revoked.

    Only administrators make keys that act for others. Raises Forbidden for scopes that the maker lacks, Conflict when there
    are too many keys.
    """
    owner = by.require(MANAGING)
    held = by.scopes | ({DELEGATE} if ADMIN in by.scopes else set())
    beyond = sorted(set(scopes) - held)
    if beyond:
        raise Forbidden(f"You can't give away what you may not do yourself: {', '.join(beyond)}.", code="missing_scope")
    made = credentials.new_api_key()
    with database.transaction() as session:
        known = once.remembered(session, NewKey)
        if known is not None:
            return known
        idempotency.forget_old(session)  # here, because this service has no worker that would do it now and then
        # Holding the owner's row makes counting and adding one step, also for two requests at once.
        if session.get(User, owner, with_for_update=True) is None:
            raise NotFound
        if len(queries.live_keys(session, owner)) >= settings().api_keys_each:
            raise Conflict("You have as many API keys as one person may. Revoke one first.", code="too_many_api_keys")
        row = ApiKey(
            user_id=owner,
            name=name,
            prefix=made.prefix,
            key_hash=credentials.digest(made.text),
            scopes=sorted(set(scopes)),
            expires_at=None if days is None else session.scalars(select(database.now())).one() + timedelta(days=days),
        )
        session.add(row)
        session.flush()
        audit.note(session, "key.made", Actor.of(by), origin, on=row.id, called=name, scopes=row.scopes)
        answer = NewKey(row.id, name, row.prefix, row.scopes, row.created_at, None, row.expires_at, made.text)
        return once.remember(session, answer)


def keys(by: Principal) -> list[ApiKey]:
    """The caller's keys that were not revoked, newest first."""
    owner = by.require(MANAGING)
    with database.transaction() as session:
        return queries.live_keys(session, owner)


def revoke(key_id: UUID, by: Principal, origin: Origin = NOWHERE) -> None:
    """Make a key useless from its next request on. Raises NotFound; revoking it again changes nothing."""
    owner = by.require(MANAGING)
    with database.transaction() as session:
        found = session.scalar(
            update(ApiKey)
            .where(ApiKey.id == key_id, ApiKey.user_id == owner)
            .values(revoked_at=func.coalesce(ApiKey.revoked_at, database.now()))
            .returning(ApiKey.name)
        )
        if found is None:
            raise NotFound
        audit.note(session, "key.revoked", Actor.of(by), origin, on=key_id, called=found)
    forget(key_id)
