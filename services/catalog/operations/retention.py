"""What goes by itself: media whose owner said until when to keep them."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ColumnElement

from libs import database
from libs.telemetry import log
from services.catalog import queries
from services.catalog.operations.library import remove

EVERY = 20.0  # seconds between two looks
BATCH = 200


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
