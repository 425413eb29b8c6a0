"""What all ways in have in common: names, limits, the first row and the first word about it."""

from __future__ import annotations

import unicodedata
from pathlib import PurePosixPath
from typing import Literal
from uuid import UUID

from pydantic import ConfigDict, ValidationError
from sqlalchemy.orm import Session

from libs import bus, database
from libs.contracts import events
from libs.contracts.media import Origin, Wishes
from libs.web.problems import Conflict, InsufficientStorage, Malformed, TooManyRequests
from services.ingest import queries
from services.ingest.engines import parts
from services.ingest.models import Recording
from services.ingest.settings import settings
from services.ingest.states import State

__all__ = [
    "announce",
    "filename_of",
    "parse_wishes",
    "progressed",
    "reject",
    "require_room",
    "title_of",
    "withdraw",
]

_TITLE = 300
_FILENAME = 255
_UNTITLED = "Untitled recording"
_TELL_EVERY = 1.0  # seconds between two words about bytes


class _WishesAsTyped(Wishes):
    """Wishes from outside, where a misspelt one is an error rather than ignored."""

    model_config = ConfigDict(extra="forbid")


def parse_wishes(text: str | None) -> Wishes:
    """Read wishes from JSON; none at all are the defaults. Raises Malformed."""
    if not text:
        return Wishes()
    try:
        wishes = Wishes(**_WishesAsTyped.model_validate_json(text).model_dump())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "wishes"
        raise Malformed(f"The wishes can't be understood: {where}: {first['msg']}.") from error
    if wishes.min_duration > wishes.max_duration:
        raise Malformed("The wishes can't be met: the shortest clip would be longer than the longest.")
    return wishes


def _plain(text: str, limit: int) -> str:
    """One line of visible text: no controls, no direction overrides, no surrogates, canonical composition."""
    hidden = {"Cc", "Cf", "Cs", "Co"}
    spaced = (" " if char.isspace() else char for char in text)
    kept = (char for char in spaced if unicodedata.category(char) not in hidden)
    return " ".join(unicodedata.normalize("NFC", "".join(kept)).split())[:limit].strip()


def filename_of(text: str) -> str:
    """The last component of what a client calls its file, to be shown and never to be opened."""
    return _plain(PurePosixPath(text.replace("\\", "/")).name, _FILENAME)


def title_of(title: str, filename: str) -> str:
    """What people see: the title that was given, else the name of the file."""
    return _plain(title, _TITLE) or _plain(PurePosixPath(filename).stem.replace("_", " "), _TITLE) or _UNTITLED


def require_room(session: Session, size: int) -> None:
    """Raise InsufficientStorage unless ``size`` more bytes fit beside all that was promised already."""
    if parts.free_bytes() - queries.expected_bytes(session) < size:
        raise InsufficientStorage("There is not enough room on the server for this recording right now.")


def announce(session: Session, recording: Recording) -> None:
    """Add a recording and tell that it is on its way. Raises TooManyRequests."""
    if queries.unfinished(session, recording.owner_id) >= settings().unfinished_uploads:
        raise TooManyRequests("Too many of your recordings are still on their way. Finish or cancel some first.")
    session.add(recording)
    session.flush()
    bus.publish(
        session,
        events.MediaAnnounced(
            media_id=recording.id,
            owner_id=recording.owner_id,
            title=recording.title,
            origin=Origin.model_validate(
                {"kind": recording.kind, "filename": recording.filename, "url": recording.url}
            ),
        ),
    )


def progressed(session: Session, recording: Recording, *, at_once: bool = False) -> None:
    """Tell how many bytes are in, at most once a second, or ``at_once``."""
    clock = queries.clock(session)
    if not at_once and recording.told_at and (clock - recording.told_at).total_seconds() < _TELL_EVERY:
        return
    recording.told_at = clock
    bus.publish(
        session,
        events.MediaProgress(media_id=recording.id, stage="receive", done=recording.received, total=recording.total),
    )


def reject(session: Session, recording: Recording, code: str, detail: str, *, state: State = State.REJECTED) -> None:
    """End a recording that can't be used, or isn't wanted, and tell so."""
    stage = "check" if recording.standing is State.CHECKING else "receive"
    recording.become(state)
    recording.code, recording.detail = code, detail
    bus.publish(
        session,
        events.MediaRejected.model_validate(
            {"media_id": recording.id, "owner_id": recording.owner_id, "stage": stage, "code": code, "detail": detail}
        ),
    )


def withdraw(media_id: UUID, way: Literal["upload", "import"]) -> None:
    """Stop a recording on its way in and drop its bytes. Raises Conflict where it became one already."""
    with database.transaction() as session:
        recording = queries.locked(session, media_id)
        if recording is None:
            return
        if recording.standing is State.RECEIVED:
            raise Conflict(f"This {way} is complete. Delete the recording from the library instead.")
        if recording.standing not in {State.REJECTED, State.CANCELLED}:
            reject(session, recording, f"{way}_cancelled", f"The {way} was cancelled.", state=State.CANCELLED)
        bus.cancel(session, subject=media_id)
    parts.remove(media_id)
