"""Objects as files in one folder. A file is written aside, synced, then renamed into place."""

from __future__ import annotations

import errno
import hashlib
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from libs import disk
from libs.storage import CHUNK, NotStored, StorageUnavailable, Stored, check_key, require_size
from libs.storage.gate import Gate

__all__ = ["FolderStore", "sync_folder"]

ASIDE = ".incoming"
# A broken or vanished disk, its file system switched to read-only, a network file system whose server is away.
_AWAY = frozenset({errno.EIO, errno.EROFS, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.EHOSTDOWN})


class FolderStore:
    """A folder that holds objects by their keys."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        self._gate = Gate()
        (self._root / ASIDE).mkdir(parents=True, exist_ok=True)

    def put(self, key: str, chunks: Iterable[bytes], content_type: str) -> Stored:  # noqa: ARG002  rows keep the type
        """Write an object from a stream of chunks.

        Where the disk says that it could not sync, all that was written is thrown away: a second try to sync would succeed
        without the bytes (https://wiki.postgresql.org/wiki/Fsync_Errors).
        """
        target = self._path(key)
        aside = self._root / ASIDE / uuid4().hex
        disk.require()
        try:
            with self._reaching(), disk.writing():
                size, sha256 = _write(aside, chunks)
                target.parent.mkdir(parents=True, exist_ok=True)
                aside.rename(target)
                for folder in target.relative_to(self._root).parents:  # those that were just made, too
                    sync_folder(self._root / folder)
        finally:
            aside.unlink(missing_ok=True)
        return Stored(key, size, sha256)

    def put_file(self, key: str, path: Path, content_type: str) -> Stored:
        """Write an object from a local file."""
        disk.require(path.stat().st_size)
        with path.open("rb") as source:
            return self.put(key, iter(lambda: source.read(CHUNK), b""), content_type)

    def read(self, key: str, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Stream a part of an object."""
        with self._reaching(key):
            source = self._path(key).open("rb")
        return self._chunks(source, offset, length)

    def size(self, key: str) -> int:
        """Size in bytes."""
        with self._reaching(key):
            return self._path(key).stat().st_size

    def delete(self, key: str) -> None:
        """Remove an object, and its folder when that is empty."""
        path = self._path(key)
        path.unlink(missing_ok=True)
        try:
            path.parent.rmdir()
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
                raise

    def keys(self, prefix: str = "") -> Iterator[str]:
        """All keys that begin with ``prefix``."""
        for folder, names, files in os.walk(self._root):
            if ASIDE in names:
                names.remove(ASIDE)
            for name in files:
                key = (Path(folder) / name).relative_to(self._root).as_posix()
                if key.startswith(prefix):
                    yield key

    @contextmanager
    def local(self, key: str, size: int | None = None) -> Iterator[Path]:
        """The object's own file."""
        require_size(key, self.size(key), size)
        yield self._path(key)

    def abort_left_over(self, older: float) -> int:
        """Drop files aside that were written to last ``older`` seconds ago."""
        late = [path for path in (self._root / ASIDE).iterdir() if _untouched(path, older)]
        for path in late:
            path.unlink(missing_ok=True)
        return len(late)

    def _path(self, key: str) -> Path:
        return self._root / check_key(key)

    def _chunks(self, source: BinaryIO, offset: int, length: int | None) -> Iterator[bytes]:
        with source as file:
            file.seek(offset)
            left = length
            while left is None or left > 0:
                with self._reaching():
                    chunk: bytes = file.read(CHUNK if left is None else min(CHUNK, left))
                if not chunk:
                    require_size(source.name, (length or 0) - (left or 0), length)
                    return
                if left is not None:
                    left -= len(chunk)
                yield chunk

    @contextmanager
    def _reaching(self, key: str = "") -> Iterator[None]:
        """Turn a disk's troubles into ours; after some in a row, nobody waits for that disk for a while."""
        with self._gate.passing():
            try:
                yield
            except FileNotFoundError as error:
                if not key:
                    raise
                raise NotStored(key) from error
            except OSError as error:
                if error.errno in _AWAY:
                    raise StorageUnavailable(str(error)) from error
                raise


def _write(path: Path, chunks: Iterable[bytes]) -> tuple[int, str]:
    """Write a file durably; its size and SHA-256."""
    digest, size = hashlib.sha256(), 0
    with path.open("xb") as output:
        for chunk in chunks:
            digest.update(chunk)
            size += output.write(chunk)
        output.flush()
        os.fsync(output.fileno())
    return size, digest.hexdigest()


def _untouched(path: Path, seconds: float) -> bool:
    try:
        return time.time() - path.stat().st_mtime > seconds
    except FileNotFoundError:
        return False


def sync_folder(folder: Path) -> None:
    """Make a rename durable (POSIX wants the folder synced as well as the file)."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
