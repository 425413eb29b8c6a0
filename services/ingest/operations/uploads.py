"""Resumable uploads: a byte is acknowledged only when it and its offset would survive a power cut."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import anyio
import anyio.to_thread
from prometheus_client import Counter, Gauge
from sqlalchemy.orm import Session

from libs import bus, database
from libs.contracts.media import Wishes
from libs.disk import DiskShort
from libs.web import UNKEYED, Once
from libs.web.problems import Conflict, Gone, InsufficientStorage, Locked, NotFound, TooLarge, Unusable
from services.ingest import queries
from services.ingest.engines.parts import Held, Part
from services.ingest.models import Recording
from services.ingest.operations import intake
from services.ingest.settings import settings
from services.ingest.states import State

__all__ = ["NewUpload", "Upload", "check_size", "count_incomplete", "create", "look", "receive", "withdraw"]

_BATCH = 1 << 20  # bytes gathered before they are written
_SETTLE_EVERY = 1.0  # seconds after which bytes and offset are made durable while a request goes on
_QUIET = 60.0  # seconds without a byte after which an upload counts as quiet

INCOMPLETE = Gauge(
    "uploads_incomplete", "Uploads that are not whole, by whether they came on in the last minute.", ["standing"]
)
RESUMED = Counter(
    "upload_resume",
    "Requests that took an upload up again, beyond its first byte, after one that did not come to its end.",
)


@dataclass(frozen=True)
class NewUpload:
    """What is announced: ``length`` bytes, and how to call and treat them."""

    length: int
    filename: str
    title: str
    wishes: Wishes


@dataclass(frozen=True)
class Upload:
    """How far an upload is: ``offset`` of ``length`` bytes are safe. It is dropped at ``expires_at`` unless more come."""

    id: UUID
    title: str
    offset: int
    length: int
    expires_at: datetime | None

    @classmethod
    def of(cls, recording: Recording) -> Upload:
        """Look at a row."""
        length = recording.total or 0
        offset = recording.received if recording.standing is State.RECEIVING else length
        return cls(recording.id, recording.title, offset, length, recording.expires_at)


def check_size(length: int) -> None:
    """Refuse what is empty or larger than allowed. Raises Unusable, TooLarge."""
    if length <= 0:
        raise Unusable("The file is empty.", code="empty_upload")
    if length > settings().max_upload_size:
        limit = settings().max_upload_size / (1 << 30)
        raise TooLarge(f"The file is larger than the {limit:g} GiB that can be uploaded.")


def create(owner: UUID, wanted: NewUpload, once: Once = UNKEYED) -> Upload:
    """Announce an upload. Raises TooLarge, Unusable, InsufficientStorage, TooManyRequests, Conflict.

    A repeated answer names the same upload and how far it is by now, because senders go on from there.
    """
    check_size(wanted.length)
    with database.transaction() as session:
        known = once.remembered(session, Upload)
        if known is not None:
            return _as_it_stands(session, owner, known)
        intake.require_room(session, wanted.length)
        recording = Recording(
            id=database.new_id(),
            owner_id=owner,
            kind="upload",
            title=intake.title_of(wanted.title, wanted.filename),
            filename=wanted.filename,
            wishes=wanted.wishes.model_dump(mode="json"),
            state=State.RECEIVING.value,
            total=wanted.length,
            expires_at=database.now() + timedelta(seconds=settings().upload_lifetime),
        )
        intake.announce(session, recording)
        session.refresh(recording)
        return once.remember(session, Upload.of(recording))


def _as_it_stands(session: Session, owner: UUID, known: Upload) -> Upload:
    """Bring an upload up to date; one that has ended without success stays as it was announced."""
    recording = queries.owned(session, owner, known.id)
    if recording is None or recording.standing in {State.REJECTED, State.CANCELLED}:
        return known
    return Upload.of(recording)


def look(owner: UUID, media_id: UUID) -> Upload:
    """Tell how far an upload is. Raises NotFound, and Gone where it ended without success."""
    with database.transaction() as session:
        recording = queries.owned(session, owner, media_id)
    if recording is None or recording.kind != "upload":
        raise NotFound
    return _alive(recording)


def _alive(recording: Recording) -> Upload:
    if recording.standing in {State.REJECTED, State.CANCELLED}:
        raise Gone(recording.detail, code=recording.code or None)
    return Upload.of(recording)


async def receive(owner: UUID, media_id: UUID, offset: int, chunks: AsyncIterator[bytes], announced: int) -> Upload:
    """Append bytes from ``offset`` on; whatever arrives is kept, also when the client breaks off in the middle.

    ``announced`` is the length of the request, or 0. With the last byte the check is queued in the same transaction.
    Raises NotFound, Gone, Conflict (another offset is due), Locked, TooLarge, InsufficientStorage.
    """
    upload = await anyio.to_thread.run_sync(look, owner, media_id)
    if offset == upload.offset == upload.length:
        return upload  # the reply to the last byte got lost
    if offset + announced > upload.length:
        raise TooLarge(f"The upload was announced with {upload.length} bytes; these would be more.")
    arrival = await anyio.to_thread.run_sync(_begin, upload, offset)
    try:
        async for chunk in _lively(chunks):
            await arrival.take(chunk)
    finally:
        with anyio.CancelScope(shield=True):
            upload = await anyio.to_thread.run_sync(arrival.end)
    return upload


def withdraw(owner: UUID, media_id: UUID) -> None:
    """Cancel an upload and drop its bytes. Raises NotFound, and Conflict where it became a recording already."""
    look(owner, media_id)
    intake.withdraw(media_id, "upload")


def count_incomplete() -> None:
    """Periodic: measure how many uploads are on their way, and how many of them stopped coming."""
    with database.transaction() as session:
        coming, quiet = queries.incomplete(session, _QUIET)
    INCOMPLETE.labels("coming").set(coming)
    INCOMPLETE.labels("quiet").set(quiet)


async def _lively(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Pass chunks on until there are no more, or none came for too long: a dead client must not keep its hold."""
    while True:
        try:
            yield await asyncio.wait_for(anext(chunks), settings().upload_idle)
        except (StopAsyncIteration, TimeoutError):
            return


