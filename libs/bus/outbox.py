"""Telling a fact, in the transaction that makes it one."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from libs.bus.tables import outbox
from libs.contracts.events import Event
from libs.database import new_id
from libs.telemetry import correlation_id

__all__ = ["CHANNEL", "WAKE", "message_id", "publish", "wake"]

CHANNEL = "clipstead_outbox"  # the relay listens here
WAKE = "job.wake"  # not an event: tells a service's own workers that a job of some kind is due


def publish(session: Session, event: Event) -> UUID:
    """Record an event in the caller's transaction. If that commits, it comes into every subscriber's inbox."""
    return _put(session, event.name, event.model_dump(mode="json"))


def wake(session: Session, kind: str) -> None:
    """Have this service's workers look for due jobs of a kind, once the caller's transaction has committed."""
    _put(session, WAKE, {"kind": kind})


def message_id(event_id: UUID, subscriber: str) -> UUID:
    """The stable id under which one subscriber receives one event, however often it is sent (UUIDv5)."""
    return uuid5(event_id, subscriber)


def _put(session: Session, topic: str, body: dict[str, Any]) -> UUID:
    event_id = new_id()
    session.execute(insert(outbox).values(id=event_id, topic=topic, body=body, correlation_id=correlation_id()))
    session.execute(text(f"NOTIFY {CHANNEL}"))  # sent at commit, and once however often it is said
    return event_id
