"""Files as they go out: where the bytes lie, and what is said about them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import PurePosixPath

from libs import storage
from libs.web.problems import NotFound
from services.stream.models import Deliverable

__all__ = ["File", "content", "poster"]


@dataclass(frozen=True)
class File:
    """One immutable object of the store, and the facts of its answer. ``etag`` is strong, with its quotes."""

    key: str
    mime: str
    size: int  # bytes
    etag: str
    title: str

    @property
    def suffix(self) -> str:
        """What a file name of it ends in: its key's own, made by the server."""
        return PurePosixPath(self.key).suffix


def content(deliverable: Deliverable) -> File:
    """Describe the recording or clip itself."""
    return File(
        key=deliverable.object_key,
        mime=deliverable.mime,
        size=deliverable.size,
        etag=f'"{deliverable.sha256}"',
        title=deliverable.appearance.title,
    )


def poster(deliverable: Deliverable) -> File:
    """Describe its still picture. Raises NotFound where there is none."""
    key = deliverable.poster_key
    if key is None:
        raise NotFound
    # Objects never change under their key, so the key stands for the bytes.
    etag = f'"{hashlib.sha256(key.encode()).hexdigest()}"'
    return File(key, "image/jpeg", storage.store().size(key), etag, deliverable.appearance.title)
