"""One object store for originals, renditions and posters: a folder, or any S3 through the MinIO client.

Keys are made by the server, immutable, and never derived from what a person typed. An object appears whole or not at all,
and what is read is whole or ends in StorageUnavailable: fewer bytes than there should be never look like the end.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import UUID

import uuid_utils.compat

from libs.patience import TryLater
from libs.telemetry import log

__all__ = [
    "CHUNK",
    "NotStored",
    "StorageUnavailable",
    "Store",
    "Stored",
    "check_key",
    "configure",
    "discard",
    "folder_of",
    "new_key",
    "require_size",
    "store",
    "tidy",
]

CHUNK = 256 * 1024  # bytes read at a time
LEFT_OVER = 86400.0  # seconds after which an upload to the store that did not end never will

_KEY = re.compile(r"[a-z0-9][a-z0-9-]*(/[a-z0-9][a-z0-9-]*)*(\.[a-z0-9]{1,8})?")


class NotStored(LookupError):
    """No object has this key."""


class StorageUnavailable(TryLater):
    """The store can't be reached, refuses, or has other bytes than it should have."""


@dataclass(frozen=True)
class Stored:
    """What was written: size in bytes, SHA-256 in hexadecimal."""

    key: str
    size: int
    sha256: str


class Store(Protocol):
    """What every store does; ``tests/libs/test_storage.py`` is its contract."""

    def put(self, key: str, chunks: Iterable[bytes], content_type: str) -> Stored:
        """Write an object from a stream of chunks. It becomes visible only when whole, and is what was sent."""
        ...

    def put_file(self, key: str, path: Path, content_type: str) -> Stored:
        """Write an object from a local file, which stays where it is."""
        ...

    def read(self, key: str, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Stream just ``length`` bytes from ``offset``, or all to the end.

        Raises NotStored before the first chunk, and StorageUnavailable where it breaks off before that many.
        """
        ...

    def size(self, key: str) -> int:
        """Size in bytes. Raises NotStored."""
        ...

    def delete(self, key: str) -> None:
        """Remove an object. Removing one that is not there is fine."""
        ...

    def keys(self, prefix: str = "") -> Iterator[str]:
        """All keys that begin with ``prefix``."""
        ...

    def local(self, key: str, size: int | None = None) -> AbstractContextManager[Path]:
        """The object as a local file to read, for as long as the block lasts.

        ``size`` is how many bytes it has to have. Raises NotStored, and StorageUnavailable for another size.
        """
        ...

    def abort_left_over(self, older: float) -> int:
        """Drop the parts of uploads that began ``older`` seconds ago and never ended. Returns how many uploads."""
        ...


def new_key(kind: str, subject: UUID, suffix: str = "") -> str:
    """Make a fresh key: ``originals/<subject>/<uuid7>.mp4``. ``suffix`` comes from our own tables, never from a person."""
    return check_key(f"{kind}/{subject}/{uuid_utils.compat.uuid7()}{suffix}")


def check_key(key: str) -> str:
    """Return a key that is safe as a path, or raise ValueError: no dots but in the suffix, no empty parts, lower case."""
    if not _KEY.fullmatch(key) or len(key) > 200:
        raise ValueError(f"not an object key: {key!r}")
    return key


def require_size(key: str, found: int, wanted: int | None) -> None:
    """Raise StorageUnavailable where an object, or what came of it, has another size than it should have."""
    if wanted is not None and found != wanted:
        raise StorageUnavailable(f"{key}: {found} bytes where {wanted} should be")


class _Runtime:
    store: Store | None = None


def configure(url: str, scratch: Path) -> None:
    """Choose this process's store by URL; ``scratch`` takes downloads for ``local`` (``libs.storage.cache``).

    ``file:///absolute/folder`` or ``s3://key:secret@host:port/bucket``, with ``?secure=0`` for plain HTTP.
    """
    parts = urlsplit(url)
    if (folder := folder_of(url)) is not None:
        from libs.storage.folder import FolderStore

        _Runtime.store = FolderStore(folder)
    elif parts.scheme == "s3":
        from libs.storage.s3 import S3Store

        options = parse_qs(parts.query)
        _Runtime.store = S3Store(
            endpoint=f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname),
            access_key=unquote(parts.username or ""),
            secret_key=unquote(parts.password or ""),
            bucket=parts.path.strip("/"),
            secure=options.get("secure", ["1"])[0] != "0",
            scratch=scratch,
        )
    else:
        raise ValueError("storage_url must begin with file:// or s3://")


def tidy() -> None:
    """Periodic: drop what uploads that were cut off left behind, where no upload can still be under way."""
    dropped = store().abort_left_over(LEFT_OVER)
    if dropped:
        log.warning("left-over uploads dropped", extra={"uploads": dropped})


def discard(keys: Iterable[str]) -> None:
    """Delete what no row refers to any longer. What can't be reached now, the sweeper finds (``sweeping.py``)."""
    try:
        for key in keys:
            store().delete(key)
    except StorageUnavailable as error:
        log.warning("objects that nothing refers to stay for now", extra={"error": str(error)})


def folder_of(url: str) -> Path | None:
    """The folder that a storage URL names; None for another kind of store."""
    parts = urlsplit(url)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None


def store() -> Store:
    """This process's store; ``configure`` comes first."""
    if _Runtime.store is None:
        raise RuntimeError("libs.storage is not configured in this process")
    return _Runtime.store
