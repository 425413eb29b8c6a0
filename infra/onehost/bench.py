"""The figures that Clipstead holds itself to. Each runs on a platform of its own, and touches none that is running."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from infra.onehost import running, webapp
from infra.onehost.place import REPOSITORY, Place
from infra.onehost.ports import taken
from infra.onehost.state import State
from infra.onehost.topology import topology

__all__ = ["engine_seconds", "own_place", "pipeline", "processes_of", "start", "until"]

MIB = 1 << 20
QUIET = 0.10  # of one core: what all processes together may use while idle
SETTLE_LIMIT = 60.0  # seconds to become idle in
WAIT_LIMIT = 300.0  # seconds
SPAN = 30  # ports a platform takes
FIRST_PORT = 13_000


def start(*, with_setup: bool) -> dict[str, Any]:
    """Measure ``ready_s`` (from ``up`` to ready, all installed), ``idle_pss_mib`` and, if wanted, ``setup_s``."""
    webapp.build_if_stale()
    with own_place() as place:
        first = _time_start(place)
        running.down(place)
        again = _time_start(place)
        state = running.current(place)
        assert state is not None
        processes = _processes(state)
        idle = _settle(processes)
        result = {
            "ready_s": again,
            "idle_pss_mib": round(sum(map(_memory, processes)) / MIB, 1),
            "setup_s": None,
            "first_ready_s": first,  # with an empty home: the database is made and migrated
            "idle_cpu": round(idle, 3),  # of one core
            "processes": len(processes),
            "over_budget": _over_budget(place, state),
            "cores": os.cpu_count(),
        }
    if with_setup:
        result["setup_s"] = _time_setup()
    return result


def pipeline() -> dict[str, Any]:
    """Measure the sample's way: ``wall_s`` in all, ``engine_s`` in which at least one engine worked, and their ratio."""
    from gateway.cli import main as client
    from gateway.cli import pipeline as job
    from gateway.cli.api import Api
    from gateway.cli.credentials import sign_in
    from gateway.cli.progress import show

    webapp.build_if_stale()
    with own_place() as place:
        running.start(place)
        api = Api(place.url)
        sign_in(api, place.home)
        with show() as progress:
            began = time.monotonic()
            run = job.process(api, str(client.SAMPLE), client.SAMPLE_TITLE, client.SAMPLE_WISHES, progress)
            wall = time.monotonic() - began
        api.close()
    engine = engine_seconds([run.recording, *run.clips])
    transcript = run.recording["transcript"] or {}
    return {
        "wall_s": round(wall, 2),
        "engine_s": round(engine, 2),
        "ratio": round(wall / engine, 3) if engine else None,
        "stages": job.stage_seconds(run.recording),
        "duration_s": run.recording["duration"],
        "engine": transcript.get("engine"),
        "clips": len(run.clips),
        "cores": os.cpu_count(),
    }


def engine_seconds(views: Iterable[dict[str, Any]]) -> float:
    """The time in which at least one engine worked: the length of the union of all engine spans."""
    spans = sorted(
        (began := datetime.fromisoformat(span["started_at"]).timestamp(), began + span["seconds"])
        for view in views
        for stage in view["stages"]
        for span in stage["engine"]
    )
    total, reached = 0.0, float("-inf")
    for begin, end in spans:
        total += max(0.0, end - max(begin, reached))
        reached = max(reached, end)
    return total


def until(condition: Callable[[], bool], limit: float = WAIT_LIMIT, every: float = 0.02) -> None:
    """Look at a condition again and again until it is true. Raises TimeoutError after ``limit`` seconds."""
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {limit:.0f} s")
        time.sleep(every)


@contextmanager
def own_place() -> Iterator[Place]:
    """A home and ports that nobody else has; both are given back, whatever happens."""
    folder = Path(tempfile.mkdtemp(prefix="clipstead-bench-"))
    place = Place(folder / "var", _free_base())
    try:
        yield place
    finally:
        running.down(place)
        shutil.rmtree(folder)


def processes_of(place: Place, name: str) -> list[psutil.Process]:
    """A process of the topology with its children."""
    state = running.current(place)
    assert state is not None
    identity = next(entry.identity for entry in state.processes if entry.name == name)
    assert identity is not None
    process = psutil.Process(identity.pid)
    return [process, *process.children(recursive=True)]


def _free_base() -> int:
    bases = range(FIRST_PORT, FIRST_PORT + 100 * SPAN, SPAN)
    return next(base for base in bases if not taken([("bench", port) for port in range(base, base + SPAN)]))


def _time_start(place: Place) -> float:
    began = time.monotonic()
    running.start(place)
    return round(time.monotonic() - began, 2)


def _processes(state: State) -> list[psutil.Process]:
    supervisor = psutil.Process(state.supervisor.pid)
    return [supervisor, *supervisor.children(recursive=True)]


def _settle(processes: list[psutil.Process]) -> float:
    """Wait until all processes together are quiet, or until it takes too long; the share of a core that they used last."""
    limit = time.monotonic() + SETTLE_LIMIT
    while True:
        before, began = _cpu(processes), time.monotonic()
        time.sleep(3)
        share = (_cpu(processes) - before) / (time.monotonic() - began)
        if share < QUIET or time.monotonic() > limit:
            return share


def _cpu(processes: list[psutil.Process]) -> float:
    times = [process.cpu_times() for process in processes if process.is_running()]
    return sum(entry.user + entry.system for entry in times)


def _memory(process: psutil.Process) -> int:
    """Proportional set size, which counts shared pages once in all; where the system lacks it, the unique set size."""
    try:
        full = process.memory_full_info()
    except psutil.NoSuchProcess:
        return 0
    return int(getattr(full, "pss", full.uss))


def _over_budget(place: Place, state: State) -> dict[str, float]:
    """The processes that, with their children, need more than the topology grants them, in MiB."""
    granted = {process.name: process.memory for process in topology(place) if process.memory}
    used: dict[str, float] = {}
    for entry in state.processes:
        process = entry.identity.process() if entry.identity else None
        if process is not None:
            family = [process, *process.children(recursive=True)]
            used[entry.name] = round(sum(map(_memory, family)) / MIB, 1)
    return {name: mib for name, mib in used.items() if name in granted and mib > granted[name]}


def _time_setup() -> float:
    """Clone the committed tree, and install everything from empty caches, the web app's build included."""
    with tempfile.TemporaryDirectory(prefix="clipstead-setup-") as folder:
        clone, caches = Path(folder) / "clone", Path(folder) / "caches"
        subprocess.run(["git", "clone", "--quiet", str(REPOSITORY), str(clone)], check=True)  # noqa: S607  any git will do
        kept = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "PYTHONPATH"}}
        environment = kept | {
            "CLIPSTEAD_HOME": str(Path(folder) / "var"),
            "UV_CACHE_DIR": str(caches / "uv"),
            "npm_config_cache": str(caches / "npm"),
            "PIP_CACHE_DIR": str(caches / "pip"),
        }
        began = time.monotonic()
        subprocess.run([str(clone / "clipstead"), "setup"], env=environment, check=True, stdout=sys.stderr)
        return round(time.monotonic() - began, 1)
