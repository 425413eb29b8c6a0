"""A recording handed in whole with one request: nothing of it stays unless all of it came."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from uuid import UUID

import anyio
import anyio.to_thread
from sqlalchemy.orm import Session

from libs import bus, database
from libs.web.problems import Malformed, TooLarge, Unusable
from services.ingest.engines import parts
from services.ingest.engines.parts import Part
from services.ingest.engines.sniff import HEAD, sniff
from services.ingest.models import Recording
from services.ingest.operations import intake
from services.ingest.settings import settings
from services.ingest.states import State

__all__ = ["Field", "FileBegins", "HandedIn", "Piece", "hand_in"]

_BATCH = 1 << 20


@dataclass(frozen=True)
class Field:
    """A small named value of a form."""

    name: str
    value: str


@dataclass(frozen=True)
class FileBegins:
    """From here on the form's bytes are those of a file, as the client calls it."""

    filename: str


Piece = Field | FileBegins | bytes


@dataclass(frozen=True)
class HandedIn:
    """A recording that is whole and about to be checked."""

    id: UUID
    title: str
    status: State


async def hand_in(owner: UUID, pieces: AsyncIterator[Piece]) -> HandedIn:
    """Take a form with a file and, before or after it, ``title`` and ``wishes``.

    Raises Malformed, TooLarge, DiskShort, and Unusable (``empty_upload``, ``unsupported_media``).
    """
    draft: _Draft | None = None
    fields: dict[str, str] = {}
    try:
        async for piece in pieces:
            if isinstance(piece, Field):
                fields[piece.name] = piece.value
            elif isinstance(piece, FileBegins):
                if draft is not None:
                    raise Malformed("One request takes one file.")
                draft = await anyio.to_thread.run_sync(_Draft.begin, piece.filename)
            elif draft is not None:
                await draft.take(piece)
        if draft is None:
            raise Malformed("There is no file in this form.")
        return await anyio.to_thread.run_sync(_accept, owner, draft, fields)
    except BaseException:
        if draft is not None:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(parts.remove, draft.id)
        raise
    finally:
        if draft is not None:
            draft.part.release()


def _accept(owner: UUID, draft: _Draft, fields: dict[str, str]) -> HandedIn:
    """Make the file durable, then announce it and queue its check."""
    wishes = intake.parse_wishes(fields.get("wishes"))
    draft.close()
    filename = intake.filename_of(draft.filename)
    recording = Recording(
        id=draft.id,
        owner_id=owner,
        kind="upload",
        title=intake.title_of(fields.get("title", ""), filename),
        filename=filename,
        wishes=wishes.model_dump(mode="json"),
        state=State.CHECKING.value,
        received=draft.size,
        total=draft.size,
    )
    with database.transaction() as session:
        intake.announce(session, recording)
        intake.progressed(session, recording, at_once=True)
        bus.enqueue(session, kind="probe", subject=recording.id, owner=owner)
    return HandedIn(recording.id, recording.title, State.CHECKING)


@dataclass
class _Draft:
    """A file that is coming in, and isn't known to anybody yet."""

    id: UUID
    filename: str
    part: Part
    size: int = 0
    _batch: bytearray = field(default_factory=bytearray)
    _known: bool = False

    @classmethod
    def begin(cls, filename: str) -> _Draft:
        """Start a file where there is room for one."""
        with database.transaction() as session:
            _require_room(session)
        media_id = database.new_id()
        return cls(media_id, filename, Part(media_id))

    async def take(self, data: bytes) -> None:
        """Gather bytes; refuse the file as soon as its first ones show that it is no recording."""
        self.size += len(data)
        if self.size > settings().max_upload_size:
            limit = settings().max_upload_size / (1 << 30)
            raise TooLarge(f"The file is larger than the {limit:g} GiB that can be uploaded.")
        self._batch += data
        if len(self._batch) >= _BATCH or (not self._known and len(self._batch) >= HEAD):
            await anyio.to_thread.run_sync(self._write)

    def close(self) -> None:
        """Write the rest, and return when all is on the medium."""
        if self.size == 0:
            raise Unusable("The file is empty.", code="empty_upload")
        self._write()
        self.part.sync()

    def _write(self) -> None:
        if not self._known and sniff(io.BytesIO(self._batch)) is None:
            raise Unusable("This is not an audio or video file of a kind that can be used.", code="unsupported_media")
        self._known = True
        data, self._batch = bytes(self._batch), bytearray()
        self.part.write(data)


def _require_room(session: Session) -> None:
    intake.require_room(session, _BATCH)
