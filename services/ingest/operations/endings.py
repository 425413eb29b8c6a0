"""How recordings go: deleted by their owner, or dropped because nobody finished sending them."""

from __future__ import annotations

from uuid import UUID

from libs import bus, database, storage
from libs.bus import Delivery
from libs.contracts.events import MediaDeleted
from libs.storage.sweeping import Report, Sweeper
from libs.telemetry import log
from services.ingest import queries
from services.ingest.engines import parts
from services.ingest.engines.parts import Held, Part
from services.ingest.operations import intake
from services.ingest.settings import settings
from services.ingest.states import State

__all__ = ["drop_abandoned", "forget", "sweep"]

_BATCH = 100
_STRAY_AFTER = 3600.0  # seconds that a file without a recording may still be one that is just being announced


def forget(event: MediaDeleted, delivery: Delivery) -> None:
    """Remove rows and bytes of a deleted recording and stop its jobs. Bytes that can't be reached, ``sweep`` finds."""
    with database.transaction() as session:
        if not delivery.first(session):
            return
        bus.cancel(session, subject=event.media_id)
        recording = queries.locked(session, event.media_id)
        if recording is None:
            return
        key = recording.object_key
        session.delete(recording)
    parts.remove(event.media_id)
    if key:
        storage.discard([key])


def sweep(grace: float, *, apply: bool) -> list[Report]:
    """Look for orphans among originals; see ``libs.storage.sweeping``."""
    return _sweeper.sweep(grace, apply=apply)


def _known(keys: list[str]) -> set[str]:
    with database.transaction() as session:
        return queries.known_keys(session, keys)


def _referred(_: str) -> set[str]:
    with database.transaction() as session:
        return queries.stored_keys(session)


_sweeper = Sweeper(("originals",), known=_known, referred=_referred)


def drop_abandoned() -> None:
    """Periodic: drop uploads that stopped coming, files on disk that belong to no recording any more, and orphans."""
    sweep(settings().sweep_grace, apply=True)
    with database.transaction() as session:
        late = queries.expired(session, _BATCH)
    for media_id in late:
        _drop_late(media_id)
    found = set(parts.strays(_STRAY_AFTER))
    with database.transaction() as session:
        strays = found - queries.in_progress(session, found)
    for media_id in strays:
        parts.remove(media_id)
    if late or strays:
        log.info("abandoned uploads dropped", extra={"uploads": len(late), "strays": len(strays)})


def _drop_late(media_id: UUID) -> None:
    try:
        part = Part(media_id)
    except Held:
        return
    try:
        with database.transaction() as session:
            recording = queries.locked(session, media_id)
            if recording is None or recording.standing is not State.RECEIVING:
                return
            if recording.expires_at is None or recording.expires_at > queries.clock(session):
                return
            hours = settings().upload_lifetime / 3600
            detail = f"No bytes came for {hours:g} hours, so this upload was dropped. Please upload the file again."
            intake.reject(session, recording, "upload_expired", detail)
        parts.remove(media_id)
    finally:
        part.release()
