"""Files that have been kept for as long as the platform's rules say. Their clips stay, and can be rendered again."""

from __future__ import annotations

from libs import bus, database, storage
from libs.bus import Delivery
from libs.contracts import events
from libs.contracts.media import Preset
from libs.telemetry import log
from services.render import queries
from services.render.models import Rendition, Retention

EVERY = 60.0  # seconds between two looks
BATCH = 100


def ruled(event: events.RetentionChanged, delivery: Delivery) -> None:
    """Note for how long files are kept. Of two rules the later one stands, whichever comes first."""
    with database.transaction() as session:
        if delivery.first(session):
            delivery.keep_newest(session, Retention, {"id": 1}, days=event.renditions)


def drop_renditions() -> None:
    """Periodic: drop files that are too old. Workers who do so at once share the work."""
    while _drop(BATCH) == BATCH:
        pass


def _drop(limit: int) -> int:
    """Drop the oldest ones: the rows first, so that none ever points to nothing. What is cut off then, the sweep finds."""
    keys: list[str] = []
    with database.transaction() as session:
        late = queries.too_old(session, limit)
        for rendition in late:
            told = _dropped(rendition)
            keys += rendition.drop()
            bus.publish(session, told)
    storage.discard(keys)
    if late:
        log.info("renditions dropped", extra={"renditions": len(late)})
    return len(late)


def _dropped(rendition: Rendition) -> events.RenditionDropped:
    return events.RenditionDropped(
        clip_id=rendition.clip.id,
        media_id=rendition.clip.media_id,
        owner_id=rendition.clip.owner_id,
        rendition_id=rendition.id,
        preset=Preset(rendition.preset),
        object_key=str(rendition.object_key),
    )
