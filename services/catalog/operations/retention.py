"""What goes by itself: media whose owner said until when to keep them, and what the platform's rules keep no longer.

The rules stand here. Ingest (originals) and render (renditions) are told of them, and go by their copies.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlalchemy.dialects.postgresql import insert

from libs import bus, database
from libs.contracts import events
from libs.telemetry import log
from services.catalog import queries
from services.catalog.models import Retention
from services.catalog.operations.library import remove

EVERY = 20.0  # seconds between two looks
BATCH = 200


@dataclass(frozen=True)
class Rules:
    """For how many days each kind is kept; None is for ever."""

    originals: int | None = None
    renditions: int | None = None
    imports: int | None = None


@dataclass(frozen=True)
class Ruled:
    """The rules, and since when they are so; None while nobody ever made any."""

    rules: Rules
    changed_at: datetime | None


def rules() -> Ruled:
    """Read the rules."""
    with database.transaction() as session:
        row = session.get(Retention, 1)
        if row is None:
            return Ruled(Rules(), None)
        return Ruled(Rules(row.originals, row.renditions, row.imports), row.changed_at)


def rule(wanted: Rules, by: UUID) -> Ruled:
    """Set all rules at once, and tell. Setting the same again tells again, which harms nobody."""
    values = asdict(wanted) | {"changed_by": by, "changed_at": database.now()}
    with database.transaction() as session:
        # The row before the word: whoever sets rules after us waits here, and so is told of after us, too.
        changed_at = session.scalars(
            insert(Retention)
            .values(id=1, **values)
            .on_conflict_do_update(index_elements=[Retention.id], set_=values)
            .returning(Retention.changed_at)
        ).one()
        bus.publish(session, events.RetentionChanged(**asdict(wanted)))
        log.info("retention rules set", extra=asdict(wanted) | {"by": str(by)})
        return Ruled(wanted, changed_at)


def drop_imports() -> None:
    """Periodic: delete imported recordings that are too old, as their owners would."""
    _clear(queries.OUTDATED, "imports deleted")


def expire() -> None:
    """Periodic: delete what has expired as its owner would. Workers who do so at once share the work."""
    _clear(queries.EXPIRED, "expired media deleted")


def _clear(due: ColumnElement[bool], said: str) -> None:
    """Delete everything that ``due`` is true of, each in a transaction of its own, so that nobody waits for long."""
    deleted = 0
    while True:
        with database.transaction() as session:
            found = queries.due(session, due, BATCH)
        gone = sum(_delete(media_id, due) for media_id in found)
        deleted += gone
        if not gone or len(found) < BATCH:
            break
    if deleted:
        log.info(said, extra={"media": deleted})


def _delete(media_id: UUID, due: ColumnElement[bool]) -> bool:
    """Delete one, if it is still due. False: it is not, or somebody else is at it."""
    with database.transaction() as session:
        parent_id = queries.parent_of(session, media_id)
        # The recording first, as everywhere: whoever deletes a clip changes how far its recording is.
        recording = queries.locked(session, parent_id) if parent_id is not None else None
        media = queries.taken(session, media_id, due)
        if media is None or media.owner_id is None:
            return False
        remove(session, media, recording, media.owner_id)
        return True
