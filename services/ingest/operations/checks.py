"""The check: probe what came in, store it under a key of our own, and tell the pipeline."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from sqlalchemy.orm import Session

from libs import bus, database, storage
from libs.bus import Job, JobFailed, Lease
from libs.contracts import events
from libs.contracts.media import EngineSpan, Wishes
from libs.contracts.media import Original as OriginalReply
from libs.storage import Stored
from libs.web.problems import NotFound
from services.ingest import queries
from services.ingest.engines import parts
from services.ingest.engines.probe import Limits, Probed, Unusable, probe
from services.ingest.models import Original, Recording
from services.ingest.operations import intake
from services.ingest.settings import settings
from services.ingest.states import State

__all__ = ["check", "check_failed", "original"]


def original(media_id: UUID) -> OriginalReply:
    """Tell all about a stored original. Raises NotFound."""
    with database.transaction() as session:
        found = queries.original(session, media_id)
    if found is None:
        raise NotFound
    return _reply(*found)


def check(lease: Lease) -> None:
    """Job ``probe``. Repeating it changes nothing once it has succeeded."""
    with database.transaction() as session:
        recording = queries.locked(session, lease.subject)
        if recording is None or recording.standing is not State.CHECKING:
            lease.finish(session)
        else:
            _tell_begin(session, recording)
    if lease.finished:
        _drop(lease.subject, keep_stored=recording is not None and recording.standing is State.RECEIVED)
        return
    path = parts.path_of(lease.subject, lease.params.get("part", ""))
    if not path.exists():
        _refuse(
            lease, Unusable("upload_lost", "The server lost this file before it was checked. Please send it again.")
        )
        return
    started, clock = datetime.now(UTC), time.monotonic()
    try:
        probed = probe(path, _limits(), lease.cancelled)
    except Unusable as reason:
        _refuse(lease, reason)
        return
    span = EngineSpan(engine="ffmpeg probe", started_at=started, seconds=round(time.monotonic() - clock, 3))
    _accept(lease, probed, _store(lease.subject, path, probed), span)


def check_failed(session: Session, job: Job, problem: JobFailed) -> None:
    """End a recording whose check ended without success for a reason of our own."""
    recording = queries.locked(session, job.subject)
    if recording is not None and recording.standing is State.CHECKING:
        intake.reject(session, recording, problem.code, problem.detail)


def _limits() -> Limits:
    limits = settings()
    return Limits(
        duration=limits.max_duration,
        pixels=limits.max_pixels,
        frame_rate=limits.max_frame_rate,
        streams=limits.max_streams,
        deadline=limits.probe_deadline,
        memory=limits.probe_memory,
    )


def _tell_begin(session: Session, recording: Recording) -> None:
    bus.publish(session, events.MediaProgress(media_id=recording.id, stage="check", done=0, total=recording.total or 0))


def _refuse(lease: Lease, reason: Unusable) -> None:
    with database.transaction() as session:
        recording = queries.locked(session, lease.subject)
        if recording is not None and recording.standing is State.CHECKING:
            intake.reject(session, recording, reason.code, reason.detail)
        lease.finish(session, last_words=reason.stderr)
    parts.remove(lease.subject)


def _store(media_id: UUID, path: Path, probed: Probed) -> Stored:
    """Copy the file to the store. The key is noted first, so that no bytes can lie there that no row knows of."""
    with database.transaction() as session:
        recording = queries.locked(session, media_id)
        if recording is None:
            raise bus.LeaseLost(str(media_id))
        if recording.object_key is None:
            recording.object_key = storage.new_key("originals", media_id, suffix=probed.suffix)
        key = recording.object_key
    stored = storage.store().put_file(key, path, probed.mime)
    if stored.size != probed.size:
        raise RuntimeError(f"{key}: {stored.size} bytes stored of {probed.size}")
    return stored


def _accept(lease: Lease, probed: Probed, stored: Stored, span: EngineSpan) -> None:
    with database.transaction() as session:
        recording = queries.locked(session, lease.subject)
        wanted = recording is not None and recording.standing is State.CHECKING
        if recording is not None and wanted:
            entry = Original(
                media_id=recording.id,
                object_key=stored.key,
                size=stored.size,
                sha256=stored.sha256,
                container=probed.container,
                mime=probed.mime,
                duration=probed.duration,
                has_audio=probed.has_audio,
                has_video=probed.has_video,
                width=probed.width,
                height=probed.height,
                fps=probed.fps,
            )
            session.add(entry)
            recording.become(State.RECEIVED)
            recording.engine = [*recording.engine, span.model_dump(mode="json")]
            bus.publish(session, _received(recording, entry))
        lease.finish(session)
    _drop(lease.subject, keep_stored=wanted)


def _drop(media_id: UUID, *, keep_stored: bool) -> None:
    """Remove what lies on the disk, and in the store too where the recording was deleted meanwhile."""
    parts.remove(media_id)
    if not keep_stored:
        for key in list(storage.store().keys(f"originals/{media_id}/")):
            storage.store().delete(key)


def _received(recording: Recording, entry: Original) -> events.MediaReceived:
    return events.MediaReceived(
        media_id=recording.id,
        owner_id=recording.owner_id,
        original=_reply(recording, entry),
        wishes=Wishes.model_validate(recording.wishes),
        engine=tuple(EngineSpan.model_validate(span) for span in recording.engine),
    )


def _reply(recording: Recording, entry: Original) -> OriginalReply:
    return OriginalReply(
        media_id=recording.id,
        owner_id=recording.owner_id,
        title=recording.title,
        object_key=entry.object_key,
        size=entry.size,
        sha256=entry.sha256,
        container=entry.container,
        mime=entry.mime,
        duration=entry.duration,
        has_audio=entry.has_audio,
        has_video=entry.has_video,
        width=entry.width,
        height=entry.height,
        fps=entry.fps,
        dropped_at=entry.dropped_at,
    )
