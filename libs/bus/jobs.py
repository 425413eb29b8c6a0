"""Jobs: work that is a row first and a message second.

``queued -> running -> done | failed | quarantined | cancelled``, each move one conditional UPDATE by the database's clock.
A claim counts the attempt before the work starts and takes a lease; finishing needs the same attempt (fencing), so that a
worker that was thought dead can't overwrite its successor's result.

Who goes first: the higher priority, then the lower *turn*. Turns are start-time fair queueing (Goyal, Vin and Cheng 1996)
with jobs of equal weight: an owner's next job comes one turn after their last, and not before the turn that is being served.
So the one job of somebody new stands beside the next of somebody with a hundred, and a claim reads one entry of an index.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, and_, case, delete, func, insert, or_, select, text, update
from sqlalchemy.orm import Session

from libs.bus import inbox
from libs.bus.outbox import wake
from libs.bus.states import ENDED, JobState
from libs.bus.tables import jobs
from libs.database import new_id, now
from libs.patience import backoff
from libs.telemetry import correlation_id

__all__ = [
    "INTERRUPTED",
    "LEASE",
    "MOST_INTERRUPTIONS",
    "Job",
    "JobFailed",
    "LeaseLost",
    "cancel",
    "claim",
    "enqueue",
    "finish",
    "forget_old",
    "heartbeat",
    "jobs_of",
    "lapsed",
    "listed",
    "postpone",
    "postponement",
    "release",
    "requeue",
    "retry",
    "some_due",
    "take_up",
]

KEPT_DAYS = 30  # of ended jobs and of receipts
LEASE = 12.0  # seconds without a heartbeat until others take a job over
MOST_INTERRUPTIONS = 3  # then a job is quarantined
FIRST_POSTPONEMENT, LONGEST_POSTPONEMENT = 2.0, 60.0  # seconds
MOST_POSTPONEMENTS = 64  # then it counts as failing: about an hour


class JobFailed(Exception):
    """The job can't be done and trying again is no use: a stable code and a sentence a person can act on."""

    def __init__(self, code: str, detail: str, *, last_words: str = "") -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.last_words = last_words


INTERRUPTED = JobFailed(
    "interrupted",
    "The work was cut off three times in a row, so it was set aside. An administrator can look and retry.",
)


class LeaseLost(Exception):
    """Somebody else holds the job by now, or it was cancelled: whatever was made must not become visible."""


@dataclass(frozen=True)
class Job:
    """A job as it stands."""

    id: UUID
    kind: str
    subject: UUID
    owner: UUID | None
    params: dict[str, Any]
    state: JobState
    attempt: int
    failures: int
    interruptions: int
    cancel_requested: bool
    done: float
    total: float
    problem_code: str | None
    problem_detail: str | None
    last_words: str | None
    correlation_id: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


_COLUMNS = [jobs.c[name] for name in Job.__annotations__]

_ANEW: dict[str, Any] = {
    "state": JobState.QUEUED,
    "failures": 0,
    "interruptions": 0,
    "cancel_requested": False,
    "run_after": now(),
    "finished_at": None,
    "problem_code": None,
    "problem_detail": None,
    "done": 0,
}
"""What a job that is taken up again by hand begins with."""


def _job(row: Row[Any]) -> Job:
    named = {name: row._mapping[name] for name in Job.__annotations__}  # noqa: SLF001  SQLAlchemy's public name for it
    return Job(**{**named, "state": JobState(row.state)})


def enqueue(
    session: Session,
    *,
    kind: str,
    subject: UUID,
    owner: UUID | None = None,
    params: dict[str, Any] | None = None,
    priority: int = 0,
) -> UUID:
    """Add a job and its wake-up in the caller's transaction."""
    job_id = new_id()
    session.execute(
        insert(jobs).values(
            id=job_id,
            kind=kind,
            subject=subject,
            owner=owner,
            params=params or {},
            priority=priority,
            turn=_next_turn(kind, owner),
            correlation_id=correlation_id(),
        )
    )
    wake(session, kind)
    return job_id


def _next_turn(kind: str, owner: UUID | None) -> Any:
    """One after the owner's last turn that is still open, and not before the one being served."""

    def turn(which: Any, *where: Any) -> Any:
        return select(which).where(jobs.c.kind == kind, *where).scalar_subquery()

    still_open = jobs.c.state.in_((JobState.QUEUED, JobState.RUNNING))
    own = turn(func.max(jobs.c.turn) + 1, still_open, jobs.c.owner.is_not_distinct_from(owner))
    running = turn(func.max(jobs.c.turn), jobs.c.state == JobState.RUNNING)
    queued = turn(func.min(jobs.c.turn), jobs.c.state == JobState.QUEUED)
    return func.greatest(func.coalesce(own, 0), func.coalesce(running, queued, 0))


