"""What was brought to a service, and has not had its effect yet.

The relay lays events into the inbox; a worker takes them in the order of arrival, for as long as a lease, and asks their
handlers, each of which notes the arrival in the transaction of its effect (``Delivery.first``). What is taken and not
noted (its worker was killed, its handler raised) comes due again by the database's clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from libs.bus.tables import inbox
from libs.database import now

__all__ = ["MOST_ATTEMPTS", "Arrival", "claim", "forget_old", "handled", "is_due", "note", "put_back", "retry"]

MOST_ATTEMPTS = 20  # then it is set aside

_WAITS = inbox.c.handled_at.is_(None) & inbox.c.quarantined_at.is_(None) & inbox.c.body.is_not(None)


@dataclass(frozen=True)
class Arrival:
    """An event in the inbox. ``attempts`` counts this one."""

    message_id: UUID
    topic: str
    event_id: UUID
    body: dict[str, Any]
    correlation_id: str
    attempts: int
    position: int


_COLUMNS = [inbox.c[name] for name in Arrival.__annotations__]


def note(session: Session, message_id: UUID, topic: str) -> bool:
    """Note in the transaction of its effect that an event was handled. False: it had been already."""
    noted = session.execute(
        insert(inbox)
        .values(message_id=message_id, topic=topic, handled_at=now())
        .on_conflict_do_update(index_elements=[inbox.c.message_id], set_={"handled_at": now()}, where=_WAITS)
        .returning(inbox.c.message_id)
    )
    return noted.first() is not None


def claim(session: Session, topics: Iterable[str], lease: float, count: int) -> list[Arrival]:
    """Take the next events for ``lease`` seconds, oldest first. Workers never wait for each other here.

    What no release up to this one knows how to handle is left for one that does.
    """
    due = (
        select(inbox.c.message_id)
        .where(_WAITS, inbox.c.run_after <= now(), inbox.c.topic.in_(list(topics)))
        .order_by(inbox.c.position)
        .limit(count)
        .with_for_update(skip_locked=True)
    )
    rows = session.execute(
        update(inbox)
        .where(inbox.c.message_id.in_(due))
        .values(attempts=inbox.c.attempts + 1, run_after=now() + _seconds(lease))
        .returning(*_COLUMNS)
    )
    return sorted((Arrival(**row._mapping) for row in rows), key=lambda arrival: arrival.position)  # noqa: SLF001  public


def handled(session: Session, message_ids: Sequence[UUID]) -> None:
    """Note what handlers that found nothing to do returned from without noting it."""
    session.execute(
        update(inbox)
        .where(inbox.c.message_id.in_(message_ids), inbox.c.handled_at.is_(None))
        .values(handled_at=now(), problem=None)
    )


def put_back(session: Session, arrival: Arrival, wait: float, problem: str = "", *, counts: bool = True) -> bool:
    """Have an event handled again in ``wait`` seconds. True: its handler failed too often, and it was set aside instead.

    With ``counts`` False this attempt is nobody's fault, and is not counted.
    """
    often = counts and arrival.attempts >= MOST_ATTEMPTS
    session.execute(
        update(inbox)
        .where(inbox.c.message_id == arrival.message_id, inbox.c.handled_at.is_(None))
        .values(
            run_after=now() + _seconds(wait),
            attempts=arrival.attempts - (0 if counts else 1),
            problem=problem or None,
            quarantined_at=now() if often else None,
        )
    )
    return often


def retry(session: Session) -> int:
    """Take what was set aside up again, by hand. Returns how many events that are."""
    rows = session.execute(
        update(inbox)
        .where(inbox.c.quarantined_at.is_not(None), inbox.c.handled_at.is_(None))
        .values(quarantined_at=None, attempts=0, run_after=now())
        .returning(inbox.c.message_id)
    )
    return len(rows.all())


def is_due(session: Session, topics: Iterable[str]) -> bool:
    """Tell whether an event waits to be handled."""
    waiting = select(inbox.c.message_id).where(_WAITS, inbox.c.run_after <= now(), inbox.c.topic.in_(list(topics)))
    return bool(session.scalar(select(waiting.exists())))


def forget_old(session: Session, days: int) -> None:
    """Remove what was handled so many days ago: long after it could come again."""
    old = now() - func.make_interval(0, 0, 0, days)
    session.execute(delete(inbox).where(inbox.c.received_at < old, ~_WAITS, inbox.c.quarantined_at.is_(None)))


def _seconds(number: float) -> Any:
    return func.make_interval(0, 0, 0, 0, 0, 0, number)
