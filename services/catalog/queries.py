"""Reads of the library: pages by key, never by offset."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from libs import database
from libs.web.problems import Malformed
from services.catalog.models import IMPORTED, Like, Media, Retention, Suspension, Tombstone
from services.catalog.states import Status

SORTS: dict[str, ColumnElement[Any]] = {
    "created_at": Media.created_at.expression,
    "updated_at": Media.updated_at.expression,
    "title": func.lower(Media.title),
    "duration": func.coalesce(Media.duration, 0),
}
"""What lists can be sorted by; ``-`` in front means descending. Ids break ties."""

EXPIRED: ColumnElement[bool] = Media.expires_at <= database.now()
"""What its owner wanted deleted by now."""

OUTDATED: ColumnElement[bool] = and_(
    text(IMPORTED),
    Media.created_at < database.now() - func.make_interval(0, 0, 0, select(Retention.imports).scalar_subquery()),
)
"""Imports that were kept for as long as the rule says."""

_SUSPENDED = select(Suspension.user_id).where(Suspension.user_id == Media.owner_id, Suspension.suspended).exists()
"""Media of somebody whom an administrator disabled."""

UNFINISHED = (Status.RECEIVING, Status.CHECKING, Status.REJECTED)
"""What others have no use for, public or not."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks: a person and the groups that they are in, or (None) anybody."""

    user_id: UUID | None = None
    groups: frozenset[UUID] = frozenset()


ANYBODY = Viewer()


@dataclass(frozen=True, slots=True)
class Filter:
    """Which media a list shows: somebody's own, a group's, or else everybody's public ones."""

    owner_id: UUID | None = None
    group_id: UUID | None = None
    kind: str | None = None
    parent_id: UUID | None = None
    status: str | None = None
    q: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list, the cursor of the next, and how many there are on all pages."""

    items: Sequence[Media]
    next_cursor: str | None
    total: int


def page(session: Session, wanted: Filter, sort: str, cursor: str | None, limit: int) -> Page:
    """Read one page. Raises Malformed for a cursor that is not from a list sorted like this one."""
    descending, name = sort.startswith("-"), sort.removeprefix("-")
    key = SORTS[name]
    chosen = _matching(wanted)
    total = session.scalar(select(func.count()).select_from(chosen.subquery())) or 0
    ordered = chosen.add_columns(key.label("key"))
    if cursor is not None:
        value, last = _parsed(cursor, sort)
        here, there = tuple_(key, Media.id), tuple_(value, last)
        ordered = ordered.where(here < there if descending else here > there)
    order = (key.desc(), Media.id.desc()) if descending else (key.asc(), Media.id.asc())
    rows = session.execute(ordered.order_by(*order).limit(limit + 1)).all()
    more = len(rows) > limit
    rows = rows[:limit]
    following = _cursor(sort, rows[-1].key, rows[-1].Media.id) if more else None
    return Page([row.Media for row in rows], following, total)


def visible(session: Session, media_id: UUID, viewer: Viewer) -> Media | None:
    """Find what a person may see: their own, what others made public or unlisted, and what is for a group of theirs."""
    open_to = or_(Media.visibility.in_(("public", "unlisted")), Media.group_id.in_(viewer.groups))
    seen = and_(open_to, Media.owner_id.is_not(None), ~_SUSPENDED)
    if viewer.user_id is not None:
        seen = or_(Media.owner_id == viewer.user_id, seen)
    return session.scalar(select(Media).where(Media.id == media_id, seen))


def recent(session: Session, owner_id: UUID, limit: int) -> Sequence[Media]:
    """List what changed last in a person's library, oldest change first."""
    newest = select(Media).where(Media.owner_id == owner_id).order_by(Media.updated_at.desc(), Media.id.desc())
    return session.scalars(newest.limit(limit)).all()[::-1]


def owned(session: Session, media_id: UUID, owner_id: UUID) -> Media | None:
    """Find a person's own, without locking it."""
    return session.scalar(select(Media).where(Media.id == media_id, Media.owner_id == owner_id))


