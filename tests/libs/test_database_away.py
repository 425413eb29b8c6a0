"""A server that is killed, frozen or swallowed by the network is noticed in time, and its return too."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text

from libs import database
from libs.database import DatabaseUnavailable
from libs.faults import VARIABLE, clock_of
from tests.factories.faultproxy import Blackhole, Clear, Cut, FaultProxy, Latency, Reset
from tests.factories.victims import PASSWORD, Victim, postgres_victim

PROMPT = 1.9  # seconds: what is left of two after HTTP had its share
RECOVERY = 10.0  # seconds


@pytest.fixture(scope="module")
def victim() -> Iterator[Victim]:
    with TemporaryDirectory(prefix="clipstead-") as folder, postgres_victim(Path(folder)) as made:
        yield made


@pytest.fixture
def proxy(victim: Victim) -> Iterator[FaultProxy]:
    """The way to the server, with this process configured to take it."""
    with FaultProxy("127.0.0.1", victim.server.port) as made:
        database.configure(f"postgresql://postgres:{PASSWORD}@127.0.0.1:{made.port}/postgres")
        try:
            yield made
        finally:
            made.fault = Reset()  # so that nobody waits for a held answer at the end
            database.dispose()


def ask(statement: str = "SELECT 1") -> None:
    with database.transaction() as session:
        session.execute(text(statement))


def seconds_until_refused(statement: str = "SELECT 1") -> float:
    started = time.monotonic()
    with pytest.raises(DatabaseUnavailable):
        ask(statement)
    return time.monotonic() - started


def seconds_until_served() -> float:
    started = time.monotonic()
    while True:
        try:
            ask()
        except DatabaseUnavailable:
            assert time.monotonic() - started < RECOVERY
            threading.Event().wait(0.02)
        else:
            return time.monotonic() - started


def freeze(victim: Victim, proxy: FaultProxy) -> Callable[[], None]:
    victim.freeze()
    return victim.thaw


def kill(victim: Victim, proxy: FaultProxy) -> Callable[[], None]:
    victim.kill()
    return victim.start


def swallow(victim: Victim, proxy: FaultProxy) -> Callable[[], None]:
    proxy.fault = Blackhole()
    return lambda: setattr(proxy, "fault", Clear())


def reset(victim: Victim, proxy: FaultProxy) -> Callable[[], None]:
    proxy.fault = Reset()
    return lambda: setattr(proxy, "fault", Clear())


def cut(victim: Victim, proxy: FaultProxy) -> Callable[[], None]:
    proxy.fault = Cut(after=4)
    return lambda: setattr(proxy, "fault", Clear())


WAYS = pytest.mark.parametrize("go_wrong", [freeze, kill, swallow, reset, cut])


@WAYS
@pytest.mark.parametrize("warm", [True, False], ids=["with connections", "without"])
def test_everybody_is_refused_in_time_and_served_again_soon(
    victim: Victim, proxy: FaultProxy, go_wrong: Callable[[Victim, FaultProxy], Callable[[], None]], warm: bool
) -> None:
    if warm:
        with ThreadPoolExecutor(10) as crowd:
            list(crowd.map(lambda _: ask("SELECT pg_sleep(0.05)"), range(10)))
    mend = go_wrong(victim, proxy)
    try:
        with ThreadPoolExecutor(50) as crowd:  # more than the pool has connections
            waits = list(crowd.map(lambda _: seconds_until_refused(), range(50)))
        assert max(waits) < PROMPT
        assert seconds_until_refused() < 0.2  # nobody waits twice
    finally:
        mend()
    assert seconds_until_served() < RECOVERY


def test_a_statement_that_only_takes_long_is_left_alone(proxy: FaultProxy) -> None:
    before = proxy.connections
    ask("SELECT pg_sleep(3)")
    assert proxy.connections > before + 1, "nobody asked whether the server lives"


def test_a_wait_for_a_lock_is_left_alone(proxy: FaultProxy) -> None:
    held, waited = threading.Event(), []

    def hold() -> None:
        with database.transaction() as session:
            session.execute(text("SELECT pg_advisory_xact_lock(1)"))
            held.set()
            session.execute(text("SELECT pg_sleep(2)"))

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(5)
    started = time.monotonic()
    ask("SELECT pg_advisory_xact_lock(1)")
    waited.append(time.monotonic() - started)
    holder.join()
    assert waited[0] > 1.5


def test_a_statement_under_way_ends_when_the_server_freezes(victim: Victim, proxy: FaultProxy) -> None:
    ask()
    timer = threading.Timer(1.0, victim.freeze)
    timer.start()
    try:
        assert seconds_until_refused("SELECT pg_sleep(30)") < 1.0 + 2.0
    finally:
        timer.join()
        victim.thaw()
    assert seconds_until_served() < RECOVERY


def test_a_server_without_a_free_connection_is_not_gone(victim: Victim, proxy: FaultProxy) -> None:
    import psycopg

    ask()
    crowd: list[psycopg.Connection] = []
    try:
        with pytest.raises(psycopg.OperationalError):
            crowd.extend(psycopg.connect(victim.server.url) for _ in range(300))
        ask("SELECT pg_sleep(1)")  # on the connection that the pool has; the question finds the server full
        ask()
    finally:
        for connection in crowd:
            connection.close()


def test_asking_nobody_leaves_no_thread_behind(proxy: FaultProxy) -> None:
    proxy.fault = Reset()
    seconds_until_refused()
    database.dispose()
    assert not [thread for thread in threading.enumerate() if thread.name == "pulse"]


def clock_offset() -> float:
    return REGISTRY.get_sample_value("clock_offset_seconds") or 0.0


def test_a_right_clock_shows_no_offset_however_long_the_way_is(proxy: FaultProxy) -> None:
    ask()
    assert abs(clock_offset()) < 0.1  # on one machine both are the same clock
    url = f"postgresql://postgres:{PASSWORD}@127.0.0.1:{proxy.port}/postgres"
    database.configure(url)
    proxy.fault = Latency(0.15)
    ask()
    assert abs(clock_offset()) < 0.1


@pytest.mark.parametrize("wrong", [600.0, -600.0])
def test_a_process_whose_clock_is_wrong_tells_by_how_much(victim: Victim, tmp_path: Path, wrong: float) -> None:
    clock_of(tmp_path / "orders").write_text(str(wrong))
    script = """
import os, sys
from prometheus_client import REGISTRY
from libs import database, faults
from sqlalchemy import text
faults.arm("development")
database.configure(sys.argv[1])
assert REGISTRY.get_sample_value("clock_offset_seconds") != 0, "it was not compared yet"
with database.transaction() as session:
    session.execute(text("SELECT 1"))
print(REGISTRY.get_sample_value("clock_offset_seconds"))
"""
    told = subprocess.run(
        [sys.executable, "-c", script, f"postgresql://postgres:{PASSWORD}@127.0.0.1:{victim.server.port}/postgres"],
        env=os.environ | {VARIABLE: str(tmp_path / "orders")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert abs(float(told.stdout) - wrong) < 1.0
