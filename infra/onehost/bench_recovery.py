"""``./clipstead bench recovery``: from the SIGKILL of a worker to its job running again, with the default lease."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import psycopg

from infra.onehost import running, webapp
from infra.onehost.bench import own_place, until
from infra.onehost.place import Place
from infra.onehost.state import Identity
from infra.onehost.supervisor import SETTLED
from infra.onehost.topology import servers
from libs.database.bootstrap import DATABASE

__all__ = ["measure"]

RUNS = 12
SERVICE = "transcription"
TIMES = 5  # that the sample is repeated: long enough to be in the middle of it
JOB = "SELECT state, attempt FROM transcription.jobs ORDER BY created_at DESC LIMIT 1"


def measure() -> dict[str, Any]:
    """Kill the worker again and again while it transcribes; the keys are those of the JSON that is printed."""
    webapp.build_if_stale()
    with own_place() as place:
        running.start(place)
        waited = sorted(_measure(place))
    return {
        "p50_s": round(statistics.median(waited), 2),
        "p95_s": round(statistics.quantiles(waited, n=20, method="inclusive")[18], 2),
        "max_s": round(waited[-1], 2),
        "runs": len(waited),
        "cores": os.cpu_count(),
    }


def _measure(place: Place) -> list[float]:
    postgres, _ = servers(place)
    with psycopg.connect(postgres.url, dbname=DATABASE, autocommit=True) as connection:

        def job() -> tuple[str, int]:
            """State and attempt; none yet is as good as waiting."""
            row = connection.execute(JOB).fetchone()
            return (row[0], row[1]) if row else ("queued", 0)

        _begin(place)
        until(lambda: job()[0] == "running")
        waited: list[float] = []
        for _ in range(RUNS):
            # A worker that has only just begun is started again after a pause, which is not what is measured here. Not
            # always at the same moment of a heartbeat, and the job must not be set aside after the third time.
            until(lambda: _age(place) > SETTLED)
            threading.Event().wait(2.0 * len(waited) / RUNS)
            connection.execute("UPDATE transcription.jobs SET interruptions = 0")
            _, attempt = job()
            _kill(place)
            began = time.monotonic()
            until(partial(_runs_again, job, attempt))
            waited.append(time.monotonic() - began)
        return waited


def _runs_again(job: Callable[[], tuple[str, int]], attempt: int) -> bool:
    state, now = job()
    return state == "running" and now > attempt


def _begin(place: Place) -> None:
    """Hand in something that takes long to transcribe: the sample, several times over."""
    import imageio_ffmpeg

    from gateway.cli.api import Api
    from gateway.cli.credentials import sign_in
    from gateway.cli.main import SAMPLE
    from gateway.cli.upload import upload

    long = place.home / "long.m4a"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-stream_loop", str(TIMES), "-i", str(SAMPLE)]
    subprocess.run([*command, "-c", "copy", str(long)], check=True)
    api = Api(place.url)
    sign_in(api, place.home)
    upload(api, long, "Recovery", {}, lambda _done, _total: None)
    api.close()


def _worker(place: Place) -> Identity:
    state = running.current(place)
    assert state is not None
    identity = next(entry.identity for entry in state.processes if entry.name == f"{SERVICE}-worker")
    assert identity is not None
    return identity


def _age(place: Place) -> float:
    """Seconds that the worker has been running."""
    return time.time() - _worker(place).created


def _kill(place: Place) -> None:
    os.kill(_worker(place).pid, signal.SIGKILL)
