"""A job that meets what is nobody's fault waits and goes on; only after about an hour does it count as failing."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest

from infra.onehost.servers import Valkey
from libs import bus, database
from libs.bus import jobs
from libs.bus.worker import Worker
from libs.contracts.subscriptions import subscribed
from libs.database import DatabaseUnavailable, new_id
from libs.patience import TryLater
from libs.storage import StorageUnavailable
from libs.web import PeerUnavailable
from tests.factories.services import Databases

SERVICE = "catalog"


class Bench:
    """A worker with one kind of job, whose attempts raise what they are told to."""

    def __init__(self, url: str, valkey: Valkey) -> None:
        self.url = url
        self.raising: list[Exception] = []
        self.attempts = 0
        actors = bus.Actors(SERVICE)
        for event in subscribed(SERVICE):
            actors.on(event)(lambda event, delivery: None)
        actors.work("test")(self._run)
        self.worker = Worker(actors, valkey.url)
        with database.transaction() as session:
            bus.enqueue(session, kind="test", subject=new_id())

    def _run(self, lease: bus.Lease) -> None:
        self.attempts += 1
        if self.raising:
            raise self.raising.pop(0)

    def do(self) -> tuple[str, int]:
        """Do the job once, however long it should still wait; its state, and its failures."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("UPDATE jobs SET run_after = clock_timestamp()")
            self.worker.do_due()
            row = connection.execute("SELECT state, failures FROM jobs").fetchone()
        assert row is not None
        return row


@pytest.fixture
def bench(databases: Databases, valkey: Valkey) -> Iterator[Bench]:
    url = databases.ready(SERVICE)
    database.configure(url)
    yield Bench(url, valkey)
    database.dispose()


@pytest.mark.parametrize("kind", [StorageUnavailable, DatabaseUnavailable, PeerUnavailable, TryLater])
def test_an_outage_uses_no_tries_up(bench: Bench, kind: Callable[[str], Exception]) -> None:
    bench.raising = [kind("away") for _ in range(10)]

    assert [bench.do() for _ in range(10)] == [("queued", 0)] * 10
    assert bench.do() == ("done", 0)
    assert bench.attempts == 11


def test_its_own_failures_still_count(bench: Bench) -> None:
    bench.raising = [StorageUnavailable("away"), RuntimeError("mine"), StorageUnavailable("away"), RuntimeError("mine")]

    assert [bench.do() for _ in range(4)] == [("queued", 0), ("queued", 1), ("queued", 1), ("queued", 2)]
    bench.raising = [RuntimeError("mine")]
    assert bench.do() == ("failed", 2)


def test_no_outage_is_waited_for_for_ever(bench: Bench) -> None:
    bench.raising = [StorageUnavailable("away") for _ in range(200)]

    states = []
    while not states or states[-1] == "queued":
        states.append(bench.do()[0])
    assert states[-1] == "failed"
    assert len(states) == jobs.MOST_POSTPONEMENTS + 3


def test_the_waits_grow_and_come_to_about_an_hour(bench: Bench) -> None:
    def job(attempt: int) -> jobs.Job:
        with database.transaction() as session:
            [found] = bus.jobs_of(session, subject)
        return jobs.Job(**{**vars(found), "attempt": attempt})

    with psycopg.connect(bench.url) as connection:
        row = connection.execute("SELECT subject FROM jobs").fetchone()
    assert row is not None
    subject = row[0]
    waits = [jobs.postponement(job(attempt)) for attempt in range(1, jobs.MOST_POSTPONEMENTS + 2)]
    assert waits.pop() is None
    assert waits[0] is not None
    assert waits[0] < 3
    assert 3000 < sum(wait or 0 for wait in waits) < 4500
