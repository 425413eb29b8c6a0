"""The bus on a real PostgreSQL and a real Valkey: nothing is lost, nothing has its effect twice."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from uuid import UUID

import psycopg
import pytest
import redis
from sqlalchemy import text
from sqlalchemy.orm import Session

from infra.onehost.servers import Valkey
from libs import bus, database
from libs.bus import jobs
from libs.bus.outbox import message_id
from libs.bus.relay import Relay
from libs.bus.worker import Worker
from libs.contracts import events
from libs.contracts.subscriptions import SERVICES
from libs.database import new_id
from tests.factories.services import Databases

TEACHER, LISTENER = "stream", "catalog"  # share.viewed goes from the one to the other


@pytest.fixture
def schemas(databases: Databases) -> Iterator[Databases]:
    """Every service's schema, migrated and empty: the relay looks at all of them."""
    for service in SERVICES:
        databases.ready(service)
    yield databases
    database.dispose()


def viewed() -> events.ShareViewed:
    return events.ShareViewed(share_id=new_id(), media_id=new_id())


def rows(schemas: Databases, service: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(schemas.url(service)) as connection:
        return connection.execute(statement).fetchall()  # type: ignore[call-overload]


def eventually(condition: Callable[[], bool], limit: float = 15) -> None:
    """Wait for a condition, looking often; fail after ``limit`` seconds."""
    until = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < until, "it did not come true in time"
        threading.Event().wait(0.05)


def flush(valkey: Valkey) -> None:
    with redis.Redis.from_url(valkey.url) as client:
        client.flushall()


class Listener:
    """Catalog's worker, counting what it hears."""

    def __init__(self, schemas: Databases, valkey: Valkey) -> None:
        self.heard: list[UUID] = []
        self.arrivals = 0
        self.fail_next = 0
        actors = bus.Actors(LISTENER)
        for event in events.EVENTS.values():
            if event in _subscribed():
                actors.on(event)(self._hear)
        database.configure(schemas.url(LISTENER))
        self.worker = Worker(actors, valkey.url)

    def _hear(self, event: events.Event, delivery: bus.Delivery) -> None:
        self.arrivals += 1
        if self.fail_next:
            self.fail_next -= 1
            raise RuntimeError("not today")
        with database.transaction() as session:
            if delivery.first(session):
                self.heard.append(delivery.message_id)


def _subscribed() -> tuple[type[events.Event], ...]:
    from libs.contracts.subscriptions import subscribed

    return subscribed(LISTENER)


def publish(schemas: Databases, event: events.Event, *, commit: bool = True) -> UUID:
    database.configure(schemas.url(TEACHER))
    try:
        with database.transaction() as session:
            event_id = bus.publish(session, event)
            if not commit:
                raise InterruptedError
    except InterruptedError:
        pass
    return event_id


def test_an_event_of_a_rolled_back_transaction_is_never_told(schemas: Databases) -> None:
    publish(schemas, viewed(), commit=False)
    assert rows(schemas, TEACHER, "SELECT id FROM outbox") == []


def test_event_travels_and_repeating_changes_nothing(schemas: Databases, valkey: Valkey) -> None:
    flush(valkey)
    event_id = publish(schemas, viewed())
    listener = Listener(schemas, valkey)
    listener.worker.start()
    relay = Relay(schemas.relay_url, valkey.url)
    with psycopg.connect(schemas.relay_url, autocommit=True) as connection:
        assert relay.drain(connection) == 1
        assert relay.drain(connection) == 0
        eventually(lambda: listener.heard == [message_id(event_id, LISTENER)])
        connection.execute("UPDATE stream.outbox SET sent_at = NULL")
        assert relay.drain(connection) == 1
        eventually(lambda: listener.arrivals == 2)
    listener.worker.stop()
    assert len(listener.heard) == 1


def test_failing_handler_is_tried_again(schemas: Databases, valkey: Valkey) -> None:
    flush(valkey)
    publish(schemas, viewed())
    listener = Listener(schemas, valkey)
    listener.fail_next = 2
    listener.worker.start()
    with psycopg.connect(schemas.relay_url, autocommit=True) as connection:
        Relay(schemas.relay_url, valkey.url).drain(connection)
    eventually(lambda: len(listener.heard) == 1)
    listener.worker.stop()
    assert listener.arrivals == 3


def test_losing_all_of_redis_loses_no_event(schemas: Databases, valkey: Valkey) -> None:
    publish(schemas, viewed())
    relay = Relay(schemas.relay_url, valkey.url)
    with psycopg.connect(schemas.relay_url, autocommit=True) as connection:
        relay.drain(connection)
        flush(valkey)  # nobody had received it
        relay.audit(connection)
        assert relay.drain(connection) == 0, "it is given some time first"
        connection.execute("UPDATE stream.outbox SET sent_at = sent_at - interval '1 hour'")
        relay.audit(connection)
        assert relay.drain(connection) == 1
        listener = Listener(schemas, valkey)
        listener.worker.start()
        eventually(lambda: len(listener.heard) == 1)
        listener.worker.stop()
        connection.execute("UPDATE stream.outbox SET sent_at = sent_at - interval '1 hour'")
        relay.audit(connection)
    assert rows(schemas, TEACHER, "SELECT id FROM outbox WHERE settled_at IS NULL") == []


def test_what_nobody_knows_yet_or_was_sent_in_vain_for_long_is_not_given_up(schemas: Databases, valkey: Valkey) -> None:
    flush(valkey)
    publish(schemas, viewed())
    publish(schemas, viewed())
    relay = Relay(schemas.relay_url, valkey.url)
    with psycopg.connect(schemas.relay_url, autocommit=True) as connection:
        first = "(SELECT min(position) FROM stream.outbox)"
        connection.execute(f"UPDATE stream.outbox SET topic = 'of.tomorrow' WHERE position = {first}")
        relay.drain(connection)
        connection.execute("UPDATE stream.outbox SET sends = 1000, sent_at = sent_at - interval '1 hour'")
        relay.audit(connection)
        assert relay.drain(connection) == 1
        connection.execute(f"UPDATE stream.outbox SET topic = 'share.viewed' WHERE position = {first}")
        relay.audit(connection)
        assert relay.drain(connection) == 1
    assert rows(schemas, TEACHER, "SELECT settled_at FROM outbox") == [(None,), (None,)]


def test_relay_outlives_a_dead_redis_and_the_event_stays_due(schemas: Databases) -> None:
    publish(schemas, viewed())
    relay = Relay(schemas.relay_url, "redis://127.0.0.1:1/0")
    thread = threading.Thread(target=relay.run)
    thread.start()
    threading.Event().wait(1.5)
    assert thread.is_alive()
    relay.stop()
    thread.join(15)
    assert not thread.is_alive()
    assert rows(schemas, TEACHER, "SELECT sent_at FROM outbox") == [(None,)]


def test_the_relay_can_read_no_business_table(schemas: Databases) -> None:
    with psycopg.connect(schemas.relay_url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("SELECT * FROM catalog.jobs")


# jobs ---------------------------------------------------------------------------------------------------------------


def worker_for(
    schemas: Databases,
    valkey: Valkey,
    run: Callable[[bus.Lease], None],
    failed: Callable[..., None] | None = None,
    attempts: int = 3,
) -> Worker:
    database.configure(schemas.url("auth"))  # auth subscribes to nothing, so it needs no handlers
    actors = bus.Actors("auth")
    actors.work("test", failed=failed, lease=3, attempts=attempts)(run)
    return Worker(actors, valkey.url)


def enqueue(**more: object) -> UUID:
    with database.transaction() as session:
        return bus.enqueue(session, kind="test", subject=new_id(), **more)  # type: ignore[arg-type]


def state(schemas: Databases) -> list[tuple[object, ...]]:
    return rows(schemas, "auth", "SELECT state, attempt, interruptions, problem_code FROM jobs ORDER BY created_at")


def test_job_is_done_once_in_order_of_urgency(schemas: Databases, valkey: Valkey) -> None:
    done: list[int] = []
    worker = worker_for(schemas, valkey, lambda lease: done.append(lease.params["n"]))
    enqueue(params={"n": 1})
    enqueue(params={"n": 2}, priority=5)
    assert worker.do_due() == 2
    assert worker.do_due() == 0
    assert done == [2, 1]
    assert state(schemas) == [("done", 1, 0, None)] * 2


def test_wake_up_that_was_lost_is_made_good(schemas: Databases, valkey: Valkey) -> None:
    flush(valkey)
    done = threading.Event()
    worker = worker_for(schemas, valkey, lambda _: done.set())
    enqueue()  # no relay runs, so no wake-up ever comes
    worker.start()
    assert done.wait(10)
    worker.stop()


def test_failure_with_a_reason_is_final_and_told_in_the_same_transaction(schemas: Databases, valkey: Valkey) -> None:
    def run(_: bus.Lease) -> None:
        raise bus.JobFailed("no_audio", "This recording has no sound.")

    def failed(session: object, job: bus.Job, problem: bus.JobFailed) -> None:
        bus.publish(session, events.UserDeleted(user_id=job.subject))  # type: ignore[arg-type]
        assert problem.code == "no_audio"

    worker = worker_for(schemas, valkey, run, failed)
    enqueue()
    assert worker.do_due() == 1
    assert state(schemas) == [("failed", 1, 0, "no_audio")]
    assert rows(schemas, "auth", "SELECT count(*) FROM outbox WHERE topic = 'user.deleted'") == [(1,)]


def test_unexpected_failure_is_retried_then_given_up(schemas: Databases, valkey: Valkey) -> None:
    def run(_: bus.Lease) -> None:
        raise RuntimeError("boom")

    worker = worker_for(schemas, valkey, run, attempts=2)
    enqueue()
    assert worker.do_due() == 1
    assert state(schemas) == [("queued", 1, 0, None)]
    with psycopg.connect(schemas.url("auth"), autocommit=True) as connection:
        connection.execute("UPDATE jobs SET run_after = now()")
    assert worker.do_due() == 1
    assert state(schemas) == [("failed", 2, 0, "internal")]


def test_vanished_worker_is_noticed_and_the_third_time_quarantines(schemas: Databases, valkey: Valkey) -> None:
    told: list[str] = []
    worker = worker_for(schemas, valkey, lambda _: None, lambda _s, _j, problem: told.append(problem.code))
    enqueue()
    for interruptions in (1, 2, 3):
        with database.transaction() as session:
            assert jobs.claim(session, "test", lease=0.01) is not None  # claimed, and never heard of again
        threading.Event().wait(0.05)
        worker._reap()
        wanted = "quarantined" if interruptions == 3 else "queued"
        assert state(schemas)[0][:3] == (wanted, interruptions, interruptions)
    assert told == ["interrupted"]


def test_a_quarantine_that_cannot_be_told_holds_up_nobody_else(schemas: Databases, valkey: Valkey) -> None:
    def failed(session: Session, _job: bus.Job, _problem: bus.JobFailed) -> None:
        session.execute(text("SELECT 1 / 0"))

    worker = worker_for(schemas, valkey, lambda _: None, failed)
    for _ in range(2):
        enqueue()
    with database.transaction() as session:
        for _ in range(2):
            assert jobs.claim(session, "test", lease=0.01) is not None
        session.execute(
            text(
                "UPDATE jobs SET interruptions = CASE WHEN id = (SELECT min(id::text)::uuid FROM jobs) THEN 2 ELSE 0 END"
            )
        )
    threading.Event().wait(0.05)
    worker._reap()
    assert {row[0] for row in state(schemas)} == {"quarantined", "queued"}


def test_a_worker_thought_dead_cannot_overwrite_its_successor(schemas: Databases, valkey: Valkey) -> None:
    worker = worker_for(schemas, valkey, lambda _: None)
    enqueue()
    with database.transaction() as session:
        zombie = jobs.claim(session, "test", lease=0.01)
    assert zombie is not None
    threading.Event().wait(0.05)
    worker._reap()
    assert worker.do_due() == 1
    with pytest.raises(bus.LeaseLost), database.transaction() as session:
        jobs.finish(session, zombie)
    assert state(schemas) == [("done", 2, 1, None)]


def test_cancel_reaches_a_running_job(schemas: Databases, valkey: Valkey) -> None:
    begun = threading.Event()

    def run(lease: bus.Lease) -> None:
        begun.set()
        eventually(lease.cancelled)
        raise RuntimeError("the child was ended")

    told: list[str] = []
    worker = worker_for(schemas, valkey, run, lambda _s, _j, problem: told.append(problem.code))
    subject = new_id()
    with database.transaction() as session:
        bus.enqueue(session, kind="test", subject=subject)
    thread = threading.Thread(target=worker.do_due)
    thread.start()
    assert begun.wait(5)
    with database.transaction() as session:
        assert bus.cancel(session, subject=subject) == 1
    thread.join(15)
    assert state(schemas)[0][0] == "cancelled"
    assert told == ["cancelled"]


def test_stopping_worker_gives_its_job_back_unharmed(schemas: Databases, valkey: Valkey) -> None:
    flush(valkey)
    begun = threading.Event()

    def run(lease: bus.Lease) -> None:
        begun.set()
        eventually(lease.cancelled)
        raise RuntimeError("the child was ended")

    worker = worker_for(schemas, valkey, run)
    enqueue()
    worker.start()
    assert begun.wait(10)
    worker.stop()
    assert state(schemas) == [("queued", 1, 0, None)]


def test_what_ended_long_ago_is_forgotten(schemas: Databases, valkey: Valkey) -> None:
    worker = worker_for(schemas, valkey, lambda _: None)
    for _ in range(2):
        enqueue()
    worker.do_due()
    enqueue()
    with psycopg.connect(schemas.url("auth"), autocommit=True) as connection:
        connection.execute(
            "UPDATE jobs SET finished_at = finished_at - interval '31 days'"
            " WHERE id = (SELECT min(id::text)::uuid FROM jobs)"
        )
        connection.execute(
            "INSERT INTO inbox VALUES (gen_random_uuid(), 'x', now() - interval '31 days'), (gen_random_uuid(), 'y', now())"
        )
    with database.transaction() as session:
        jobs.forget_old(session)
    assert sorted(row[0] for row in state(schemas)) == ["done", "queued"]
    assert rows(schemas, "auth", "SELECT topic FROM inbox") == [("y",)]
