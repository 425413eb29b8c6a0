"""The audit log: who did what, on whom, from where, and how it ended. It is only ever added to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.orm import Session as Transaction

from libs import database
from libs.telemetry import log
from libs.web import Principal
from services.auth.models import AuditEntry, User
from services.auth.origin import Origin

__all__ = ["Actor", "Page", "entries", "note", "refused"]

OK = "ok"


@dataclass(frozen=True)
class Actor:
    """Who did it: somebody with an account, or (``user_id`` None) what somebody claimed to be."""

    user_id: UUID | None
    name: str = ""  # an e-mail address; looked up where it is empty
    delegate: str | None = None  # the name of the key that acted for them

    @classmethod
    def of(cls, by: Principal) -> Actor:
        """Whoever sent a request."""
        return cls(by.acting, delegate=getattr(by, "delegate", None))


@dataclass(frozen=True)
class Page:
    """Some entries, newest first; ``next`` is the position to go on before, None at the end."""

    entries: Sequence[AuditEntry]
    next: int | None


def note(
    session: Transaction,
    action: str,
    actor: Actor,
    origin: Origin,
    *,
    on: UUID | None = None,
    called: str = "",
    result: str = OK,
    **facts: Any,
) -> None:
    """Write an act down in its own transaction: either both happened or neither.

    ``on`` is the id of what it was done to (somebody, a group, a key), ``called`` its name then. ``facts`` are JSON.
    """
    name = actor.name
    if not name and actor.user_id is not None:
        name = session.scalar(select(User.email).where(User.id == actor.user_id)) or ""
    session.execute(
        insert(AuditEntry).values(
            action=action,
            result=result,
            actor_id=actor.user_id,
            actor=name,
            delegate=actor.delegate,
            target_id=on,
            target=called,
            address=origin.address,
            device=origin.device,
            facts=facts,
        )
    )
    log.info(
        "audit", extra={"action": action, "result": result, "actor_id": str(actor.user_id or ""), "on": str(on or "")}
    )


def refused(action: str, actor: Actor, origin: Origin, result: str, **more: Any) -> None:
    """Write an attempt down that came to nothing, in a transaction of its own. ``result`` is the problem's code."""
    with database.transaction() as session:
        note(session, action, actor, origin, result=result, **more)


def entries(
    *,
    limit: int,
    before: int | None = None,
    person: UUID | None = None,
    action: str | None = None,
    result: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Page:
    """Read the log, newest first. ``person`` finds what they did and what was done to them; ``action`` may be a prefix."""
    wanted = select(AuditEntry).order_by(AuditEntry.position.desc()).limit(limit + 1)
    if before is not None:
        wanted = wanted.where(AuditEntry.position < before)
    if person is not None:
        wanted = wanted.where((AuditEntry.actor_id == person) | (AuditEntry.target_id == person))
    if action is not None:
        wanted = wanted.where(AuditEntry.action.startswith(action, autoescape=True))
    if result is not None:
        wanted = wanted.where(AuditEntry.result == result)
    if since is not None:
        wanted = wanted.where(AuditEntry.at >= since)
    if until is not None:
        wanted = wanted.where(AuditEntry.at < until)
    with database.transaction() as session:
        found = list(session.scalars(wanted))
    more = len(found) > limit
    return Page(found[:limit], found[limit - 1].position if more else None)
