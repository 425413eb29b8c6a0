"""How far a transcription is, told to whoever watches."""

from __future__ import annotations

import time
from collections.abc import Callable
from uuid import UUID

from sqlalchemy.orm import Session

from libs import bus, database
from libs.contracts import events
from libs.telemetry import log
from services.transcription import queries
from services.transcription.settings import settings

__all__ = ["Progress"]

TELL_EVERY = 1.0  # seconds between events

Figures = Callable[[Session], tuple[float, float, float | None]]
"""Seconds of speech done, found, and seconds that it will still take (None where nobody can say)."""


class Progress:
    """Tells progress events about once a second, each in a short transaction, as long as the job is ours."""

    def __init__(self, lease: bus.Lease) -> None:
        self.detail = ""
        self._lease = lease
        self._told_at = float("-inf")

    def begin(self) -> None:
        """Work begins; how much speech there is isn't known yet."""
        self._publish(lambda _: (0.0, 0.0, None))

    def fetching(self, done: float, total: float) -> None:
        """The speech model is being fetched: bytes done of their total (0 where unknown)."""
        share = f", {done / total:.0%}" if total else ""
        self.detail = f"Fetching the speech model “{settings().whisper_model}”{share}"
        if self._due():
            self._publish(lambda _: (0.0, 0.0, None))

    def heard(self, pass_id: UUID, position: int, done: float, speech: float) -> None:
        """``done`` seconds of the ``speech`` in a chunk are heard: that of the whole recording is told."""
        self._lease.progress(done, speech)
        if self._due() or done >= speech:
            self._publish(lambda session: queries.note_heard(session, pass_id, position, min(done, speech)))

    def _due(self) -> bool:
        return time.monotonic() - self._told_at >= TELL_EVERY

    def _publish(self, figures: Figures) -> None:
        self._told_at = time.monotonic()
        try:
            with database.transaction() as session:
                if not self._is_ours(session):
                    return
                done, total, eta = figures(session)
                bus.publish(
                    session,
                    events.TranscriptProgress(
                        media_id=self._lease.subject,
                        done=round(done, 3),
                        total=round(total, 3),
                        eta=eta,
                        detail=self.detail,
                    ),
                )
        except database.DatabaseUnavailable:
            # Hours of listening must not be thrown away because a word about them could not be written down.
            log.warning("progress not told: database unavailable", extra={"media_id": str(self._lease.subject)})

    def _is_ours(self, session: Session) -> bool:
        mine = (self._lease.job_id, self._lease.attempt, bus.JobState.RUNNING)
        return any((job.id, job.attempt, job.state) == mine for job in bus.jobs_of(session, self._lease.subject))
