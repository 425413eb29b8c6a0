"""What people did and what they were told: the ground truth that the platform is held to."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

__all__ = ["Entry", "History", "Outcome"]


class Outcome(StrEnum):
    """What an answer says about an operation's effect."""

    DONE = "done"  # acknowledged: the effect is there, and must stay
    REFUSED = "refused"  # a clear no: there is no effect
    UNKNOWN = "unknown"  # no answer, or one that leaves it open: the effect may be there, at most once


@dataclass(frozen=True)
class Entry:
    """One request, or one fault."""

    schedule: int
    who: str
    what: str
    about: dict[str, Any]
    outcome: str
    answer: str = ""
    at: float = field(default_factory=time.time)


class History:
    """Every operation and fault, in order, in memory and in a file of JSON lines."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a")
        self._lock = threading.Lock()
        self._entries: list[Entry] = []
        self.operations = 0
        self.acknowledged = 0
        self.faults: dict[str, int] = {}

    def did(self, schedule: int, who: str, what: str, outcome: Outcome, answer: str = "", **about: Any) -> None:
        """Note an operation."""
        with self._lock:
            self.operations += 1
            self.acknowledged += outcome is Outcome.DONE
            self._note(Entry(schedule, who, what, about, outcome, answer))

    def fault(self, schedule: int, kind: str, **about: Any) -> None:
        """Note a fault."""
        with self._lock:
            self.faults[kind] = self.faults.get(kind, 0) + 1
            self._note(Entry(schedule, "fault", kind, about, ""))

    def of(self, schedule: int) -> list[str]:
        """A schedule's story, a line each."""
        with self._lock:
            entries = [entry for entry in self._entries if entry.schedule == schedule]
        began = entries[0].at if entries else 0.0
        return [
            f"{entry.at - began:7.2f} {entry.who:6} {entry.what:14} {entry.outcome:8} "
            f"{json.dumps(entry.about, default=str)} {entry.answer}"
            for entry in entries
        ]

    def close(self) -> None:
        """Write the rest out."""
        self._file.close()

    def _note(self, entry: Entry) -> None:
        self._entries = [one for one in self._entries if one.schedule == entry.schedule] + [entry]
        self._file.write(json.dumps(asdict(entry), default=str) + "\n")
        self._file.flush()
