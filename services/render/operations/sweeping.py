"""What goes: clips of deleted recordings, and what killed workers left behind."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from libs import bus, database, storage
from libs.bus import Delivery, JobState
from libs.contracts import events
from libs.telemetry import log
from services.render import queries
from services.render.operations.rendering import scratch_root

KINDS = ("renditions", "posters")
FRESH = timedelta(minutes=10)  # an object younger than this may belong to a transaction still under way
BATCH = 500


def forget(event: events.MediaDeleted, delivery: Delivery) -> None:
    """Drop a deleted clip, or all clips of a deleted recording: jobs, rows and objects."""
    with database.transaction() as session:
        if not delivery.first(session):
            return
        queries.locked(session, event.media_id).deleted_at = database.now()
        gone = queries.below(session, event.media_id)
        keys = [key for clip in gone for rendition in clip.renditions for key in rendition.keys]
        for clip in gone:
            bus.cancel(session, subject=clip.id)
            session.delete(clip)
    store = storage.store()
    for key in keys:  # what is not reached here, ``sweep`` finds
        store.delete(key)


def sweep() -> None:
    """Remove objects that no rendition refers to, and scratch folders of attempts that are over."""
    _sweep_objects()
    _sweep_scratch()


def _sweep_objects() -> None:
    store = storage.store()
    for kind in KINDS:
        old = [key for key in store.keys(f"{kind}/") if _is_old(key)]
        for first in range(0, len(old), BATCH):
            batch = old[first : first + BATCH]
            with database.transaction() as session:
                known = queries.known_keys(session, batch)
            for key in set(batch) - known:
                log.info("removing an object that nothing refers to", extra={"key": key})
                store.delete(key)


def _is_old(key: str) -> bool:
    """Whether a key's own UUIDv7 was made long enough ago (RFC 9562: its first 48 bits are milliseconds)."""
    made = datetime.fromtimestamp((UUID(Path(key).stem).int >> 80) / 1000, UTC)
    return datetime.now(UTC) - made > FRESH


def _sweep_scratch() -> None:
    root = scratch_root()
    for folder in root.iterdir() if root.is_dir() else ():
        subject, job_id, attempt = folder.name.split(".")
        with database.transaction() as session:
            running = {
                (str(job.id), str(job.attempt))
                for job in bus.jobs_of(session, UUID(subject))
                if job.state is JobState.RUNNING
            }
        if (job_id, attempt) not in running:
            shutil.rmtree(folder, ignore_errors=True)
