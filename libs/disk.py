"""Room on this machine's disks: what must stay free, and the one word for too little of it.

Whoever lets something in that will need room asks ``require`` first, so that the disk never runs full under work that is
under way; what meets a full disk all the same raises ``DiskShort``, and is tried again when there is room.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import Counter, Gauge

from libs.patience import TryLater

__all__ = ["DiskShort", "configure", "free", "is_full", "is_short", "require", "writing"]

FREE = Gauge("disk_free_bytes", "Bytes free on the disk of a folder that this process writes to.", ["service", "place"])
RESERVE = Gauge("disk_reserve_bytes", "Bytes that have to stay free: below, nothing new is let in.", ["service"])
FULL = Counter("enospc", "Writes that found a disk or a quota full.")

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class DiskShort(TryLater):
    """There is too little room on the disk: for what is to come in, or for what was being written."""


class _Runtime:
    reserve = 0  # bytes
    places: Mapping[str, Path] = {}


def configure(service: str, reserve: int, places: Mapping[str, Path]) -> None:
    """Name the folders that this process writes to, and how many bytes have to stay free on each one's disk."""
    _Runtime.reserve, _Runtime.places = reserve, dict(places)
    RESERVE.labels(service).set(reserve)
    for place, folder in places.items():
        FREE.labels(service, place).set_function(lambda folder=folder: _free(folder))  # type: ignore[misc]


def free() -> int:
    """Bytes that may still be written: on the fullest of this process's disks, less what has to stay free."""
    left = [_free(folder) for folder in _Runtime.places.values()]
    return min(left) - _Runtime.reserve if left else 1 << 62


def require(size: int = 0) -> None:
    """Raise DiskShort unless ``size`` bytes more may be written."""
    left = free()
    if left < size or left <= 0:
        raise DiskShort(f"{left} bytes left above the reserve, {size} wanted")


def is_short() -> bool:
    """Whether the disk is down to its reserve: then what fails has most likely failed of that."""
    return free() <= 0


def is_full(error: BaseException) -> bool:
    """Whether an error says that the disk, or a quota, is full."""
    return isinstance(error, OSError) and error.errno in _FULL


@contextmanager
def writing() -> Iterator[None]:
    """Write within this block: a full disk is told as DiskShort, and counted."""
    try:
        yield
    except OSError as error:
        if not is_full(error):
            raise
        FULL.inc()
        raise DiskShort(str(error)) from error


def _free(folder: Path) -> int:
    """Free bytes on the disk of a folder that may not be there yet."""
    for place in (folder, *folder.parents):
        try:
            return shutil.disk_usage(place).free
        except FileNotFoundError:
            continue
    return 0
