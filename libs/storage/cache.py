"""Objects kept on this machine for a while, so that the clips of one recording do not each fetch it anew.

Safe for several processes on one folder: a file that is in use is locked (flock, shared), one that is being filled is locked
for its writer alone, and only what nobody holds is evicted. Objects never change, so a whole file is a right one.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import Counter

from libs import disk
from libs.storage import require_size

__all__ = ["Cache"]

LIMIT = 10 * 1024**3  # bytes
IDLE = 600.0  # seconds unused after which an object goes: one that was deleted must not stay for long
LOOKS = Counter("object_cache", "Objects wanted as local files, by whether they were here.", ["outcome"])


class Cache:
    """A folder of objects, the least lately used of which go when there are more than ``limit`` bytes."""

    def __init__(self, folder: Path, limit: int = LIMIT, idle: float = IDLE) -> None:
        self._folder, self._limit, self._idle = folder, limit, idle
        self._timer: threading.Timer | None = None

    @contextmanager
    def held(self, key: str, size: int, fetch: Callable[[], Iterable[bytes]]) -> Iterator[Path]:
        """The object as a local file that stays for as long as the block lasts; ``fetch`` gives its bytes if need be.

        Raises what ``fetch`` raises, StorageUnavailable where that is not ``size`` bytes, and DiskShort.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._path(key)
        outcome = "hit"
        while (handle := self._shared(path, size)) is None:
            outcome = "miss"
            self._make_room(size)
            _fill(path, key, size, fetch)
        LOOKS.labels(outcome).inc()
        try:
            yield path
        finally:
            os.utime(handle)
            os.close(handle)
            self._make_room(0)
            self._tidy_later()

    def drop(self, key: str) -> None:
        """Forget an object, now or as soon as nobody uses it."""
        _evict(self._path(key))

    def tidy(self) -> None:
        """Drop what nobody has used for a while, and what a killed process left half filled."""
        late = time.time() - self._idle
        for path, used, _size in self._entries():
            if used < late:
                _evict(path)

    def _path(self, key: str) -> Path:
        return self._folder / (hashlib.sha256(key.encode()).hexdigest() + Path(key).suffix)

    def _shared(self, path: Path, size: int) -> int | None:
        """A whole file, held for reading; None where there is none."""
        try:
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        fcntl.flock(handle, fcntl.LOCK_SH)
        if not _is_at(handle, path):  # evicted just now
            os.close(handle)
            return None
        if os.fstat(handle).st_size != size:
            os.close(handle)
            _evict(path)
            return None
        os.utime(handle)
        return handle

    def _make_room(self, size: int) -> None:
        entries = sorted(self._entries(), key=lambda entry: entry[1])
        total = sum(entry[2] for entry in entries)
        for path, _used, freed in entries:
            if total + size <= self._limit:
                return
            if _evict(path):
                total -= freed

    def _entries(self) -> list[tuple[Path, float, int]]:
        """Each file with when it was last used, and its size."""
        found = []
        for path in self._folder.iterdir() if self._folder.is_dir() else ():
            try:
                facts = path.stat()
            except FileNotFoundError:
                continue  # another process evicted it
            found.append((path, facts.st_mtime, facts.st_size))
        return found

    def _tidy_later(self) -> None:
        if self._timer is None or not self._timer.is_alive():
            self._timer = threading.Timer(self._idle + 1, self.tidy)
            self._timer.daemon = True
            self._timer.start()


def _fill(path: Path, key: str, size: int, fetch: Callable[[], Iterable[bytes]]) -> None:
    """Bring an object, unless somebody else does so meanwhile. It gets its name when all of it is on the disk."""
    aside = path.with_suffix(".part")
    handle = os.open(aside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if not _is_at(handle, aside) or path.exists():
            return  # who held it brought the object, or gave up: look again
        disk.require(size)
        try:
            file.truncate()
            with disk.writing():
                for chunk in fetch():
                    file.write(chunk)
                file.flush()
                os.fsync(handle)
            require_size(key, file.tell(), size)
            aside.rename(path)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise


def _evict(path: Path) -> bool:
    """Remove a file unless somebody holds it. True where it is gone."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        if _is_at(handle, path):
            path.unlink(missing_ok=True)
        return True
    finally:
        os.close(handle)


def _is_at(handle: int, path: Path) -> bool:
    """Whether an open file is still the one that its name leads to."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False