def _begin(upload: Upload, offset: int) -> _Arrival:
    """Take hold of the part and bring file and row to the same offset: that which both know."""
    try:
        part = Part(upload.id)
    except Held as error:
        raise Locked("Another request is sending to this upload.", code="upload_in_use") from error
    try:
        with database.transaction() as session:
            recording = _receiving(session, upload.id)
            recording.received = due = min(recording.received, part.size)
            resumed = recording.under_way and offset == due > 0
            if offset == due:
                recording.under_way = True
        if offset != due:
            raise _elsewhere(due)
        part.cut(due)
    except BaseException:
        part.release()
        raise
    if resumed:
        RESUMED.inc()
    return _Arrival(part, upload, due)


def _receiving(session: Session, media_id: UUID) -> Recording:
    recording = queries.locked(session, media_id)
    if recording is None:
        raise NotFound
    if recording.standing in {State.CHECKING, State.RECEIVED}:
        raise _elsewhere(recording.total or 0)  # another request brought the last byte meanwhile
    if recording.standing is not State.RECEIVING:
        raise Gone(recording.detail or "This upload has ended.", code=recording.code or None)
    return recording


def _elsewhere(due: int) -> Conflict:
    return Conflict(f"The upload goes on at byte {due}.", code="offset_mismatch", headers={"Upload-Offset": str(due)})


class _Arrival:
    """The bytes of one request on their way to the disk."""

    def __init__(self, part: Part, upload: Upload, offset: int) -> None:
        self._part, self._upload = part, upload
        self._written = offset
        self._batch: list[bytes] = []
        self._gathered = 0
        self._settled_at = time.monotonic()
        self._whole = False  # the request came to its end
        self._ended: Upload | None = None  # the upload, once its last byte is settled

    async def take(self, chunk: bytes) -> None:
        """Gather, write and settle in turn, off the event loop. Raises TooLarge for bytes beyond the announced length.

        An empty chunk is the end of a request, which one that broke off does not have.
        """
        self._whole = not chunk
        room = self._upload.length - self._written - self._gathered
        if len(chunk) > room:
            raise TooLarge(f"The upload was announced with {self._upload.length} bytes; these are more.")
        self._batch.append(chunk)
        self._gathered += len(chunk)
        if self._ended is not None:
            return  # what follows the last byte is the empty end of the request
        if time.monotonic() - self._settled_at >= _SETTLE_EVERY:
            await anyio.to_thread.run_sync(self._settle)
        elif self._gathered >= _BATCH:
            await anyio.to_thread.run_sync(self._write)

    def end(self) -> Upload:
        """Make durable what came, and let others go on.

        Where a sync failed, what came since the one before counts as lost: the next request sends it again.
        """
        try:
            return self._ended or (self._upload if self._part.lost else self._settle())
        finally:
            self._part.release()

    def _write(self) -> None:
        data = b"".join(self._batch)
        self._batch, self._gathered = [], 0
        try:
            self._part.write(data)
        except DiskShort as error:
            self._part.cut(self._written)
            raise InsufficientStorage("The server's disk is full. The upload can go on when there is room.") from error
        self._written += len(data)

    def _settle(self) -> Upload:
        self._write()
        self._part.sync()
        with database.transaction() as session:
            recording = _receiving(session, self._upload.id)
            complete = self._written == self._upload.length
            if self._written > recording.received or complete:
                recording.received = self._written
                recording.expires_at = database.now() + timedelta(seconds=settings().upload_lifetime)
                intake.progressed(session, recording, at_once=complete)
            if complete or self._whole:
                recording.under_way = False
            if complete:
                recording.become(State.CHECKING)
                bus.enqueue(session, kind="probe", subject=recording.id, owner=recording.owner_id)
            session.flush()
            self._settled_at = time.monotonic()
            settled = Upload.of(recording)
        self._ended = settled if complete else None
        return settled