def locked(session: Session, media_id: UUID) -> Media | None:
    """Take a row for writing, as it stands now."""
    wanted = select(Media).where(Media.id == media_id).with_for_update()
    return session.scalar(wanted.execution_options(populate_existing=True))


def due(session: Session, condition: ColumnElement[bool], limit: int) -> Sequence[UUID]:
    """List owned media that a condition is true of: recordings first, which take their clips along."""
    found = select(Media.id).where(condition, Media.owner_id.is_not(None))
    return session.scalars(found.order_by(Media.parent_id.is_not(None), Media.id).limit(limit)).all()


def parent_of(session: Session, media_id: UUID) -> UUID | None:
    """Tell which recording a clip is of."""
    return session.scalar(select(Media.parent_id).where(Media.id == media_id))


def taken(session: Session, media_id: UUID, condition: ColumnElement[bool]) -> Media | None:
    """Take a row for writing if a condition is still true of it, and nobody else has it, who is not waited for."""
    wanted = select(Media).where(Media.id == media_id, condition).with_for_update(skip_locked=True)
    return session.scalar(wanted.execution_options(populate_existing=True))


def locked_or_made(session: Session, media_id: UUID, kind: str, parent_id: UUID | None = None) -> Media | None:
    """Take a row for writing; a shell if nothing was heard of it before. None if it was deleted."""
    shell = {"id": media_id, "kind": kind, "parent_id": parent_id, "title": "", "status": Status.RECEIVING}
    session.execute(insert(Media).values(**shell, facts={}, body={}).on_conflict_do_nothing())
    # In this order: whoever deletes leaves the tombstone in the transaction that frees the id.
    if session.get(Tombstone, media_id) is not None:
        found = locked(session, media_id)
        if found is not None:
            session.delete(found)
        return None
    return locked(session, media_id)


def liked(session: Session, viewer: UUID | None, media: Sequence[Media]) -> set[UUID]:
    """The ids of those that a person likes."""
    if viewer is None:
        return set()
    wanted = select(Like.media_id).where(Like.user_id == viewer, Like.media_id.in_([one.id for one in media]))
    return set(session.scalars(wanted))


def clips_of(session: Session, recording_id: UUID) -> Sequence[Media]:
    """List a recording's clips, shells included, oldest first."""
    return session.scalars(select(Media).where(Media.parent_id == recording_id).order_by(Media.id)).all()


def _matching(wanted: Filter) -> Select[Media]:
    chosen = select(Media)
    if wanted.owner_id is not None:
        chosen = chosen.where(Media.owner_id == wanted.owner_id)
    else:
        open_to = Media.visibility == "public" if wanted.group_id is None else Media.group_id == wanted.group_id
        chosen = chosen.where(open_to, Media.owner_id.is_not(None), Media.status.not_in(UNFINISHED), ~_SUSPENDED)
    if wanted.kind is not None:
        chosen = chosen.where(Media.kind == wanted.kind)
    if wanted.parent_id is not None:
        chosen = chosen.where(Media.parent_id == wanted.parent_id)
    if wanted.status is not None:
        chosen = chosen.where(Media.status == wanted.status)
    if wanted.q:
        chosen = chosen.where(Media.title.icontains(wanted.q, autoescape=True))
    return chosen


def _cursor(sort: str, value: Any, last: UUID) -> str:
    plain = value.isoformat() if isinstance(value, datetime) else value
    return base64.urlsafe_b64encode(json.dumps([sort, plain, str(last)]).encode()).decode().rstrip("=")


def _parsed(cursor: str, sort: str) -> tuple[Any, UUID]:
    try:
        of, value, last = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if of != sort:
            raise Malformed("This cursor belongs to a list in another order; begin again without a cursor.")
        key: datetime | float | str
        if sort.endswith("_at"):
            key = datetime.fromisoformat(value)
        else:
            key = float(value) if sort.endswith("duration") else str(value)
        return key, UUID(last)
    except (binascii.Error, ValueError, TypeError, AttributeError) as error:
        raise Malformed("This cursor is not from here; begin again without a cursor.") from error
