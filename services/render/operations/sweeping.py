"""What goes: clips of deleted recordings, and what killed workers left behind."""

from __future__ import annotations

import shutil
from uuid import UUID

from libs import bus, database, storage
from libs.bus import Delivery, JobState
from libs.contracts import events
from libs.storage.sweeping import Report, Sweeper
from services.render import queries
from services.render.operations.rendering import scratch_root
from services.render.settings import settings

RENDITIONS, POSTERS = "renditions", "posters"


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
    storage.discard(keys)


def sweep(grace: float, *, apply: bool) -> list[Report]:
    """Look for orphans among files and posters; see ``libs.storage.sweeping``."""
    return _sweeper.sweep(grace, apply=apply)


def sweep_now_and_then() -> None:
    """Periodic: sweep the store, and remove scratch folders of attempts that are over."""
    sweep(settings().sweep_grace, apply=True)
    _sweep_scratch()


def _known(keys: list[str]) -> set[str]:
    with database.transaction() as session:
        return queries.known_keys(session, keys)


def _referred(kind: str) -> set[str]:
    with database.transaction() as session:
        return queries.all_keys(session, posters=kind == POSTERS)


_sweeper = Sweeper((RENDITIONS, POSTERS), known=_known, referred=_referred)


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
