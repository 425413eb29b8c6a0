"""Objects as files in one folder. A file is written aside, synced, then renamed into place."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from libs.storage import CHUNK, NotStored, StorageUnavailable, Stored, check_key

__all__ = ["FolderStore", "sync_folder"]

ASIDE = ".incoming"


class FolderStore:
    """A folder that holds objects by their keys."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        (self._root / ASIDE).mkdir(parents=True, exist_ok=True)

    def put(self, key: str, chunks: Iterable[bytes], content_type: str) -> Stored:  # noqa: ARG002  rows keep the type
        """Write an object from a stream of chunks."""
        target = self._path(key)
        aside = self._root / ASIDE / uuid4().hex
        digest, size = hashlib.sha256(), 0
        try:
            with aside.open("xb") as output:
                for chunk in chunks:
                    digest.update(chunk)
                    size += output.write(chunk)
                output.flush()
                os.fsync(output.fileno())
            target.parent.mkdir(parents=True, exist_ok=True)
            aside.rename(target)
            for folder in target.relative_to(self._root).parents:  # those that were just made, too
                sync_folder(self._root / folder)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS):
                raise StorageUnavailable(str(error)) from error
            raise
        finally:
            aside.unlink(missing_ok=True)
        return Stored(key, size, digest.hexdigest())

    def put_file(self, key: str, path: Path, content_type: str) -> Stored:
        """Write an object from a local file."""
        with path.open("rb") as source:
            return self.put(key, iter(lambda: source.read(CHUNK), b""), content_type)

    def read(self, key: str, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Stream a part of an object."""
        try:
            source = self._path(key).open("rb")
        except FileNotFoundError as error:
            raise NotStored(key) from error
        return _chunks(source, offset, length)

    def size(self, key: str) -> int:
        """Size in bytes."""
        try:
            return self._path(key).stat().st_size
        except FileNotFoundError as error:
            raise NotStored(key) from error

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
    def local(self, key: str) -> Iterator[Path]:
        """The object's own file."""
        path = self._path(key)
        if not path.is_file():
            raise NotStored(key)
        yield path

    def _path(self, key: str) -> Path:
        return self._root / check_key(key)


def _chunks(source: BinaryIO, offset: int, length: int | None) -> Iterator[bytes]:
    with source as file:
        file.seek(offset)
        left = length
        while left is None or left > 0:
            chunk: bytes = file.read(CHUNK if left is None else min(CHUNK, left))
            if not chunk:
                return
            if left is not None:
                left -= len(chunk)
            yield chunk


def sync_folder(folder: Path) -> None:
    """Make a rename durable (POSIX wants the folder synced as well as the file)."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