def claim(session: Session, kind: str, lease: float, limit: int | None = None) -> Job | None:
    """Take the due job of a kind whose turn it is for ``lease`` seconds, or None.

    Workers never wait for each other here, but where a ``limit`` says how many may run at a time on all machines together.
    """
    if limit is not None and _are_running(session, kind) >= limit:
        return None
    due = _due(kind).limit(1).with_for_update(skip_locked=True).scalar_subquery()
    row = session.execute(
        update(jobs)
        .where(jobs.c.id == due, jobs.c.state == JobState.QUEUED)
        .values(
            state=JobState.RUNNING,
            attempt=jobs.c.attempt + 1,
            lease_until=now() + _seconds(lease),
            started_at=func.coalesce(jobs.c.started_at, now()),
        )
        .returning(*_COLUMNS)
    ).first()
    return _job(row) if row else None


def _due(kind: str) -> Select[tuple[UUID]]:
    return (
        select(jobs.c.id)
        .where(jobs.c.state == JobState.QUEUED, jobs.c.kind == kind, jobs.c.run_after <= now())
        .order_by(jobs.c.priority.desc(), jobs.c.turn, jobs.c.run_after)
    )


def _are_running(session: Session, kind: str) -> int:
    """How many of a kind run. Whoever asks has the answer to themselves until their transaction ends."""
    session.execute(
        select(func.pg_advisory_xact_lock(func.hashtextextended(func.concat(func.current_schema(), kind), 0)))
    )
    counted = select(func.count()).where(jobs.c.kind == kind, jobs.c.state == JobState.RUNNING)
    return session.execute(counted).scalar_one()


def heartbeat(session: Session, job: Job, lease: float, done: float, total: float) -> bool:
    """Extend a lease and note progress. True if the job should be cancelled. Raises LeaseLost."""
    row = session.execute(
        update(jobs)
        .where(_held(job))
        .values(lease_until=now() + _seconds(lease), done=done, total=total)
        .returning(jobs.c.cancel_requested)
    ).first()
    if row is None:
        raise LeaseLost(str(job.id))
    return bool(row.cancel_requested)


def finish(
    session: Session,
    job: Job,
    state: JobState = JobState.DONE,
    problem: JobFailed | None = None,
    *,
    last_words: str = "",
) -> None:
    """End a job in the transaction of its effect. Raises LeaseLost, and so undoes the effect, if it is no longer ours."""
    row = session.execute(
        update(jobs)
        .where(_held(job))
        .values(
            state=state,
            lease_until=None,
            finished_at=now(),
            problem_code=problem.code if problem else None,
            problem_detail=problem.detail if problem else None,
            last_words=problem.last_words if problem else last_words or None,
        )
        .returning(jobs.c.id)
    ).first()
    if row is None:
        raise LeaseLost(str(job.id))


def requeue(session: Session, job: Job, wait: float, problem: JobFailed) -> None:
    """Put a job back after an attempt that raised, to be due in ``wait`` seconds. Raises LeaseLost."""
    _put_back(
        session, job, run_after=now() + _seconds(wait), failures=jobs.c.failures + 1, last_words=problem.last_words
    )


def postponement(job: Job) -> float | None:
    """Seconds to put a job back for when something that it needs is away; None once that has gone on for about an hour.

    How often it was put back so is what is left of its attempts when failures and interruptions are taken off.
    """
    times = job.attempt - 1 - job.failures - job.interruptions
    return backoff(times, FIRST_POSTPONEMENT, LONGEST_POSTPONEMENT) if times < MOST_POSTPONEMENTS else None


def postpone(session: Session, job: Job, wait: float) -> None:
    """Put a job back after an attempt that met what is nobody's fault; it counts as no failure. Raises LeaseLost."""
    _put_back(session, job, run_after=now() + _seconds(wait))


def release(session: Session, job: Job) -> None:
    """Put a job back untouched: the worker is being shut down, which is nobody's fault. Raises LeaseLost."""
    _put_back(session, job, run_after=now())
    wake(session, job.kind)


def _put_back(session: Session, job: Job, **values: Any) -> None:
    row = session.execute(
        update(jobs).where(_held(job)).values(state=JobState.QUEUED, lease_until=None, **values).returning(jobs.c.id)
    ).first()
    if row is None:
        raise LeaseLost(str(job.id))


