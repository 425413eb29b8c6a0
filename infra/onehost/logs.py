"""Reading and capping the log files, one per process, which each process appends to by itself."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

__all__ = ["FOLLOW_EVERY", "Follower", "cap", "last_lines", "prefixed"]

LARGEST = 20 << 20  # bytes
TAIL = 64 << 10  # bytes read to find the last lines
FOLLOW_EVERY = 0.2  # seconds between two looks

COLOURS = (36, 33, 32, 35, 34, 31)


def cap(folder: Path) -> None:
    """Move what is too long to ``<name>.log.1``. The writers append, so that they go on at the new end."""
    for log in folder.glob("*.log"):
        if log.stat().st_size > LARGEST:
            shutil.copyfile(log, log.with_name(f"{log.name}.1"))
            with log.open("r+b") as file:
                file.truncate()


def last_lines(log: Path, count: int) -> list[str]:
    """The end of a log; empty if there is none."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - TAIL))
            return file.read().decode(errors="replace").splitlines()[-count:]
    except FileNotFoundError:
        return []


class Follower:
    """Reads what is written to some logs from now on, whole lines only; logs may appear later, and be capped."""

    def __init__(self, find: Callable[[], list[Path]]) -> None:
        self._find = find
        self._offsets = {log: log.stat().st_size for log in find()}

    def new_lines(self) -> list[tuple[Path, str]]:
        """The (log, line) pairs written since the last call."""
        return [(log, line) for log in self._find() for line in self._read(log)]

    def _read(self, log: Path) -> list[str]:
        offset = self._offsets.get(log, 0)
        start = 0 if log.stat().st_size < offset else offset  # it was capped
        with log.open("rb") as file:
            file.seek(start)
            data = file.read()
        end = data.rfind(b"\n") + 1
        self._offsets[log] = start + end
        return data[:end].decode(errors="replace").splitlines()


def prefixed(log: Path, line: str, width: int = 20) -> str:
    """A line with its process's name before it, in a colour of its own on a terminal."""
    name = log.stem.ljust(width)
    if sys.stdout.isatty():
        name = f"\x1b[{COLOURS[sum(log.stem.encode()) % len(COLOURS)]}m{name}\x1b[0m"
    return f"{name} {line}"
