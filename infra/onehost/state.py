"""What other commands learn about a running platform: who runs it, and how each process is.

The supervisor holds a lock for as long as it lives (the kernel drops it, however it dies) and writes a state file. A process
is known by its id *and* its start time, since ids are used again.
"""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, TextIO

import psutil

__all__ = ["Identity", "ProcessState", "State", "hold_lock", "is_running", "read"]

Phase = Literal["starting", "ready", "stopping", "failed"]


@dataclass(frozen=True)
class Identity:
    """A process, for good: no later one with the same id is mistaken for it."""

    pid: int
    created: float

    @classmethod
    def of(cls, pid: int) -> Identity | None:
        """Identify a process; None if there is none."""
        try:
            return cls(pid, psutil.Process(pid).create_time())
        except psutil.NoSuchProcess:
            return None

    def process(self) -> psutil.Process | None:
        """The process, if it still lives."""
        try:
            found = psutil.Process(self.pid)
            same = abs(found.create_time() - self.created) < 0.5
            return found if same and found.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None


@dataclass
class ProcessState:
    """How one process is. ``state``: waiting, starting, ready, done, restarting, stopped, failed."""

    name: str
    state: str = "waiting"
    identity: Identity | None = None
    port: int | None = None
    restarts: int = 0
    silences: int = 0  # times that it did not answer in time whether it lives; after three in a row it is killed
    why: str = ""  # it was last restarted, or failed


@dataclass
class State:
    """A running platform, as it stands in ``<home>/run/state.json``."""

    supervisor: Identity
    url: str
    port: int
    phase: Phase = "starting"
    ready_s: float | None = None
    problem: str = ""
    notices: list[str] = field(default_factory=list)
    processes: list[ProcessState] = field(default_factory=list)

    def write(self, run: Path) -> None:
        """Replace the file at once, so that readers never see a half."""
        fresh = run / ".state.new"
        fresh.write_text(json.dumps(asdict(self), indent=1))
        fresh.replace(run / "state.json")


def read(run: Path) -> State | None:
    """The last state written, by a supervisor that may be gone; None if there never was one."""
    try:
        raw: dict[str, Any] = json.loads((run / "state.json").read_text())
    except FileNotFoundError:
        return None
    processes = [
        ProcessState(**{**entry, "identity": Identity(**entry["identity"]) if entry["identity"] else None})
        for entry in raw.pop("processes")
    ]
    return State(supervisor=Identity(**raw.pop("supervisor")), processes=processes, **raw)


def hold_lock(run: Path) -> TextIO | None:
    """Become the one supervisor of this home: the lock lasts until the file is closed. None if there is one already."""
    run.mkdir(parents=True, exist_ok=True)
    file = (run / "lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    os.set_inheritable(file.fileno(), False)
    return file


def is_running(run: Path) -> bool:
    """Tell whether a supervisor runs this home."""
    if not (run / "lock").exists():
        return False
    lock = hold_lock(run)
    if lock is None:
        return True
    lock.close()
    return False
