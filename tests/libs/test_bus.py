"""The bus on a real PostgreSQL and a real Valkey: nothing is lost, nothing has its effect twice."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import psycopg
import pytest
import redis
from sqlalchemy import text
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from infra.onehost.servers import Valkey
from libs import bus, database
from libs.bus import inbox, jobs
from libs.bus.broker import events_queue, inbox_message, make_broker
from libs.bus.outbox import message_id
from libs.bus.relay import Relay
from libs.bus.worker import Worker
from libs.contracts import events
from libs.contracts.subscriptions import SERVICES
from libs.database import new_id
from libs.patience import TryLater
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
        self.fail_with: Exception = RuntimeError("not today")
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
            raise self.fail_with
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


def carry(schemas: Databases, valkey: Valkey) -> int:
    """Have a relay move what is due, and wake who listens; returns how many events that were."""
    relay = Relay(schemas.relay_url, valkey.url)
    with psycopg.connect(schemas.relay_url, autocommit=True) as connection:
        moved = relay.drain(connection)
    relay.send(relay._owed)
    return moved


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
        connection.execute("UPDATE stream.outbox SET settled_at = NULL")
        assert relay.drain(connection) == 1
    listener.worker.stop()
    assert listener.worker.handle_due() == 0
    assert len(listener.heard) == 1
    assert rows(schemas, TEACHER, "SELECT id FROM outbox WHERE settled_at IS NULL") == []


def test_failing_handler_is_tried_again(schemas: Databases, valkey: Valkey) -> None:
    flush(valkey)
    publish(schemas, viewed())
    listener = Listener(schemas, valkey)
    listener.fail_next = 2
    listener.worker.start()
    carry(schemas, valkey)
    eventually(lambda: len(listener.heard) == 1)
    listener.worker.stop()
    assert listener.arrivals == 3


def test_losing_all_of_redis_loses_no_event_and_costs_about_a_second(schemas: Databases, valkey: Valkey) -> None:
    publish(schemas, viewed())
    carry(schemas, valkey)
    flush(valkey)  # nobody had followed the wake-up
    listener = Listener(schemas, valkey)
    began = time.monotonic()
    listener.worker.start()
    eventually(lambda: len(listener.heard) == 1)
    assert time.monotonic() - began < 5
    listener.worker.stop()


def test_what_nobody_knows_yet_is_not_given_up(schemas: Databases, valkey: Valkey) -> None:
    publish(schemas, viewed())
    publish(schemas, viewed())
    with psycopg.connect(schemas.relay_url, autocommit=True) as connection:
        first = "(SELECT min(position) FROM stream.outbox)"
        connection.execute(f"UPDATE stream.outbox SET topic = 'of.tomorrow' WHERE position = {first}")
    assert carry(schemas, valkey) == 1
    assert rows(schemas, TEACHER, "SELECT topic FROM outbox WHERE settled_at IS NULL") == [("of.tomorrow",)]
    with psycopg.connect(schemas.url(LISTENER), autocommit=True) as connection:
        connection.execute(
            "INSERT INTO inbox (message_id, topic, event_id, body) VALUES (%s, 'of.tomorrow', %s, '{}')",
            (new_id(), new_id()),
        )
    listener = Listener(schemas, valkey)
    assert listener.worker.handle_due() == 1
    assert listener.worker.handle_due() == 0
    assert rows(schemas, LISTENER, "SELECT topic, attempts FROM inbox WHERE handled_at IS NULL") == [("of.tomorrow", 0)]


def test_an_event_that_always_fails_is_set_aside_and_others_go_on(schemas: Databases, valkey: Valkey) -> None:
    publish(schemas, viewed())
    carry(schemas, valkey)
    with psycopg.connect(schemas.url(LISTENER), autocommit=True) as connection:
        connection.execute("UPDATE inbox SET attempts = %s", (inbox.MOST_ATTEMPTS - 1,))
    publish(schemas, viewed())
    carry(schemas, valkey)
    listener = Listener(schemas, valkey)
    listener.fail_next = 1
    assert listener.worker.handle_due() == 2
    assert len(listener.heard) == 1
    aside = "SELECT problem FROM inbox WHERE quarantined_at IS NOT NULL"
    assert rows(schemas, LISTENER, aside) == [("RuntimeError('not today')",)]
    assert listener.worker.handle_due() == 0
    with database.transaction() as session:
        assert inbox.retry(session) == 1
    assert listener.worker.handle_due() == 1
    assert len(listener.heard) == 2
    assert rows(schemas, LISTENER, aside) == []


def test_an_outage_uses_up_no_tries(schemas: Databases, valkey: Valkey) -> None:
    publish(schemas, viewed())
    carry(schemas, valkey)
    listener = Listener(schemas, valkey)
    listener.fail_next, listener.fail_with = 1, TryLater("catalog's peer is away")
    assert listener.worker.handle_due() == 1
    assert rows(schemas, LISTENER, "SELECT attempts, handled_at, run_after > now() FROM inbox") == [(0, None, True)]


def test_what_a_killed_worker_had_taken_comes_due_again(schemas: Databases, valkey: Valkey) -> None:
    publish(schemas, viewed())
    carry(schemas, valkey)
    listener = Listener(schemas, valkey)
    with database.transaction() as session:
        assert len(inbox.claim(session, ["share.viewed"], 0.2, 10)) == 1  # and was never heard of again
    assert listener.worker.handle_due() == 0
    eventually(lambda: listener.worker.handle_due() == 1)
    assert len(listener.heard) == 1


def test_doubled_and_forged_messages_are_looks_into_the_inbox(schemas: Databases, valkey: Valkey) -> None:
    flush(valkey)
    publish(schemas, viewed())
    carry(schemas, valkey)
    listener = Listener(schemas, valkey)
    broker = make_broker(valkey.url)
    broker.declare_queue(events_queue(LISTENER))
    forged = {"body": {"media_id": str(new_id())}, "topic": "media.deleted", "message_id": str(new_id())}
    for kwargs in ({}, {}, forged):
        message = inbox_message(LISTENER)
        broker.enqueue(message.copy(kwargs=kwargs))
    listener.worker.start()
    eventually(lambda: len(listener.heard) == 1)
    listener.worker.stop()
    broker.close()
    assert listener.arrivals == 1


def test_receipts_of_the_previous_release_are_no_work(schemas: Databases, valkey: Valkey) -> None:
    message = new_id()
    with psycopg.connect(schemas.url(LISTENER), autocommit=True) as connection:
        connection.execute("INSERT INTO inbox (message_id, topic) VALUES (%s, 'share.viewed')", (message,))
    listener = Listener(schemas, valkey)
    assert listener.worker.handle_due() == 0
    with database.transaction() as session:
        assert not bus.Delivery(message, "share.viewed").first(session)


def test_several_relays_move_each_event_once(schemas: Databases, valkey: Valkey) -> None:
    for _ in range(40):
        publish(schemas, viewed())
    with ThreadPoolExecutor(4) as pool:
        moved = list(pool.map(lambda _: carry(schemas, valkey), range(4)))
    assert sum(moved) == 40
    assert rows(schemas, LISTENER, "SELECT count(*) FROM inbox") == [(40,)]


def test_events_are_handled_in_the_order_of_telling(schemas: Databases, valkey: Valkey) -> None:
    told = [message_id(publish(schemas, viewed()), LISTENER) for _ in range(30)]
    carry(schemas, valkey)
    listener = Listener(schemas, valkey)
    while listener.worker.handle_due():
        pass
    assert listener.heard == told


def test_a_dead_redis_holds_up_no_event(schemas: Databases, valkey: Valkey) -> None:
    publish(schemas, viewed())
    relay = Relay(schemas.relay_url, "redis://127.0.0.1:1/0")
    thread = threading.Thread(target=relay.run)
    thread.start()
    eventually(lambda: rows(schemas, LISTENER, "SELECT count(*) FROM inbox") == [(1,)])
    assert thread.is_alive()
    relay.stop()
    thread.join(15)
    assert not thread.is_alive()


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
    limit: int | None = None,
) -> Worker:
    database.configure(schemas.url("auth"))  # auth subscribes to nothing, so it needs no handlers
    actors = bus.Actors("auth")
    actors.work("test", failed=failed, attempts=attempts, limit=limit)(run)
    return Worker(actors, valkey.url, lease=3)


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


def test_work_goes_on_while_redis_is_away(schemas: Databases, valkey: Valkey) -> None:
    done = threading.Event()
    worker = worker_for(schemas, valkey, lambda _: done.set())
    nowhere = Worker(worker._actors, "redis://127.0.0.1:1/0", lease=3)
    enqueue()
    nowhere.start()
    assert done.wait(20)
    nowhere.stop(3)


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
            "INSERT INTO inbox (message_id, topic, received_at, body, handled_at) VALUES "
            "(gen_random_uuid(), 'x', now() - interval '31 days', NULL, NULL), "
            "(gen_random_uuid(), 'old but not handled', now() - interval '31 days', '{}', NULL), "
            "(gen_random_uuid(), 'y', now(), '{}', now())"
        )
    with database.transaction() as session:
        jobs.forget_old(session)
    assert sorted(row[0] for row in state(schemas)) == ["done", "queued"]
    assert rows(schemas, "auth", "SELECT topic FROM inbox ORDER BY topic") == [("old but not handled",), ("y",)]


def test_one_persons_hundred_do_not_starve_anothers_one(schemas: Databases, valkey: Valkey) -> None:
    busy, other = new_id(), new_id()
    worker = worker_for(schemas, valkey, lambda _: None)
    for _ in range(100):
        enqueue(owner=busy)
    order = [take_one() for _ in range(3)]
    enqueue(owner=other)
    enqueue(owner=other)
    order += [take_one() for _ in range(4)]
    assert set(order[:3]) == {busy}
    assert order[3:5].count(other) == 1
    assert order[5:7].count(other) == 1
    assert worker.do_due() == 95


def take_one() -> UUID | None:
    """Do the next job at once; whose it was."""
    with database.transaction() as session:
        job = jobs.claim(session, "test", lease=30)
        assert job is not None
    with database.transaction() as session:
        jobs.finish(session, job)
    return job.owner


def test_a_person_waiting_goes_before_every_turn(schemas: Databases, valkey: Valkey) -> None:
    worker_for(schemas, valkey, lambda _: None)
    batch, waiting = new_id(), new_id()
    enqueue(owner=batch)
    for _ in range(3):
        enqueue(owner=waiting)
    enqueue(owner=waiting, priority=5)
    assert [take_one() for _ in range(2)] == [waiting, batch]


def test_a_limit_holds_however_many_claim_at_once(schemas: Databases, valkey: Valkey) -> None:
    worker_for(schemas, valkey, lambda _: None)
    for _ in range(20):
        enqueue()

    def claim(_: int) -> bus.Job | None:
        with database.transaction() as session:
            return jobs.claim(session, "test", 30, 3)

    with ThreadPoolExecutor(8) as pool:
        claimed = [job for job in pool.map(claim, range(16)) if job is not None]
    assert len(claimed) == 3
    with database.transaction() as session:
        jobs.finish(session, claimed[0])
    assert claim(0) is not None
    assert claim(0) is None


def test_a_claim_reads_one_entry_of_an_index_however_long_the_queue_is(schemas: Databases, valkey: Valkey) -> None:
    worker_for(schemas, valkey, lambda _: None)
    with psycopg.connect(schemas.url("auth"), autocommit=True) as connection:
        connection.execute(
            "INSERT INTO jobs (id, kind, subject, owner, turn) SELECT gen_random_uuid(), 'test', gen_random_uuid(), "
            "md5((n % 50)::text)::uuid, n / 50 FROM generate_series(0, 9999) AS n"
        )
        connection.execute("ANALYZE jobs")
        due = jobs._due("test").limit(1).compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True})
        plan = "\n".join(row[0] for row in connection.execute("EXPLAIN (ANALYZE, COSTS OFF) " + str(due)))
    assert "Index Scan using ix_jobs_turn" in plan
    assert "Sort" not in plan
    assert "rows=1.00" in plan or "rows=1 " in plan


def test_a_quarantine_says_why_in_the_row_itself(schemas: Databases, valkey: Valkey) -> None:
    worker = worker_for(schemas, valkey, lambda _: None)
    enqueue()
    with psycopg.connect(schemas.url("auth"), autocommit=True) as connection:
        connection.execute("UPDATE jobs SET state = 'running', interruptions = 2, lease_until = now() - interval '1 s'")
    worker._reap()
    assert rows(schemas, "auth", "SELECT state, problem_detail FROM jobs") == [("quarantined", jobs.INTERRUPTED.detail)]


def test_the_last_words_of_a_child_are_kept_however_its_job_ends(schemas: Databases, valkey: Valkey) -> None:
    class Broken(Exception):
        stderr = "x264 [error]: malloc failed"

    def run(_: bus.Lease) -> None:
        raise Broken

    worker = worker_for(schemas, valkey, run, attempts=2)
    enqueue()
    assert worker.do_due() == 1
    assert rows(schemas, "auth", "SELECT state, last_words FROM jobs") == [("queued", Broken.stderr)]
    with psycopg.connect(schemas.url("auth"), autocommit=True) as connection:
        connection.execute("UPDATE jobs SET run_after = now(), last_words = NULL")
    assert worker.do_due() == 1
    assert rows(schemas, "auth", "SELECT state, last_words FROM jobs") == [("failed", Broken.stderr)]
