"""Dramatiq on Redis, as Clipstead uses it: a wake-up, never the record.

Why each setting:

* JSON encoder (Dramatiq's default): nothing from Redis is ever unpickled.
* Retries for events only, 0.5 s to 15 s apart: most failures are another service restarting. What is still undone after
  that is sent again by the relay, because the receiver's inbox lacks it.
* No TimeLimit: it can't interrupt native code; children have deadlines instead. No AgeLimit: events don't go stale.
* Prefetch 1: one worker must not hoard what others could do, and a service's events keep their order.
* Idle polling every 0.2 s: several hops lie between a recording and its clips.
"""

from __future__ import annotations

from uuid import UUID

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import Retries

__all__ = ["IDLE_POLL", "event_message", "events_queue", "job_queue", "make_broker", "wake_message"]

IDLE_POLL = 200  # milliseconds
NAMESPACE = "clipstead"
RECEIVE = "receive"
WORK = "work"


def events_queue(service: str) -> str:
    """The queue of a service's events."""
    return f"{service}.events"


def job_queue(service: str, kind: str, lane: int = 0) -> str:
    """The queue of wake-ups for one lane of a kind of job."""
    return f"{service}.{kind}" if lane == 0 else f"{service}.{kind}.{lane}"


def make_broker(redis_url: str) -> RedisBroker:
    """Make a broker. Connects on first use."""
    return RedisBroker(  # type: ignore[no-untyped-call]
        url=redis_url,
        namespace=NAMESPACE,
        middleware=[Retries(max_retries=6, min_backoff=500, max_backoff=15_000)],
        socket_timeout=10,
        socket_connect_timeout=2,
        health_check_interval=10,
    )


def event_message(
    service: str, message_id: UUID, event_id: UUID, topic: str, body: dict[str, object], correlation_id: str
) -> dramatiq.Message[None]:
    """The message that carries one event to one subscriber."""
    return dramatiq.Message(
        queue_name=events_queue(service),
        actor_name=f"{service}.{RECEIVE}",
        args=(),
        kwargs={
            "message_id": str(message_id),
            "event_id": str(event_id),
            "topic": topic,
            "body": body,
            "correlation_id": correlation_id,
        },
        options={},
        message_id=str(message_id),
    )


def wake_message(service: str, kind: str, lane: int = 0) -> dramatiq.Message[None]:
    """The message that has a worker look for due jobs."""
    queue = job_queue(service, kind, lane)
    return dramatiq.Message(
        queue_name=queue, actor_name=f"{queue}.{WORK}", args=(), kwargs={}, options={"max_retries": 0}
    )
