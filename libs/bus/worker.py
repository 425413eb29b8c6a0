"""The worker process of a service: receives events, does jobs, takes back what vanished workers left.

One process, no master: a supervisor (or container runtime) restarts it. Each queue has a thread of its own, so that a long
job never holds up events.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from functools import partial

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from redis import RedisError
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from libs import database, disk
from libs.bus import inbox, jobs
from libs.bus.actors import Actors, Delivery, Failed, Kind, Periodic
from libs.bus.broker import (
    IDLE_POLL,
    RECEIVE,
    WORK,
    events_queue,
    inbox_message,
    job_queue,
    make_broker,
    wake_message,
)
from libs.bus.inbox import Arrival
from libs.bus.jobs import Job, JobFailed, LeaseLost
from libs.bus.lease import Lease
from libs.bus.states import ENDED, JobState
from libs.contracts.events import EVENTS
from libs.disk import DiskShort
from libs.patience import TryLater, backoff
from libs.process import ChildError
from libs.telemetry import (
    DUPLICATES,
    ERRORS,
    EVENTS_HANDLED,
    JOB_INTERRUPTIONS,
    JOB_RECOVERY,
    JOB_SECONDS,
    JOBS,
    correlated,
    log,
)

__all__ = ["Worker"]

KEEPER_BEAT = 1.0  # seconds: how soon due jobs are found when their wake-up was lost
TIDY_EVERY = 3600.0  # seconds
FIRST_RETRY = 2.0  # seconds; doubled for each further failure, with jitter
EVENTS_AT_ONCE = 20  # taken from the inbox in one transaction
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0  # seconds before an event is handled again
EVENTS_LANE = ("", 0)
PATIENCE = 3  # wake-ups that may stay without effect; then the worker goes to work without the bus


class Worker:
    """Runs a service's actors until told to stop."""

    def __init__(self, actors: Actors, redis_url: str, *, lease: float = jobs.LEASE) -> None:
        """``lease``: seconds without a sign of life after which others take over what this one has in hand."""
        actors.check()
        self._actors = actors
        self._lease = lease
        self._stopping = threading.Event()
        self._lanes: dict[tuple[str, int], _Lane] = {}  # by kind and number; events have one of their own
        self._broker: RedisBroker = make_broker(redis_url)
        self._declare()
        queues = 1 + sum(kind.lanes for kind in actors.kinds.values())
        self._dramatiq = dramatiq.Worker(self._broker, worker_timeout=IDLE_POLL, worker_threads=queues)
        self._dramatiq.queue_prefetch = 1
        # Each in a thread of its own: a sweep that takes long, or a Redis that hangs, must not hold up the taking back.
        self._keepers = [
            threading.Thread(target=self._keep, args=(task,), name=task.name, daemon=True)
            for task in (
                Periodic("reap", self._reap, KEEPER_BEAT),
                Periodic("wake", self._wake_idle_lanes, KEEPER_BEAT),
                Periodic("forget", self._forget, TIDY_EVERY),
                *actors.periodic,
            )
        ]

    def start(self) -> None:
        """Begin to receive and to work. Returns at once."""
        # Prometheus has to see a counter at 0, or its first step does not count.
        for kind in self._actors.kinds:
            for outcome in (*ENDED, "retried", "released", "postponed"):
                JOBS.labels(self._actors.service, kind, outcome)
        for outcome in ("done", "failed", "postponed", "quarantined"):
            EVENTS_HANDLED.labels(self._actors.service, outcome)
        self._dramatiq.start()
        for keeper in self._keepers:
            keeper.start()

    def stop(self, timeout: float = 20.0) -> None:
        """Take nothing new, give running jobs back to the queue (their children are ended), and return when drained."""
        self._stopping.set()
        self._dramatiq.stop(timeout=int(timeout * 1000))
        until = time.monotonic() + timeout
        for keeper in self._keepers:
            keeper.join(max(0.1, until - time.monotonic()))
        self._broker.close()

    def do_due(self) -> int:
        """Do all that is due right now, in this thread, without the bus: for tests and repairs. Returns how many."""
        return sum(1 for kind in self._actors.kinds.values() for _ in iter(lambda: self._do_one(kind), False))  # noqa: B023

    def _declare(self) -> None:
        service = self._actors.service

        def declare(name: str, queue: str, lane: tuple[str, int], step: Callable[[], bool]) -> None:
            self._lanes[lane] = made = _Lane(step, self._stopping)
            dramatiq.Actor(made.run, broker=self._broker, actor_name=name, queue_name=queue, priority=0, options={})

        declare(f"{service}.{RECEIVE}", events_queue(service), EVENTS_LANE, lambda: self.handle_due() > 0)
        for kind in self._actors.kinds.values():
            for lane in range(kind.lanes):
                queue = job_queue(service, kind.name, lane)
                declare(f"{queue}.{WORK}", queue, (kind.name, lane), partial(self._do_one, kind))

    # events ---------------------------------------------------------------------------------------------------------

    def handle_due(self) -> int:
        """Take some events from the inbox and have them handled, in this thread. Returns how many."""
        with database.transaction() as session:
            arrivals = inbox.claim(session, self._actors.handlers, self._lease, EVENTS_AT_ONCE)
        done = [arrival.message_id for arrival in arrivals if self._handle(arrival)]
        if done:
            with database.transaction() as session:
                inbox.handled(session, done)
        return len(arrivals)

    def _handle(self, arrival: Arrival) -> bool:
        """Have one event handled. False: it was put back."""
        if self._stopping.is_set():
            return self._put_back(arrival, 0.0, "", counts=False)
        with correlated(arrival.correlation_id):
            delivery = Delivery(arrival.message_id, arrival.topic, arrival.event_id)
            try:
                event = EVENTS[arrival.topic].model_validate(arrival.body)
                self._actors.handlers[arrival.topic](event, delivery)
            except database.DatabaseUnavailable:
                raise  # it comes due again by itself
            except TryLater as error:
                log.warning("event postponed", extra={"topic": arrival.topic, "error": str(error)})
                return self._put_back(arrival, self._pause(arrival), str(error), counts=False)
            except Exception as error:
                ERRORS.labels(self._actors.service, f"event {arrival.topic}").inc()
                log.exception("event not handled", extra={"topic": arrival.topic, "attempt": arrival.attempts})
                return self._put_back(arrival, self._pause(arrival), repr(error), counts=True)
        EVENTS_HANDLED.labels(self._actors.service, "done").inc()
        return True

    def _pause(self, arrival: Arrival) -> float:
        return backoff(arrival.attempts - 1, FIRST_PAUSE, LONGEST_PAUSE)

    def _put_back(self, arrival: Arrival, wait: float, problem: str, *, counts: bool) -> bool:
        with database.transaction() as session:
            quarantined = inbox.put_back(session, arrival, wait, problem, counts=counts)
        outcome = "quarantined" if quarantined else "failed" if counts else "postponed"
        EVENTS_HANDLED.labels(self._actors.service, outcome).inc()
        if quarantined:
            log.error("event quarantined", extra={"topic": arrival.topic, "message_id": str(arrival.message_id)})
        return False

    # jobs -----------------------------------------------------------------------------------------------------------

    def _do_one(self, kind: Kind) -> bool:
        with database.transaction() as session:
            job = jobs.claim(session, kind.name, self._lease, kind.limit)
        if job is None:
            return False
        started = time.monotonic()
        with correlated(job.correlation_id):
            outcome = self._attempt(kind, job)
            log.info(
                "job ended",
                extra={"kind": kind.name, "job_id": str(job.id), "attempt": job.attempt, "outcome": outcome},
            )
        JOBS.labels(self._actors.service, kind.name, outcome).inc()
        JOB_SECONDS.labels(self._actors.service, kind.name).observe(time.monotonic() - started)
        return True

    def _attempt(self, kind: Kind, job: Job) -> str:
        """Run one attempt; returns how it ended, for logs and metrics."""
        try:
            with Lease(job, self._lease, self._stopping) as lease:
                try:
                    kind.run(lease)
                except Exception as error:
                    return self._after(kind, lease, error)
            if not lease.finished:
                with database.transaction() as session:
                    jobs.finish(session, job)
            return "done"
        except LeaseLost:
            DUPLICATES.inc()
            return "lost"
        except database.DatabaseUnavailable:
            return "database-lost"  # the lease lapses and the reaper takes over

    def _after(self, kind: Kind, lease: Lease, error: Exception) -> str:
        """Decide what an attempt that raised comes to."""
        job = lease.job
        if isinstance(error, LeaseLost):
            raise error
        last_words = str(getattr(error, "last_words", "") or getattr(error, "stderr", "") or "")
        if lease.cancel_requested:
            problem = JobFailed("cancelled", "It was cancelled.", last_words=last_words)
            return self._end(kind, job, JobState.CANCELLED, problem)
        if isinstance(error, JobFailed):
            return self._end(kind, job, JobState.FAILED, error)
        if lease.stopping:
            with database.transaction() as session:
                jobs.release(session, job)
            return "released"
        if isinstance(error, OSError | ChildError) and (disk.is_full(error) or disk.is_short()):
            error = DiskShort(str(error))  # whatever it says itself: a child's own words for a full disk are many
        if isinstance(error, TryLater) and (wait := jobs.postponement(job)) is not None:
            log.warning("job postponed", extra={"kind": kind.name, "job_id": str(job.id), "error": str(error)})
            with database.transaction() as session:
                jobs.postpone(session, job, wait)
            return "postponed"
        ERRORS.labels(self._actors.service, f"job {kind.name}").inc()
        log.exception("job attempt failed", extra={"kind": kind.name, "job_id": str(job.id)}, exc_info=error)
        if job.failures + 1 >= kind.attempts:
            problem = JobFailed(
                "internal",
                "Something went wrong on our side, several times over. It can be retried.",
                last_words=last_words,
            )
            return self._end(kind, job, JobState.FAILED, problem)
        wait = FIRST_RETRY * 2**job.failures * random.uniform(0.75, 1.25)  # noqa: S311  jitter
        with database.transaction() as session:
            jobs.requeue(session, job, wait, JobFailed("retrying", str(error), last_words=last_words))
        return "retried"

    def _end(self, kind: Kind, job: Job, state: JobState, problem: JobFailed) -> str:
        with database.transaction() as session:
            jobs.finish(session, job, state, problem)
            if kind.failed is not None:
                kind.failed(session, job, problem)
        return state.value

    # the keeper -----------------------------------------------------------------------------------------------------

    def _keep(self, task: Periodic) -> None:
        """Do something now and then for as long as the worker lives, whatever happens to it."""
        pause = min(task.seconds, random.uniform(0, 5)) if task in self._actors.periodic else 0.0  # noqa: S311  jitter
        while not self._stopping.wait(pause):
            pause = task.seconds
            with correlated(None):
                try:
                    task.run()
                except (database.DatabaseUnavailable, RedisError) as error:
                    log.warning("a server is unavailable", extra={"task": task.name, "error": str(error)})
                    pause = min(task.seconds, KEEPER_BEAT)
                except Exception:
                    ERRORS.labels(self._actors.service, task.name).inc()
                    log.exception("periodic work failed", extra={"task": task.name})

    def _forget(self) -> None:
        with database.transaction() as session:
            jobs.forget_old(session)

    def _reap(self) -> None:
        """Take back what vanished workers had in hand."""
        with database.transaction() as session:
            for job, late in jobs.lapsed(session):
                JOB_INTERRUPTIONS.labels(self._actors.service, job.kind).inc()
                JOB_RECOVERY.labels(self._actors.service).observe(self._lease + late)
                if job.state is JobState.QUARANTINED:
                    self._quarantine(session, job)

    def _quarantine(self, session: Session, job: Job) -> None:
        kind = self._actors.kinds.get(job.kind)
        log.error("job quarantined", extra={"kind": job.kind, "job_id": str(job.id)})
        JOBS.labels(self._actors.service, job.kind, JobState.QUARANTINED.value).inc()
        if kind is not None and kind.failed is not None:
            self._tell_quarantined(session, kind.failed, job)

    def _tell_quarantined(self, session: Session, failed: Failed, job: Job) -> None:
        """Tell why a job ended, in a savepoint: where that fails, the other jobs must still be taken back."""
        try:
            with session.begin_nested():
                failed(session, job, jobs.INTERRUPTED)
        except OperationalError:
            raise  # passes: the next look finds the job again
        except Exception as error:
            ERRORS.labels(self._actors.service, f"job {job.kind}").inc()
            log.exception("a quarantine could not be told", extra={"job_id": str(job.id)}, exc_info=error)

    def _wake_idle_lanes(self) -> None:
        """Look for what is due and whose wake-up was lost. Where the bus does not carry it either, go without the bus."""
        idle = {name for name, lane in self._lanes.items() if not lane.busy}
        with database.transaction() as session:
            due = jobs.some_due(session, {kind for kind, _ in idle if kind})
            if EVENTS_LANE in idle and inbox.is_due(session, self._actors.handlers):
                due.add("")
        for kind, number in idle:
            lane = self._lanes[kind, number]
            lane.unanswered = lane.unanswered + 1 if kind in due else 0
            if lane.unanswered > PATIENCE:
                threading.Thread(target=lane.run, name=f"without the bus: {kind or 'events'}", daemon=True).start()
        service = self._actors.service
        for kind, number in idle:
            if kind in due:
                self._broker.enqueue(wake_message(service, kind, number) if kind else inbox_message(service))


class _Lane:
    """One line of work: a step is done over and over until nothing is due. Only one thread is in it at a time."""

    def __init__(self, step: Callable[[], bool], stopping: threading.Event) -> None:
        self._step = step
        self._stopping = stopping
        self._lock = threading.Lock()
        self.unanswered = 0  # times in a row that something was due and nobody was at it

    @property
    def busy(self) -> bool:
        """Whether somebody is at it."""
        return self._lock.locked()

    def run(self, *_: object, **__: object) -> None:
        """Do all that is due; nothing if somebody is at it already. Whatever a message says is not listened to."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            while not self._stopping.is_set() and self._step():
                self.unanswered = 0
        except database.DatabaseUnavailable as error:
            log.warning("work waits: database unavailable", extra={"error": str(error)})
        finally:
            self._lock.release()
