"""Hands what stands in the outboxes to the bus, and sees to it that it arrived.

``FOR UPDATE SKIP LOCKED`` lets several relays run. NOTIFY wakes it; one look a second is the net. What was sent is settled
once every subscriber's inbox holds it; what is not there after half a minute is sent again. So losing all of Redis loses
nothing. Its database role may read and move outboxes and read inboxes, and nothing else.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import psycopg
from dramatiq.brokers.redis import RedisBroker
from dramatiq.errors import BrokerError
from psycopg import sql
from psycopg.rows import TupleRow
from redis import RedisError

from libs.bus.broker import event_message, make_broker, wake_message
from libs.bus.outbox import CHANNEL, WAKE, message_id
from libs.contracts.events import EVENTS
from libs.contracts.subscriptions import SERVICES, subscribers
from libs.database import TCP
from libs.telemetry import OUTBOX_AGE, log

__all__ = ["Relay"]

BATCH = 200
POLL = 1.0  # seconds
AUDIT_EVERY = 10.0  # seconds between looks for what did not arrive
PATIENCE = 30  # seconds until something sent but not received is sent again
KEEP_SETTLED = 24  # hours
LONGEST_PATIENCE = 600  # seconds: patience grows with each sending, so that a subscriber long gone is not flooded

Connection = psycopg.Connection[TupleRow]


class Relay:
    """Moves outboxes along until told to stop."""

    def __init__(self, database_url: str, redis_url: str, services: Iterable[str] = SERVICES) -> None:
        self._url = database_url
        self._services = tuple(services)
        self._broker: RedisBroker = make_broker(redis_url)
        self._stopping = threading.Event()
        self._audited = 0.0

    def stop(self) -> None:
        """Make ``run`` return soon."""
        self._stopping.set()

    def run(self) -> None:
        """Work until stopped, outliving PostgreSQL and Redis alike."""
        while not self._stopping.is_set():
            try:
                with psycopg.connect(self._url, autocommit=True, connect_timeout=3, **TCP) as connection:
                    connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(CHANNEL)))
                    log.info("relay listens")
                    self._serve(connection)
            except psycopg.OperationalError as error:
                log.warning("relay: database unavailable", extra={"error": str(error)})
                self._stopping.wait(POLL)

    def _serve(self, connection: Connection) -> None:
        while not self._stopping.is_set():
            try:
                self.drain(connection)
                if time.monotonic() - self._audited > AUDIT_EVERY:
                    self.audit(connection)
                    self._audited = time.monotonic()
            except (RedisError, BrokerError) as error:
                log.warning("relay: bus unavailable; events wait in their outboxes", extra={"error": str(error)})
                self._measure(connection)
                self._stopping.wait(POLL)
                continue
            for _ in connection.notifies(timeout=POLL, stop_after=1):
                pass

    def drain(self, connection: Connection) -> int:
        """Send all that is due. Returns how many rows were sent."""
        sent = 0
        for service in self._due(connection):
            while count := self._send_batch(connection, service):
                sent += count
        return sent

    def _due(self, connection: Connection) -> list[str]:
        looks = [
            sql.SQL("SELECT {} WHERE EXISTS (SELECT FROM {} WHERE sent_at IS NULL)").format(
                sql.Literal(service), sql.Identifier(service, "outbox")
            )
            for service in self._services
        ]
        return [row[0] for row in connection.execute(sql.SQL(" UNION ALL ").join(looks))]

    def _send_batch(self, connection: Connection, service: str) -> int:
        table = sql.Identifier(service, "outbox")
        with connection.transaction():
            rows = connection.execute(
                sql.SQL(
                    "SELECT id, topic, body, correlation_id FROM {} WHERE sent_at IS NULL "
                    "ORDER BY position LIMIT %s FOR UPDATE SKIP LOCKED"
                ).format(table),
                (BATCH,),
            ).fetchall()
            for event_id, topic, body, correlation_id in rows:
                self._send(service, event_id, topic, body, correlation_id)
            # A wake-up needs no receipt: the workers' own look at the table is its net.
            connection.execute(
                sql.SQL(
                    "UPDATE {} SET sent_at = clock_timestamp(), sends = sends + 1, "
                    "settled_at = CASE WHEN topic = %s THEN clock_timestamp() END WHERE id = ANY(%s)"
                ).format(table),
                (WAKE, [row[0] for row in rows]),
            )
        return len(rows)

    def _send(self, service: str, event_id: UUID, topic: str, body: dict[str, Any], correlation_id: str) -> None:
        if topic == WAKE:
            messages = [wake_message(service, body["kind"])]
        elif topic not in EVENTS:  # of a newer release; the audit sends it again once we know it
            log.warning("relay: unknown event", extra={"topic": topic})
            return
        else:
            messages = [
                event_message(to, message_id(event_id, to), event_id, topic, body, correlation_id)
                for to in subscribers(topic)
            ]
        for message in messages:
            self._broker.declare_queue(message.queue_name)
            self._broker.enqueue(message)

    def audit(self, connection: Connection) -> None:
        """Settle what arrived everywhere, make due again what did not, forget what was settled long ago."""
        for service in self._services:
            table = sql.Identifier(service, "outbox")
            waiting = connection.execute(
                sql.SQL(
                    "SELECT id, topic FROM {} WHERE settled_at IS NULL AND topic = ANY(%s) "
                    "AND sent_at < clock_timestamp() - make_interval(secs => least(%s * sends, %s)) "
                    "ORDER BY sent_at LIMIT 1000"
                ).format(table),
                (list(EVENTS), PATIENCE, LONGEST_PATIENCE),  # what a newer release tells is not ours to settle
            ).fetchall()
            lost = self._not_received(connection, waiting)
            settled = [event_id for event_id, _ in waiting if event_id not in lost]
            if settled:
                connection.execute(
                    sql.SQL("UPDATE {} SET settled_at = clock_timestamp() WHERE id = ANY(%s)").format(table), (settled,)
                )
            if lost:
                log.warning("relay: sending again", extra={"from_service": service, "events": len(lost)})
                connection.execute(
                    sql.SQL("UPDATE {} SET sent_at = NULL WHERE id = ANY(%s)").format(table), (list(lost),)
                )
            connection.execute(
                sql.SQL("DELETE FROM {} WHERE settled_at < clock_timestamp() - make_interval(hours => %s)").format(
                    table
                ),
                (KEEP_SETTLED,),
            )
        self._measure(connection)

    def _not_received(self, connection: Connection, waiting: list[TupleRow]) -> set[UUID]:
        """Of events (id, topic), those that some subscriber's inbox lacks."""
        expected: dict[str, dict[UUID, UUID]] = {}
        for event_id, topic in waiting:
            for to in subscribers(topic):
                expected.setdefault(to, {})[message_id(event_id, to)] = event_id
        lost: set[UUID] = set()
        for to, messages in expected.items():
            found = connection.execute(
                sql.SQL("SELECT message_id FROM {} WHERE message_id = ANY(%s)").format(sql.Identifier(to, "inbox")),
                (list(messages),),
            )
            there = {row[0] for row in found}
            lost |= {event_id for message, event_id in messages.items() if message not in there}
        return lost

    def _measure(self, connection: Connection) -> None:
        for service in self._services:
            row = connection.execute(
                sql.SQL(
                    "SELECT coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0) "
                    "FROM {} WHERE sent_at IS NULL"
                ).format(sql.Identifier(service, "outbox"))
            ).fetchone()
            OUTBOX_AGE.labels(service).set(float(row[0]) if row else 0.0)
