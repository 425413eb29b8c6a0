"""A claimed job in the hands of a worker: heartbeat, progress, cancel, fenced finish."""

from __future__ import annotations

import threading
from typing import Any, Self
from uuid import UUID

from sqlalchemy.orm import Session

from libs import database
from libs.bus import jobs
from libs.bus.jobs import Job, LeaseLost
from libs.telemetry import log

__all__ = ["Lease"]

BEAT = 2.0  # seconds between heartbeats at most; also how soon a cancel is noticed


class Lease:
    """The right to work on a job, kept alive by a thread of its own until the block ends."""

    def __init__(self, job: Job, seconds: float, stopping: threading.Event) -> None:
        self.job = job
        self.finished = False
        self._seconds = seconds
        self._stopping = stopping
        self._over = threading.Event()
        self._lost = threading.Event()
        self._cancel = threading.Event()
        self._done, self._total = job.done, job.total
        self._thread = threading.Thread(target=self._beat, name=f"lease-{job.kind}", daemon=True)

    @property
    def job_id(self) -> UUID:
        """The job's id."""
        return self.job.id

    @property
    def subject(self) -> UUID:
        """What it works on."""
        return self.job.subject

    @property
    def owner(self) -> UUID | None:
        """Whose it is."""
        return self.job.owner

    @property
    def params(self) -> dict[str, Any]:
        """What it was queued with."""
        return self.job.params

    @property
    def attempt(self) -> int:
        """Which attempt this is, from 1."""
        return self.job.attempt

    def progress(self, done: float, total: float) -> None:
        """Note progress; the next heartbeat writes it down."""
        self._done, self._total = done, total

    def cancelled(self) -> bool:
        """Tell whether to stop now: cancelled, taken over by another worker, or this worker is shutting down."""
        return self._cancel.is_set() or self._lost.is_set() or self._stopping.is_set()

    @property
    def cancel_requested(self) -> bool:
        """True only if somebody cancelled the job itself."""
        return self._cancel.is_set()

    @property
    def stopping(self) -> bool:
        """True while this worker is shutting down."""
        return self._stopping.is_set()

    def finish(self, session: Session, *, last_words: str = "") -> None:
        """End the job as done, in the transaction of its effect. Raises LeaseLost if it is no longer ours.

        ``last_words``: what a child said whose refusal is the job's effect.
        """
        jobs.finish(session, self.job, last_words=last_words)
        self.finished = True

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._over.wait(min(BEAT, self._seconds / 3)):
            try:
                with database.transaction() as session:
                    if jobs.heartbeat(session, self.job, self._seconds, self._done, self._total):
                        self._cancel.set()
            except LeaseLost:
                if not self._over.is_set():
                    self._lost.set()
                return
            except database.DatabaseUnavailable:
                # The lease may lapse meanwhile; then the next heartbeat finds it lost and the work is thrown away.
                log.warning("heartbeat missed: database unavailable", extra={"job_id": str(self.job.id)})
            except Exception:  # a heart that stops in silence would have the job done twice
                log.exception("heartbeat failed", extra={"job_id": str(self.job.id)})
