"""Recordings fetched from a URL."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from prometheus_client import Counter
from sqlalchemy.orm import Session

from libs import bus, database, disk
from libs.bus import Job, JobFailed, Lease, LeaseLost
from libs.contracts.media import EngineSpan, Wishes
from libs.disk import DiskShort
from libs.telemetry import log
from libs.web import UNKEYED, Once
from libs.web.problems import NotFound, Unusable
from services.ingest import queries
from services.ingest.engines import egress, parts
from services.ingest.engines.egress import Policy, Refused
from services.ingest.engines.fetch import Fetched, TryAgain, fetch
from services.ingest.models import Recording
from services.ingest.operations import intake
from services.ingest.settings import settings
from services.ingest.states import State

__all__ = ["ATTEMPTS", "Import", "cancel", "create", "fetch_failed", "fetch_recording", "look"]

ATTEMPTS = 3
_TELL_EVERY = 1.0  # seconds

FAILURES = Counter(
    "import_failures", "Imports that ended without a recording, by the code that the person got.", ["reason"]
)


@dataclass(frozen=True)
class Import:
    """How far an import is: ``done`` of ``total`` bytes (None while the site hasn't said), or why it ended."""

    id: UUID
    url: str
    title: str
    status: State
    done: int
    total: int | None
    code: str
    detail: str

    @classmethod
    def of(cls, recording: Recording) -> Import:
        """Look at a row."""
        return cls(
            recording.id,
            recording.url,
            recording.title,
            recording.standing,
            recording.received,
            recording.total,
            recording.code,
            recording.detail,
        )


def create(owner: UUID, url: str, title: str, wishes: Wishes, once: Once = UNKEYED) -> Import:
    """Queue the import of a URL.

    Raises Unusable where the URL itself shows that it can't be, InsufficientStorage, TooManyRequests, Conflict.
    """
    try:
        egress.check_url(url, frozenset(settings().import_allow))
    except Refused as refusal:
        raise Unusable(refusal.detail, code=refusal.code) from refusal
    with database.transaction() as session:
        known = once.remembered(session, Import)
        if known is not None:
            return known
        intake.require_room(session, 0)
        recording = Recording(
            id=database.new_id(),
            owner_id=owner,
            kind="import",
            title=intake.title_of(title, url.partition("?")[0].rstrip("/")),
            url=url,
            wishes=wishes.model_dump(mode="json"),
            state=State.IMPORTING.value,
        )
        intake.announce(session, recording)
        bus.enqueue(session, kind="import", subject=recording.id, owner=owner, params={"titled": bool(title.strip())})
        return once.remember(session, Import.of(recording))


def look(owner: UUID, media_id: UUID) -> Import:
    """Tell how far an import is. Raises NotFound."""
    with database.transaction() as session:
        recording = queries.owned(session, owner, media_id)
    if recording is None or recording.kind != "import":
        raise NotFound
    return Import.of(recording)


def cancel(owner: UUID, media_id: UUID) -> None:
    """Stop an import and drop its bytes. Raises NotFound, and Conflict where it became a recording already."""
    look(owner, media_id)
    intake.withdraw(media_id, "import")


def fetch_recording(lease: Lease) -> None:
    """Job ``import``: fetch, then hand over to the check. Repeating it starts over."""
    with database.transaction() as session:
        recording = queries.locked(session, lease.subject)
        if recording is None or recording.standing is not State.IMPORTING:
            lease.finish(session)
            return
        room = parts.free_bytes() - queries.expected_bytes(session)
    if room <= 0:
        raise DiskShort(f"{room} bytes left above the reserve")
    cap = min(settings().max_import_size, room)
    folder = parts.import_folder(lease.subject) / str(lease.attempt)
    started, clock = datetime.now(UTC), time.monotonic()
    try:
        found = fetch(
            recording.url,
            folder,
            _policy(cap),
            memory=settings().import_memory,
            on_progress=_teller(lease),
            cancelled=lease.cancelled,
        )
    except Refused as refusal:
        if refusal.code == "import_too_large" and cap < settings().max_import_size:
            raise DiskShort(refusal.detail) from refusal  # it was the disk that set the cap, and not the rules
        _give_up(lease, refusal)
        return
    except TryAgain as trouble:
        if disk.is_short():
            raise DiskShort(str(trouble)) from trouble
        if lease.job.failures + 1 < ATTEMPTS:
            raise
        last = Refused("import_failed", f"{trouble} It was tried {ATTEMPTS} times.")
        last.stderr = trouble.stderr
        _give_up(lease, last)
        return
    span = EngineSpan(engine="yt-dlp", started_at=started, seconds=round(time.monotonic() - clock, 3))
    _hand_over(lease, found, span)


def fetch_failed(session: Session, job: Job, problem: JobFailed) -> None:
    """End an import whose job ended without success for a reason of our own."""
    recording = queries.locked(session, job.subject)
    if recording is not None and recording.standing is State.IMPORTING:
        intake.reject(session, recording, problem.code, problem.detail)
        FAILURES.labels(problem.code).inc()


def _policy(cap: int) -> Policy:
    limits = settings()
    return Policy(
        cap=max(0, cap),
        deadline=limits.import_deadline,
        rate=limits.import_rate,
        window=limits.import_rate_window,
        allow=frozenset(limits.import_allow),
    )


def _teller(lease: Lease) -> Callable[[int, int | None], None]:
    """Make a listener that writes progress down and tells of it, at most once a second."""
    last = 0.0

    def tell(done: int, total: int | None) -> None:
        nonlocal last
        lease.progress(done, total or 0)
        if time.monotonic() - last < _TELL_EVERY:
            return
        last = time.monotonic()
        try:
            with database.transaction() as session:
                recording = queries.locked(session, lease.subject)
                if recording is not None and recording.standing is State.IMPORTING:
                    recording.received, recording.total = done, total
                    intake.progressed(session, recording, at_once=True)
        except database.DatabaseUnavailable:
            log.warning("progress not told: database unavailable", extra={"media_id": str(lease.subject)})

    return tell


def _give_up(lease: Lease, refusal: Refused) -> None:
    with database.transaction() as session:
        recording = queries.locked(session, lease.subject)
        wanted = recording is not None and recording.standing is State.IMPORTING
        if recording is not None and wanted:
            intake.reject(session, recording, refusal.code, refusal.detail)
        lease.finish(session, last_words=refusal.stderr)
    if wanted:
        FAILURES.labels(refusal.code).inc()
    parts.remove(lease.subject)


def _hand_over(lease: Lease, found: Fetched, span: EngineSpan) -> None:
    """Make the file durable, and queue its check with the end of this job, which only the holder of the lease can do."""
    size = found.path.stat().st_size
    part = parts.adopt(lease.subject, found.path)
    try:
        wanted = _choose(lease, found, span, part, size)
    except LeaseLost:
        parts.path_of(lease.subject, part).unlink(missing_ok=True)
        raise
    if not wanted:
        parts.remove(lease.subject)


def _choose(lease: Lease, found: Fetched, span: EngineSpan, part: str, size: int) -> bool:
    """Have this part checked. False where nobody waits for the recording any more. Raises LeaseLost."""
    with database.transaction() as session:
        recording = queries.locked(session, lease.subject)
        wanted = recording is not None and recording.standing is State.IMPORTING
        if recording is not None and wanted:
            recording.received = recording.total = size
            recording.engine = [*recording.engine, span.model_dump(mode="json")]
            if not lease.params.get("titled") and found.title:
                recording.title = intake.title_of(found.title, "")
            intake.progressed(session, recording, at_once=True)
            recording.become(State.CHECKING)
            bus.enqueue(session, kind="probe", subject=recording.id, owner=recording.owner_id, params={"part": part})
        lease.finish(session)
    return wanted
