"""What a service does when told something: its event handlers and its kinds of work, declared in its ``actors.py``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from libs.bus import inbox
from libs.bus.jobs import Job, JobFailed
from libs.bus.lease import Lease
from libs.contracts.events import Event
from libs.contracts.subscriptions import subscribed
from libs.database import new_id
from libs.telemetry import DUPLICATES

__all__ = ["Actors", "Delivery", "Failed", "Kind", "Periodic", "Retried"]

E = TypeVar("E", bound=Event)
Failed = Callable[[Session, Job, JobFailed], None]
Retried = Callable[[Session, Job], None]


@dataclass(frozen=True)
class Delivery:
    """One arrival of an event. The same event may arrive again, and only the first may have an effect."""

    message_id: UUID
    topic: str
    event_id: UUID = field(default_factory=new_id)  # UUIDv7 given when it was told: orders one teller's events

    def first(self, session: Session) -> bool:
        """Note the arrival in the transaction of its effect. False: it had its effect already."""
        first = inbox.note(session, self.message_id, self.topic)
        if not first:
            DUPLICATES.inc()
        return first

    def keep_newest(self, session: Session, rows: Any, identity: Mapping[str, Any], **facts: Any) -> None:
        """Write down what this event tells of something, unless an event that was told later did so already.

        ``rows`` is a model with a column ``told_by``, the event that its other columns are from.
        """
        told = facts | {"told_by": self.event_id}
        session.execute(
            insert(rows)
            .values(**identity, **told)
            .on_conflict_do_update(index_elements=list(identity), set_=told, where=rows.told_by < self.event_id)
        )


@dataclass(frozen=True)
class Kind:
    """A kind of job: who does it, and how long and often it is tried."""

    name: str
    run: Callable[[Lease], None]
    failed: Failed | None
    retried: Retried | None
    attempts: int  # raised ones; interruptions are counted apart
    lanes: int  # how many run side by side in one worker process
    limit: int | None  # how many run at a time on all machines together


@dataclass(frozen=True)
class Periodic:
    """Something every worker does now and then; doing it twice must be harmless."""

    name: str
    run: Callable[[], None]
    seconds: float


@dataclass
class Actors:
    """A service's handlers and kinds of work."""

    service: str
    handlers: dict[str, Callable[[Any, Delivery], None]] = field(default_factory=dict)
    kinds: dict[str, Kind] = field(default_factory=dict)
    periodic: list[Periodic] = field(default_factory=list)

    def on(self, event: type[E]) -> Callable[[Callable[[E, Delivery], None]], Callable[[E, Delivery], None]]:
        """Register the handler of an event. It opens its own transaction and asks ``delivery.first`` in it."""

        def register(handler: Callable[[E, Delivery], None]) -> Callable[[E, Delivery], None]:
            if event.name in self.handlers:
                raise ValueError(f"{self.service} handles {event.name} twice")
            self.handlers[event.name] = handler
            return handler

        return register

    def work(
        self,
        kind: str,
        *,
        failed: Failed | None = None,
        retried: Retried | None = None,
        attempts: int = 3,
        lanes: int = 1,
        limit: int | None = None,
    ) -> Callable[[Callable[[Lease], None]], Callable[[Lease], None]]:
        """Register who does a kind of job.

        ``failed`` is called in the transaction that ends it without success, ``retried`` in the one in which somebody has it
        done after all. ``lanes`` run side by side in one worker process, and no more than ``limit`` in all of them together.
        """

        def register(run: Callable[[Lease], None]) -> Callable[[Lease], None]:
            self.kinds[kind] = Kind(kind, run, failed, retried, attempts, lanes, limit)
            return run

        return register

    def every(self, seconds: float) -> Callable[[Callable[[], None]], Callable[[], None]]:
        """Register something that each worker does every so many seconds."""

        def register(run: Callable[[], None]) -> Callable[[], None]:
            self.periodic.append(Periodic(run.__name__, run, seconds))
            return run

        return register

    def check(self) -> None:
        """Raise unless this service handles just what ``subscriptions.py`` says that it does."""
        wanted = {event.name for event in subscribed(self.service)}
        if wanted != set(self.handlers):
            raise ValueError(
                f"{self.service}: missing handlers {sorted(wanted - set(self.handlers))}, "
                f"unexpected ones {sorted(set(self.handlers) - wanted)}"
            )
