"""API keys: made, listed and revoked by their owner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, update

from libs import database
from libs.web import UNKEYED, Once, Principal, idempotency
from libs.web.problems import Conflict, Forbidden, NotFound
from services.auth import credentials, queries
from services.auth.models import ApiKey, User
from services.auth.settings import settings

__all__ = ["NewKey", "create", "keys", "revoke"]

MANAGING = "write"  # the scope that all of this takes


@dataclass(frozen=True)
class NewKey:
    """A key just made; ``key`` is the key itself, which is shown this once."""

    id: UUID
    name: str
    prefix: str
    scopes: list[str]
    created_at: datetime
    last_used_at: datetime | None
    key: str


def create(name: str, scopes: Sequence[str], by: Principal, once: Once = UNKEYED) -> NewKey:
    """Make a key for its maker. Raises Forbidden for scopes that the maker lacks, Conflict when there are too many keys."""
    owner = by.require(MANAGING)
    beyond = sorted(set(scopes) - by.scopes)
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
        )
        session.add(row)
        session.flush()
        answer = NewKey(row.id, name, row.prefix, row.scopes, row.created_at, None, made.text)
        return once.remember(session, answer)


def keys(by: Principal) -> list[ApiKey]:
    """The caller's keys that were not revoked, newest first."""
    owner = by.require(MANAGING)
    with database.transaction() as session:
        return queries.live_keys(session, owner)


def revoke(key_id: UUID, by: Principal) -> None:
    """Make a key useless from its next request on. Raises NotFound; revoking it again changes nothing."""
    owner = by.require(MANAGING)
    with database.transaction() as session:
        found = session.scalar(
            update(ApiKey)
            .where(ApiKey.id == key_id, ApiKey.user_id == owner)
            .values(revoked_at=func.coalesce(ApiKey.revoked_at, database.now()))
            .returning(ApiKey.id)
        )
        if found is None:
            raise NotFound
