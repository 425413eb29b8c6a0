"""How far a transcription is, told to whoever watches."""

from __future__ import annotations

import time

from sqlalchemy.orm import Session

from libs import bus, database
from libs.contracts import events
from libs.telemetry import log
from services.transcription.settings import settings

__all__ = ["Progress"]

TELL_EVERY = 1.0  # seconds between events


class Progress:
    """Tells progress events about once a second, each in a short transaction, as long as the job is ours."""

    def __init__(self, lease: bus.Lease) -> None:
        self.detail = ""
        self._lease = lease
        self._told_at = float("-inf")
        self._listening_since: float | None = None

    def begin(self) -> None:
        """Work begins; how much speech there is isn't known yet."""
        self._publish(0.0, 0.0, None)

    def fetching(self, done: float, total: float) -> None:
        """The speech model is being fetched: bytes done of their total (0 where unknown)."""
        share = f", {done / total:.0%}" if total else ""
        self.detail = f"Fetching the speech model “{settings().whisper_model}”{share}"
        if self._due():
            self._publish(0.0, 0.0, None)

    def tell(self, done: float, total: float) -> None:
        """Seconds of speech done and found. The first call, with ``done`` 0, is always told."""
        self._lease.progress(done, total)
        if self._listening_since is None:
            self._listening_since = time.monotonic()
            self._publish(done, total, None)
        elif self._due():
            spent = time.monotonic() - self._listening_since
            self._publish(done, total, round(spent / done * (total - done), 1) if done > 0 else None)

    def _due(self) -> bool:
        return time.monotonic() - self._told_at >= TELL_EVERY

    def _publish(self, done: float, total: float, eta: float | None) -> None:
        self._told_at = time.monotonic()
        event = events.TranscriptProgress(
            media_id=self._lease.subject,
            done=round(done, 3),
            total=round(total, 3),
            eta=eta,
            detail=self.detail,
        )
        try:
            with database.transaction() as session:
                if self._is_ours(session):
                    bus.publish(session, event)
        except database.DatabaseUnavailable:
            # Hours of listening must not be thrown away because a word about them could not be written down.
            log.warning("progress not told: database unavailable", extra={"media_id": str(self._lease.subject)})

    def _is_ours(self, session: Session) -> bool:
        mine = (self._lease.job_id, self._lease.attempt, bus.JobState.RUNNING)
        return any((job.id, job.attempt, job.state) == mine for job in bus.jobs_of(session, self._lease.subject))
