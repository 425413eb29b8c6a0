"""The job: one rendition from its plan to a file that can be seen. Cut off anywhere, it leaves nothing visible."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from sqlalchemy.orm import Session

from libs import bus, database, disk, process, storage, web
from libs.bus import Job, JobFailed, Lease, LeaseLost
from libs.contracts import events
from libs.contracts.media import Original, Preset
from libs.contracts.transcripts import Transcript
from libs.patience import TryLater
from libs.storage import StorageUnavailable
from libs.telemetry import log
from libs.web.problems import NotFound
from services.render import queries
from services.render.engines import renderer
from services.render.models import MIME, Clip, Rendition
from services.render.operations.planning import NO_ORIGINAL, failure_of, progress_of
from services.render.presets import TARGETS
from services.render.settings import settings
from services.render.states import RenditionState

FETCH = 30  # seconds for a transcript of many hours to arrive
EVERY = 1.0  # seconds between progress events


def render(lease: Lease) -> None:
    """Render one rendition and make it visible. Running it again, from any point, ends with the same one rendition."""
    clip = _begin(lease)
    original = _original(clip.media_id)
    if original.dropped_at is not None:
        raise JobFailed(NO_ORIGINAL.code, NO_ORIGINAL.detail)
    transcript = _transcript(clip.media_id)
    plan = clip.planned()
    disk.require()
    with scratch(lease) as folder, storage.store().local(original.object_key, original.size) as path:
        order = renderer.Order(
            plan=plan,
            target=TARGETS[plan.preset],
            original=original,
            path=path,
            words=[word.model_dump() for word in transcript.words()] if transcript else [],
            byline=_byline(original, transcript, clip),
            scratch=folder,
            effort=settings().render_effort,
        )
        try:
            done = renderer.render(order, _Reporter(lease, clip), lease.cancelled)
        except process.ChildRefused as refusal:
            raise JobFailed(refusal.code, refusal.detail, last_words=refusal.stderr) from refusal
        _publish(lease, clip, done)


def render_failed(session: Session, job: Job, problem: JobFailed) -> None:
    """Say why a clip has no file."""
    rendition = queries.rendition(session, UUID(job.params["rendition_id"]))
    if rendition is None:
        return  # deleted, which is why it was cancelled
    rendition.fail(problem.code, problem.detail)
    bus.publish(session, failure_of(rendition, rendition.clip))


@contextmanager
def scratch(lease: Lease) -> Iterator[Path]:
    """A folder for one attempt, gone with it; ``sweeping`` removes those whose worker was killed."""
    folder = scratch_root() / f"{lease.subject}.{lease.job_id}.{lease.attempt}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def scratch_root() -> Path:
    """Where the attempts' folders lie."""
    return settings().work_dir / "renders"


def _begin(lease: Lease) -> Clip:
    """Mark the rendition as under way and tell of it."""
    with database.transaction() as session:
        rendition = _held(session, lease)
        rendition.to(RenditionState.RENDERING)
        bus.publish(session, progress_of(rendition, rendition.clip, 0.0))
        return rendition.clip


def _held(session: Session, lease: Lease) -> Rendition:
    rendition = queries.rendition(session, UUID(lease.params["rendition_id"]))
    if rendition is None:
        raise JobFailed("deleted", "The clip was deleted meanwhile.")
    return rendition


def _publish(lease: Lease, clip: Clip, done: renderer.Rendered) -> None:
    """Store file and poster under fresh keys, then point to them: row, event and the job's end in one transaction."""
    store = storage.store()
    rendition_id = UUID(lease.params["rendition_id"])
    keys = storage.new_key("renditions", rendition_id, ".mp4"), storage.new_key("posters", rendition_id, ".jpg")
    try:
        stored = store.put_file(keys[0], done.path, MIME)
        if stored.sha256 != done.sha256:
            raise StorageUnavailable(
                f"the store kept other bytes than were inspected: {stored.sha256}, not {done.sha256}"
            )
        store.put_file(keys[1], done.poster, "image/jpeg")
        with database.transaction() as session:
            rendition = _held(session, lease)
            _point(rendition, keys, done)
            bus.publish(session, _ready(rendition, clip, done))
            lease.finish(session)
    except (JobFailed, LeaseLost, OSError, TryLater):
        storage.discard(keys)
        raise


