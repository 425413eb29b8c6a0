"""The disk that recordings land on before they are checked: one file each for uploads, held by one writer at a time.

The hold is an advisory lock of the operating system on the open file (flock), so that it ends with its process, whatever
ends that. Writers and checkers of a recording therefore share one disk. A finished import is a file under a name that nobody
else has; which one counts is said by the job that checks it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

from libs import disk
from libs.storage import StorageUnavailable
from libs.storage.folder import sync_folder
from services.ingest.settings import settings

__all__ = ["Held", "Part", "adopt", "free_bytes", "import_folder", "path_of", "remove", "strays"]


class Held(Exception):
    """Somebody else is writing to this part right now."""


def _folder() -> Path:
    folder = settings().work_dir / "uploads"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def path_of(media_id: UUID, name: str = "") -> Path:
    """Where the bytes of a recording land: those of an upload, or under ``name`` those that ``adopt`` took over."""
    return _folder() / (f"{media_id}.{name}.part" if name else f"{media_id}.part")


def import_folder(media_id: UUID) -> Path:
    """Scratch for fetching a recording."""
    return settings().work_dir / "imports" / str(media_id)


def free_bytes() -> int:
    """Free space on this service's disks, less what must stay free."""
    return disk.free()


def adopt(media_id: UUID, file: Path) -> str:
    """Take over a finished file from the same disk, durably, under a new name, which it returns.

    A worker that was paused, and does this when the recording is another's by now, changes nothing that anybody looks at.
    """
    name = uuid4().hex
    target = path_of(media_id, name)
    with file.open("rb+") as whole, disk.writing():
        os.fsync(whole.fileno())
    file.replace(target)
    sync_folder(target.parent)
    return name


def remove(media_id: UUID) -> None:
    """Remove all that lies on disk of a recording. Repeating it is fine."""
    for path in _folder().glob(f"{media_id}.*"):
        path.unlink(missing_ok=True)
    shutil.rmtree(import_folder(media_id), ignore_errors=True)


def strays(older: float) -> Iterator[UUID]:
    """The recordings of which something has lain on disk untouched for ``older`` seconds."""
    limit = time.time() - older
    for folder in (_folder(), settings().work_dir / "imports"):
        for entry in folder.iterdir() if folder.is_dir() else ():
            if entry.stat().st_mtime < limit:
                yield UUID(entry.name.partition(".")[0])


class Part:
    """A part held for writing. ``release`` it, or let the process end. Raises Held."""

    def __init__(self, media_id: UUID) -> None:
        path = path_of(media_id)
        fresh = not path.exists()
        self.lost = False
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if fresh:
                sync_folder(path.parent)
        except BaseException as error:
            os.close(self._file)
            if isinstance(error, BlockingIOError):
                raise Held(str(media_id)) from error
            raise

    @property
    def size(self) -> int:
        """Bytes in the file."""
        return os.fstat(self._file).st_size

    def cut(self, offset: int) -> None:
        """Forget all bytes from ``offset`` on, and write from there."""
        os.ftruncate(self._file, offset)
        os.lseek(self._file, offset, os.SEEK_SET)

    def write(self, data: bytes) -> None:
        """Append. Raises DiskShort where the disk is full; what was written of ``data`` is then undefined."""
        left = memoryview(data)
        with disk.writing():
            while left:
                left = left[os.write(self._file, left) :]

    def sync(self) -> None:
        """Return when all bytes are on the medium. Raises StorageUnavailable, DiskShort; the part is ``lost`` then.

        The system forgets what it could not write, and would report success the next time without the bytes.
        """
        if self.lost:
            raise StorageUnavailable("an earlier sync failed")
        self.lost = True
        try:
            with disk.writing():
                os.fsync(self._file)
        except OSError as error:
            raise StorageUnavailable(str(error)) from error
        self.lost = False

    def release(self) -> None:
        """Let others write."""
        os.close(self._file)
