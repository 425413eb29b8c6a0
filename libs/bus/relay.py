"""Carries events from the outboxes into the inboxes of who listens, and wakes them.

The move is one PostgreSQL transaction a batch: what left an outbox lies in every subscriber's inbox. Redis only learns of it
afterwards, so losing all of Redis loses nothing and delays nothing by more than a second. ``FOR UPDATE SKIP LOCKED`` lets
several relays run. NOTIFY wakes them; one look a second is the net. The relay's database role may move outboxes along, put
into inboxes, and do nothing else.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable
from uuid import UUID

import psycopg
from dramatiq.brokers.redis import RedisBroker
from dramatiq.errors import BrokerError
from psycopg import sql
from psycopg.rows import TupleRow
from redis import RedisError

from libs import faults
from libs.bus.broker import inbox_message, make_broker, wake_message
from libs.bus.outbox import CHANNEL, WAKE, message_id
from libs.contracts.events import EVENTS
from libs.contracts.subscriptions import SERVICES, subscribers
from libs.database import TCP
from libs.telemetry import ENQUEUE_ERRORS, OUTBOX_AGE, log

__all__ = ["Relay"]

BATCH = 500
POLL = 1.0  # seconds
TIDY_EVERY = 10.0  # seconds between two rounds of measuring and forgetting
KEEP_SETTLED = 24  # hours
MOST_WAKES = 8  # for one kind of job in one batch: as many workers may begin at once
REDIS_REST = 1.0  # seconds without wake-ups after Redis failed: workers look by themselves meanwhile

Connection = psycopg.Connection[TupleRow]


class Relay:
    """Moves outboxes along until told to stop."""

    def __init__(self, database_url: str, redis_url: str, services: Iterable[str] = SERVICES) -> None:
        self._url = database_url
        self._services = tuple(services)
        self._known = [*EVENTS, WAKE]  # what a newer release tells waits for a relay that knows it
        self._broker: RedisBroker = make_broker(redis_url)
        self._stopping = threading.Event()
        self._tidied = 0.0
        self._waker = threading.Thread(target=self._wake, name="waker", daemon=True)
        self._owed: Counter[tuple[str, str]] = Counter()  # (service, kind or "" for its inbox): wake-ups not yet sent
        self._owing = threading.Condition()

    def stop(self) -> None:
        """Make ``run`` return soon."""
        self._stopping.set()
        with self._owing:
            self._owing.notify_all()

    def run(self) -> None:
        """Work until stopped, outliving PostgreSQL and Redis alike."""
        self._waker.start()
        while not self._stopping.is_set():
            try:
                with psycopg.connect(self._url, autocommit=True, connect_timeout=3, **TCP) as connection:
                    connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(CHANNEL)))
                    log.info("relay listens")
                    self._serve(connection)
            except psycopg.OperationalError as error:
                log.warning("relay: database unavailable", extra={"error": str(error)})
                self._stopping.wait(POLL)
        self._waker.join(POLL)

    def _serve(self, connection: Connection) -> None:
        while not self._stopping.is_set():
            self.drain(connection)
            if time.monotonic() - self._tidied > TIDY_EVERY:
                self.tidy(connection)
                self._tidied = time.monotonic()
            for _ in connection.notifies(timeout=POLL, stop_after=1):
                pass

    def drain(self, connection: Connection) -> int:
        """Move all that is due. Returns how many outbox rows that were."""
        moved = 0
        for service in self._due(connection):
            while count := self._move_batch(connection, service):
                moved += count
        return moved

    def _due(self, connection: Connection) -> list[str]:
        looks = [
            sql.SQL(
                "SELECT {} WHERE EXISTS (SELECT FROM {} WHERE settled_at IS NULL AND topic = ANY(%(known)s))"
            ).format(sql.Literal(service), sql.Identifier(service, "outbox"))
            for service in self._services
        ]
        return [row[0] for row in connection.execute(sql.SQL(" UNION ALL ").join(looks), {"known": self._known})]

    def _move_batch(self, connection: Connection, service: str) -> int:
        table = sql.Identifier(service, "outbox")
        wakes: Counter[tuple[str, str]] = Counter()
        with connection.transaction():
            rows = connection.execute(
                sql.SQL(
                    "SELECT id, topic, body::text, body->>'kind', correlation_id FROM {} "
                    "WHERE settled_at IS NULL AND topic = ANY(%s) ORDER BY position LIMIT %s FOR UPDATE SKIP LOCKED"
                ).format(table),
                (self._known, BATCH),
            ).fetchall()
            arriving: dict[str, list[tuple[UUID, str, UUID, str, str]]] = {}
            for event_id, topic, body, kind, correlation in rows:
                if topic == WAKE:
                    wakes[service, kind] += 1
                    continue
                for to in subscribers(topic):
                    arrival = (message_id(event_id, to), topic, event_id, body, correlation)
                    arriving.setdefault(to, []).append(arrival)
            for to, arrivals in arriving.items():
                self._put(connection, to, arrivals)
                wakes[to, ""] = 1
            connection.execute(
                sql.SQL(
                    "UPDATE {} SET sent_at = clock_timestamp(), settled_at = clock_timestamp(), sends = sends + 1 "
                    "WHERE id = ANY(%s)"
                ).format(table),
                ([row[0] for row in rows],),
            )
            faults.point(faults.BEFORE, "relay.move")
        faults.point(faults.AFTER, "relay.move")
        self._owe(wakes)
        return len(rows)

    def _put(self, connection: Connection, to: str, arrivals: list[tuple[UUID, str, UUID, str, str]]) -> None:
        """Lay events into an inbox. What was there already, handled or not, stays as it is."""
        connection.execute(
            sql.SQL(
                "INSERT INTO {} (message_id, topic, event_id, body, correlation_id) "
                "SELECT m, t, e, b::jsonb, c FROM unnest(%s::uuid[], %s::text[], %s::uuid[], %s::text[], %s::text[]) "
                "WITH ORDINALITY AS arrived (m, t, e, b, c, n) ORDER BY n ON CONFLICT (message_id) DO NOTHING"
            ).format(sql.Identifier(to, "inbox")),
            [list(column) for column in zip(*arrivals, strict=True)],
        )

    def _owe(self, wakes: Counter[tuple[str, str]]) -> None:
        with self._owing:
            self._owed += wakes
            self._owing.notify_all()

    def _wake(self) -> None:
        """Send the wake-ups that are owed, apart from the moving: Redis may be slow, or away, and must hold up nothing."""
        while not self._stopping.is_set():
            with self._owing:
                self._owing.wait_for(lambda: self._owed or self._stopping.is_set())
                owed, self._owed = self._owed, Counter()
            try:
                self.send(owed)
            except (RedisError, BrokerError) as error:
                # Not owed any longer: each worker looks by itself once a second.
                ENQUEUE_ERRORS.inc()
                log.warning("relay: bus unavailable; workers will look by themselves", extra={"error": str(error)})
                self._stopping.wait(REDIS_REST)

    def send(self, wakes: Counter[tuple[str, str]]) -> None:
        """Hand wake-ups to Dramatiq. Raises where Redis can't take them."""
        for (service, kind), count in wakes.items():
            message = wake_message(service, kind) if kind else inbox_message(service)
            self._broker.declare_queue(message.queue_name)
            for _ in range(min(count, MOST_WAKES)):
                self._broker.enqueue(message)

    def tidy(self, connection: Connection) -> None:
        """Measure what waits, and forget what was settled long ago."""
        for service in self._services:
            table = sql.Identifier(service, "outbox")
            connection.execute(
                sql.SQL("DELETE FROM {} WHERE settled_at < clock_timestamp() - make_interval(hours => %s)").format(
                    table
                ),
                (KEEP_SETTLED,),
            )
            row = connection.execute(
                sql.SQL(
                    "SELECT coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0) "
                    "FROM {} WHERE settled_at IS NULL"
                ).format(table)
            ).fetchone()
            OUTBOX_AGE.labels(service).set(float(row[0]) if row else 0.0)