def _point(rendition: Rendition, keys: tuple[str, str], done: renderer.Rendered) -> None:
    rendition.to(RenditionState.READY)
    rendition.object_key, rendition.poster_key = keys
    rendition.size, rendition.sha256 = done.size, done.sha256
    rendition.width, rendition.height, rendition.duration = done.width, done.height, done.duration
    rendition.words = done.words
    if done.level is not None and done.level.audible:
        rendition.loudness, rendition.true_peak = done.level.loudness, done.level.peak
    rendition.ready_at = database.now()


def _ready(rendition: Rendition, clip: Clip, done: renderer.Rendered) -> events.RenditionReady:
    return events.RenditionReady(
        clip_id=clip.id,
        media_id=clip.media_id,
        owner_id=clip.owner_id,
        rendition_id=rendition.id,
        preset=Preset(rendition.preset),
        title=clip.title,
        object_key=str(rendition.object_key),
        poster_key=str(rendition.poster_key),
        mime=MIME,
        size=done.size,
        sha256=done.sha256,
        width=done.width,
        height=done.height,
        duration=done.duration,
        engine=tuple(done.spans),
    )


class _Reporter:
    """Passes on how far ffmpeg is: to the job's row always, as an event about once a second."""

    def __init__(self, lease: Lease, clip: Clip) -> None:
        self._lease = lease
        self._clip = clip
        self._total = clip.end - clip.start
        self._started = self._told = time.monotonic()

    def __call__(self, seconds: float) -> None:
        done, now = min(seconds, self._total), time.monotonic()
        self._lease.progress(done, self._total)
        if now - self._told < EVERY:
            return
        self._told = now
        eta = (now - self._started) * (self._total - done) / done if done > 0 else None
        try:
            with database.transaction() as session:
                rendition = queries.rendition(session, UUID(self._lease.params["rendition_id"]))
                if rendition is None:
                    return  # deleted: the next heartbeat brings the cancel
                rendition.progress = round(done / self._total, 3)
                told = progress_of(rendition, self._clip, done, round(eta, 1) if eta is not None else None)
                bus.publish(session, told)
        except database.DatabaseUnavailable:
            log.warning("progress not told: database unavailable", extra={"clip_id": str(self._clip.id)})


def _original(media_id: UUID) -> Original:
    try:
        return Original.model_validate(web.client("ingest").get(f"/internal/originals/{media_id}"))
    except web.PeerRefused as refusal:
        if refusal.status == NotFound.status:
            raise JobFailed("original_gone", "The recording that this clip is cut from is gone.") from refusal
        raise


def _transcript(media_id: UUID) -> Transcript | None:
    """The recording's words; None where nobody ever transcribed it, and so no caption can be missing."""
    try:
        reply = web.client("transcription").get(f"/internal/transcripts/{media_id}", timeout=FETCH)
    except web.PeerRefused as refusal:
        if refusal.status == NotFound.status:
            return None
        raise
    return Transcript.model_validate(reply)


def _byline(original: Original, transcript: Transcript | None, clip: Clip) -> str:
    """Who speaks, where names are known, else the recording's title; empty where that is the clip's title too."""
    spoken = (
        {word.speaker for word in transcript.words() if clip.start < word.end and word.start < clip.end}
        if transcript
        else set()
    )
    speakers = transcript.speakers if transcript else ()
    names = [one.name for one in speakers if one.label in spoken and not one.name.startswith("Speaker ")]
    line = ", ".join(names) or original.title
    return "" if line == clip.title else line
