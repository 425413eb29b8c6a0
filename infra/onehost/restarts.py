"""``./clipstead restart``: asks the running supervisor to restart processes, one after the other, and follows it."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.onehost import state
from infra.onehost.place import Place
from infra.onehost.state import ProcessState
from libs.contracts.subscriptions import SERVICES

__all__ = ["ORDER", "Restarted", "ask", "taken"]

ORDER = ("relay", *(f"{service}-worker" for service in SERVICES), *SERVICES, "gateway")
"""From the inside outwards: whoever calls others is restarted after them."""

REQUEST = "restart.json"
LOOK_EVERY = 0.05  # seconds
LIMIT = 120.0  # seconds for one process


@dataclass(frozen=True)
class Restarted:
    """What came of one restart: the seconds until it was ready again, or None if that took too long."""

    name: str
    seconds: float | None


def ask(place: Place, names: Sequence[str] = ()) -> Iterator[Restarted]:
    """Have these processes restarted, by default all but the servers, in the order given; tell of each as it is ready.

    Raises ValueError for a name that nothing here has, and where nothing runs.
    """
    found = state.read(place.run)
    supervisor = found.supervisor.process() if found else None
    if found is None or supervisor is None:
        raise ValueError("Clipstead is not running.")
    known = {entry.name for entry in found.processes if entry.port}
    wanted = list(names) or [name for name in ORDER if name in known]
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise ValueError(f"There is no process {unknown[0]!r}. There are: {', '.join(sorted(known))}.")
    before = {name: _entry(place, name).identity for name in wanted}
    request = place.run / f".{REQUEST}"
    request.write_text(json.dumps(wanted))
    request.replace(place.run / REQUEST)
    supervisor.send_signal(signal.SIGUSR1)
    for name in wanted:
        began = time.monotonic()
        while (entry := _entry(place, name)).state != "ready" or entry.identity == before[name]:
            if time.monotonic() - began > LIMIT:
                yield Restarted(name, None)
                return
            time.sleep(LOOK_EVERY)
        yield Restarted(name, round(time.monotonic() - began, 2))


def taken(run: Path) -> list[str]:
    """What somebody asked to be restarted; asking is thereby over."""
    try:
        names: list[str] = json.loads((run / REQUEST).read_text())
        (run / REQUEST).unlink()
    except (FileNotFoundError, ValueError):
        return []
    return names


def _entry(place: Place, name: str) -> ProcessState:
    found = state.read(place.run)
    assert found is not None
    return next(entry for entry in found.processes if entry.name == name)
