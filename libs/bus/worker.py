"""The worker process of a service: receives events, does jobs, takes back what vanished workers left.

One process, no master: a supervisor (or container runtime) restarts it. Each queue has a thread of its own, so that a long
job never holds up events.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from uuid import UUID

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from redis import RedisError
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from libs import database, disk
from libs.bus import jobs
from libs.bus.actors import Actors, Delivery, Failed, Kind, Periodic
from libs.bus.broker import IDLE_POLL, RECEIVE, WORK, events_queue, job_queue, make_broker, wake_message
from libs.bus.jobs import Job, JobFailed, LeaseLost
from libs.bus.lease import Lease
from libs.bus.states import ENDED, JobState
from libs.contracts.events import EVENTS
from libs.disk import DiskShort
from libs.patience import TryLater
from libs.process import ChildError
from libs.telemetry import ERRORS, JOB_SECONDS, JOBS, correlated, log

__all__ = ["Worker"]

KEEPER_BEAT = 1.0  # seconds: how soon due jobs are found when their wake-up was lost
TIDY_EVERY = 3600.0  # seconds
FIRST_RETRY = 2.0  # seconds; doubled for each further failure, with jitter
INTERRUPTED = JobFailed(
    "interrupted",
    "The work was cut off three times in a row, so it was set aside. An administrator can look and retry.",
)


class Worker:
    """Runs a service's actors until told to stop."""

    def __init__(self, actors: Actors, redis_url: str) -> None:
        actors.check()
        self._actors = actors
        self._stopping = threading.Event()
        self._idle: dict[tuple[str, int], bool] = {}
        self._broker: RedisBroker = make_broker(redis_url)
        self._declare()
        queues = 1 + sum(kind.lanes for kind in actors.kinds.values())
        self._dramatiq = dramatiq.Worker(self._broker, worker_timeout=IDLE_POLL, worker_threads=queues)
        self._dramatiq.queue_prefetch = 1
        self._keeper = threading.Thread(target=self._keep, name="keeper", daemon=True)

    def start(self) -> None:
        """Begin to receive and to work. Returns at once."""
        # Prometheus has to see a counter at 0, or its first step does not count.
        for kind in self._actors.kinds:
            for outcome in (*ENDED, "retried", "released", "postponed"):
                JOBS.labels(self._actors.service, kind, outcome)
        self._dramatiq.start()
        self._keeper.start()

    def stop(self, timeout: float = 20.0) -> None:
        """Take nothing new, give running jobs back to the queue (their children are ended), and return when drained."""
        self._stopping.set()
        self._dramatiq.stop(timeout=int(timeout * 1000))
        self._keeper.join(timeout)
        self._broker.close()

    def do_due(self) -> int:
        """Do all that is due right now, in this thread, without the bus: for tests and repairs. Returns how many."""
        return sum(1 for kind in self._actors.kinds.values() for _ in iter(lambda: self._do_one(kind), False))  # noqa: B023

    def _declare(self) -> None:
        service = self._actors.service

        def declare(name: str, queue: str, function: Callable[..., None]) -> None:
            dramatiq.Actor(function, broker=self._broker, actor_name=name, queue_name=queue, priority=0, options={})

        declare(f"{service}.{RECEIVE}", events_queue(service), self._receive)
        for kind in self._actors.kinds.values():
            for lane in range(kind.lanes):
                queue = job_queue(service, kind.name, lane)
                self._idle[kind.name, lane] = True
                declare(f"{queue}.{WORK}", queue, self._worker_of(kind, lane))

    # events ---------------------------------------------------------------------------------------------------------

    def _receive(
        self, message_id: str, event_id: str, topic: str, body: dict[str, object], correlation_id: str
    ) -> None:
        with correlated(correlation_id):
            handler = self._actors.handlers.get(topic)
            if handler is None:
                log.error("event without a handler", extra={"topic": topic})
                return
            handler(EVENTS[topic].model_validate(body), Delivery(UUID(message_id), topic, UUID(event_id)))

    # jobs -----------------------------------------------------------------------------------------------------------

    def _worker_of(self, kind: Kind, lane: int) -> Callable[[], None]:
        def work() -> None:
            """Do due jobs of one kind, one after the other, until there are none."""
            self._idle[kind.name, lane] = False
            try:
                while not self._stopping.is_set() and self._do_one(kind):
                    pass
            finally:
                self._idle[kind.name, lane] = True

        return work

    def _do_one(self, kind: Kind) -> bool:
        with database.transaction() as session:
            job = jobs.claim(session, kind.name, kind.lease)
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
            with Lease(job, kind.lease, self._stopping) as lease:
                try:
                    kind.run(lease)
                except Exception as error:
                    return self._after(kind, lease, error)
            if not lease.finished:
                with database.transaction() as session:
                    jobs.finish(session, job)
            return "done"
        except LeaseLost:
            return "lost"
        except database.DatabaseUnavailable:
            return "database-lost"  # the lease lapses and the reaper takes over

    def _after(self, kind: Kind, lease: Lease, error: Exception) -> str:
        """Decide what an attempt that raised comes to."""
        job = lease.job
        if isinstance(error, LeaseLost):
            raise error
        if lease.cancel_requested:
            problem = JobFailed("cancelled", "It was cancelled.")
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
        last_words = str(getattr(error, "stderr", "") or "")
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

    def _keep(self) -> None:
        """Take back lapsed leases, wake lanes for due jobs whose wake-up was lost, do periodic work."""
        tidied = 0.0
        due_at = {id(task): time.monotonic() + random.uniform(0, 5) for task in self._actors.periodic}  # noqa: S311
        while not self._stopping.wait(KEEPER_BEAT):
            try:
                self._reap()
                self._wake_idle_lanes()
                if time.monotonic() - tidied > TIDY_EVERY:
                    tidied = time.monotonic()
                    with database.transaction() as session:
                        jobs.forget_old(session)
                for task in self._actors.periodic:
                    if time.monotonic() >= due_at[id(task)]:
                        due_at[id(task)] = time.monotonic() + task.seconds
                        self._do_periodic(task)
            except (database.DatabaseUnavailable, RedisError) as error:
                log.warning("keeper: a server is unavailable", extra={"error": str(error)})
            except Exception:
                ERRORS.labels(self._actors.service, "keeper").inc()
                log.exception("keeper failed")

    def _reap(self) -> None:
        with database.transaction() as session:
            for job in jobs.lapsed(session):
                kind = self._actors.kinds.get(job.kind)
                log.error("job quarantined", extra={"kind": job.kind, "job_id": str(job.id)})
                JOBS.labels(self._actors.service, job.kind, JobState.QUARANTINED.value).inc()
                if kind is not None and kind.failed is not None:
                    self._tell_quarantined(session, kind.failed, job)

    def _tell_quarantined(self, session: Session, failed: Failed, job: Job) -> None:
        """Tell why a job ended, in a savepoint: where that fails, the other jobs must still be taken back."""
        try:
            with session.begin_nested():
                failed(session, job, INTERRUPTED)
        except OperationalError:
            raise  # passes: the next look finds the job again
        except Exception as error:
            ERRORS.labels(self._actors.service, f"job {job.kind}").inc()
            log.exception("a quarantine could not be told", extra={"job_id": str(job.id)}, exc_info=error)

    def _wake_idle_lanes(self) -> None:
        idle = [lane for lane, is_idle in self._idle.items() if is_idle]
        if not idle:
            return
        with database.transaction() as session:
            due = jobs.some_due(session, {kind for kind, _ in idle})
        for kind, lane in idle:
            if kind in due:
                self._broker.enqueue(wake_message(self._actors.service, kind, lane))

    def _do_periodic(self, task: Periodic) -> None:
        with correlated(None):
            try:
                task.run()
            except database.DatabaseUnavailable:
                raise
            except Exception:
                ERRORS.labels(self._actors.service, task.name).inc()
                log.exception("periodic work failed", extra={"task": task.name})
