"""Dramatiq on Redis, as Clipstead uses it: a wake-up, never the record.

A message says "look into your inbox" or "look for due jobs of this kind", and carries nothing else: what there is to do
stands in PostgreSQL. A lost message costs the second until the worker looks by itself; a doubled or forged one costs a look.

Why each setting:

* JSON encoder (Dramatiq's default): nothing from Redis is ever unpickled.
* No Retries: events and jobs are tried again by the database's clock, which a restart of Redis does not reset.
* No TimeLimit: it can't interrupt native code; children have deadlines instead. No AgeLimit: a late wake-up is harmless.
* Prefetch 1: one worker must not hoard the wake-ups that others could follow.
* Idle polling every 0.2 s: several hops lie between a recording and its clips.
* No heartbeat of dead workers' messages is waited for: their inbox rows and jobs come due again by themselves.
"""

from __future__ import annotations

import dramatiq
from dramatiq.brokers.redis import RedisBroker

__all__ = ["IDLE_POLL", "RECEIVE", "WORK", "events_queue", "inbox_message", "job_queue", "make_broker", "wake_message"]

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
        middleware=[],
        socket_timeout=10,
        socket_connect_timeout=2,
        health_check_interval=10,
    )


def inbox_message(service: str) -> dramatiq.Message[None]:
    """The message that has a worker look into its service's inbox."""
    return dramatiq.Message(
        queue_name=events_queue(service), actor_name=f"{service}.{RECEIVE}", args=(), kwargs={}, options={}
    )


def wake_message(service: str, kind: str, lane: int = 0) -> dramatiq.Message[None]:
    """The message that has a worker look for due jobs."""
    queue = job_queue(service, kind, lane)
    return dramatiq.Message(queue_name=queue, actor_name=f"{queue}.{WORK}", args=(), kwargs={}, options={})
