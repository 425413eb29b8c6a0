"""Looking for orphans both ways: objects that no row refers to, and rows whose objects are not there.

What is found is reported first. An object is removed only by a later look that finds it orphaned still, and only once it is
older than the grace time: until then it may belong to a transaction under way. A row without its object is never removed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

from prometheus_client import Gauge

from libs import storage
from libs.telemetry import log

__all__ = ["Report", "Sweeper"]

BATCH = 500
ORPHANS = Gauge("store_orphans", "Objects without rows and rows without objects, as last looked at.", ["kind", "what"])


@dataclass(frozen=True)
class Report:
    """What one look found among the objects of one kind. Keys are sorted."""

    kind: str
    orphans: list[str]  # objects that no row refers to, and that are older than the grace time
    removed: list[str]  # those of them that an earlier look had found already, and that are gone now
    missing: list[str]  # objects that rows refer to, and that are not there

    def document(self) -> dict[str, Any]:
        """The report as JSON takes it."""
        return asdict(self)


class Sweeper:
    """Sweeps a service's own kinds of objects (the first parts of their keys). Remembers what it has reported."""

    def __init__(
        self,
        kinds: Sequence[str],
        *,
        known: Callable[[list[str]], set[str]],
        referred: Callable[[str], Iterable[str]],
    ) -> None:
        """``known`` tells which of some keys rows refer to; ``referred`` gives all keys of a kind that rows refer to."""
        self._kinds = tuple(kinds)
        self._known = known
        self._referred = referred
        self._reported: set[str] = set()
        self._lock = threading.Lock()

    def sweep(self, grace: float, *, apply: bool) -> list[Report]:
        """Look once; with ``apply``, remove what an earlier look reported. ``grace`` in seconds."""
        with self._lock:
            return [self._sweep(kind, grace, apply=apply) for kind in self._kinds]

    def _sweep(self, kind: str, grace: float, *, apply: bool) -> Report:
        store = storage.store()
        # Rows first: an object that comes meanwhile is found, and one that goes meanwhile has no row any longer.
        wanted = set(self._referred(kind))
        there = set(store.keys(f"{kind}/"))
        missing = self._still_referred(sorted(wanted - there))
        orphans = sorted(key for key in self._unknown(there - wanted) if _age(key) >= grace)
        removed = [key for key in orphans if apply and key in self._reported]
        for key in removed:
            store.delete(key)
        for key in set(orphans) - self._reported:
            log.warning("an object that nothing refers to", extra={"key": key})
        for key in missing:
            log.error("a row refers to an object that is not there", extra={"key": key})
        self._reported = {key for key in self._reported if not key.startswith(f"{kind}/")} | (
            set(orphans) - set(removed)
        )
        ORPHANS.labels(kind, "object").set(len(orphans) - len(removed))
        ORPHANS.labels(kind, "row").set(len(missing))
        return Report(kind, orphans, removed, missing)

    def _unknown(self, keys: Iterable[str]) -> Iterator[str]:
        """Those of the keys that no row refers to by now."""
        for batch in _batches(sorted(keys)):
            yield from set(batch) - self._known(batch)

    def _still_referred(self, keys: Sequence[str]) -> list[str]:
        return sorted(key for batch in _batches(keys) for key in self._known(batch))


def _batches(keys: Sequence[str]) -> Iterator[list[str]]:
    for first in range(0, len(keys), BATCH):
        yield list(keys[first : first + BATCH])


def _age(key: str) -> float:
    """Seconds since a key was made, by its own UUIDv7 (RFC 9562: the first 48 bits are milliseconds)."""
    made = datetime.fromtimestamp((UUID(PurePosixPath(key).stem).int >> 80) / 1000, UTC)
    return (datetime.now(UTC) - made).total_seconds()
