"""The states of a job and its legal moves."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["ENDED", "MOVES", "JobState"]


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"  # it can't be done, or was tried often enough
    QUARANTINED = "quarantined"  # its workers vanished three times: somebody should look
    CANCELLED = "cancelled"


ENDED = frozenset({JobState.DONE, JobState.FAILED, JobState.QUARANTINED, JobState.CANCELLED})

MOVES: dict[JobState, frozenset[JobState]] = {
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.CANCELLED}),
    JobState.RUNNING: frozenset(ENDED | {JobState.QUEUED}),
    JobState.DONE: frozenset(),
    JobState.FAILED: frozenset({JobState.QUEUED}),  # retried by hand
    JobState.QUARANTINED: frozenset({JobState.QUEUED}),
    JobState.CANCELLED: frozenset({JobState.QUEUED}),
}
