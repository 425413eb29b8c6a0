"""Originals that have been kept for as long as the platform's rules say."""

from __future__ import annotations

from libs import bus, database, storage
from libs.bus import Delivery
from libs.contracts import events
from libs.telemetry import log
from services.ingest import queries
from services.ingest.models import Retention

__all__ = ["EVERY", "drop_originals", "ruled"]

EVERY = 60.0  # seconds between two looks
BATCH = 100


def ruled(event: events.RetentionChanged, delivery: Delivery) -> None:
    """Note for how long originals are kept. Of two rules the later one stands, whichever comes first."""
    with database.transaction() as session:
        if delivery.first(session):
            delivery.keep_newest(session, Retention, {"id": 1}, days=event.originals)


def drop_originals() -> None:
    """Periodic: drop the bytes of originals that are too old. Workers who do so at once share the work."""
    while _drop(BATCH) == BATCH:
        pass


def _drop(limit: int) -> int:
    """Drop the oldest ones. The rows say first that there are no bytes, so that nobody ever misses any.

    Bytes that can't be reached then, or a crash right after the commit, are orphans that ``endings.sweep`` finds.
    """
    with database.transaction() as session:
        late = queries.too_old(session, limit)
        for recording, original in late:
            original.dropped_at = database.now()
            recording.object_key = None
            told = events.OriginalDropped(
                media_id=recording.id, owner_id=recording.owner_id, object_key=original.object_key
            )
            bus.publish(session, told)
    storage.discard(original.object_key for _, original in late)
    if late:
        log.info("originals dropped", extra={"originals": len(late)})
    return len(late)