def lapsed(session: Session) -> list[tuple[Job, float]]:
    """Take back the jobs whose workers vanished: queued again, or quarantined after the third time.

    Returns each with the seconds that its lease has been over.
    """
    often = jobs.c.interruptions + 1 >= MOST_INTERRUPTIONS
    gone = (
        select(jobs.c.id, func.extract("epoch", now() - jobs.c.lease_until).label("late"))
        .where(jobs.c.state == JobState.RUNNING, jobs.c.lease_until < now())
        .limit(100)
        .with_for_update(skip_locked=True)
        .cte("gone")
    )
    rows = session.execute(
        update(jobs)
        .where(jobs.c.id == gone.c.id)
        .values(
            state=case((often, JobState.QUARANTINED), else_=JobState.QUEUED),
            finished_at=case((often, now()), else_=None),
            problem_code=case((often, INTERRUPTED.code), else_=None),
            problem_detail=case((often, INTERRUPTED.detail), else_=None),
            interruptions=jobs.c.interruptions + 1,
            lease_until=None,
            run_after=now(),
        )
        .returning(*_COLUMNS, gone.c.late)
    ).all()
    return [(_job(row), float(row.late)) for row in rows]


def forget_old(session: Session) -> None:
    """Remove what ended or was received a month ago: long after anything of it could come again."""
    month = func.make_interval(0, 0, 0, KEPT_DAYS)
    session.execute(delete(jobs).where(jobs.c.state.in_(ENDED), jobs.c.finished_at < now() - month))
    inbox.forget_old(session, KEPT_DAYS)


def some_due(session: Session, kinds: Iterable[str]) -> set[str]:
    """The kinds of which at least one job is due."""
    found = session.execute(
        select(jobs.c.kind)
        .where(jobs.c.state == JobState.QUEUED, jobs.c.kind.in_(list(kinds)), jobs.c.run_after <= now())
        .distinct()
    )
    return set(found.scalars())


def cancel(session: Session, *, subject: UUID, kind: str | None = None) -> int:
    """Cancel a subject's jobs: queued ones at once, running ones as soon as their worker's next heartbeat sees it.

    Returns how many there were.
    """
    which = and_(jobs.c.subject == subject, jobs.c.kind == kind if kind else text("true"))
    waiting = session.execute(
        update(jobs)
        .where(which, jobs.c.state == JobState.QUEUED)
        .values(state=JobState.CANCELLED, finished_at=now(), problem_code="cancelled")
        .returning(jobs.c.id)
    ).all()
    running = session.execute(
        update(jobs).where(which, jobs.c.state == JobState.RUNNING).values(cancel_requested=True).returning(jobs.c.id)
    ).all()
    return len(waiting) + len(running)


def retry(session: Session, *, subject: UUID, kind: str | None = None) -> int:
    """Queue a subject's failed, quarantined or cancelled jobs once more, by hand. Returns how many."""
    rows = session.execute(
        update(jobs)
        .where(
            jobs.c.subject == subject,
            jobs.c.kind == kind if kind else text("true"),
            or_(*(jobs.c.state == state for state in ENDED - {JobState.DONE})),
        )
        .values(**_ANEW)
        .returning(jobs.c.kind)
    ).all()
    for again in {row.kind for row in rows}:
        wake(session, again)
    return len(rows)


def take_up(session: Session, job_id: UUID) -> Job | None:
    """Queue one failed, quarantined or cancelled job once more, by hand. None where there is none such."""
    row = session.execute(
        update(jobs)
        .where(jobs.c.id == job_id, jobs.c.state.in_(ENDED - {JobState.DONE}))
        .values(**_ANEW)
        .returning(*_COLUMNS)
    ).first()
    if row is None:
        return None
    wake(session, row.kind)
    return _job(row)


def listed(session: Session, states: Iterable[JobState], limit: int, before: UUID | None = None) -> list[Job]:
    """Jobs in these states, newest first, from the one before ``before`` on."""
    wanted = select(*_COLUMNS).where(jobs.c.state.in_(list(states)))
    if before is not None:
        wanted = wanted.where(jobs.c.id < before)
    return [_job(row) for row in session.execute(wanted.order_by(jobs.c.id.desc()).limit(limit))]


def jobs_of(session: Session, subject: UUID) -> list[Job]:
    """A subject's jobs, oldest first."""
    found = session.execute(select(*_COLUMNS).where(jobs.c.subject == subject).order_by(jobs.c.created_at, jobs.c.id))
    return [_job(row) for row in found]


def _held(job: Job) -> Any:
    return and_(jobs.c.id == job.id, jobs.c.state == JobState.RUNNING, jobs.c.attempt == job.attempt)


def _seconds(number: float) -> Any:
    return func.make_interval(0, 0, 0, 0, 0, 0, number)
