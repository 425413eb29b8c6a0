"""What whoever runs the platform may see and do about a service's jobs: ``/internal/jobs``, for ``./clipstead jobs``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from libs import bus, database
from libs.bus import Actors, JobState, jobs
from libs.web.access import Internal
from libs.web.problems import Conflict, NotFound

__all__ = ["jobs_router"]

BAD_ENDS = (JobState.FAILED, JobState.QUARANTINED)


def jobs_router(actors: Actors) -> APIRouter:
    """Make the routes for one service's jobs."""
    router = APIRouter(prefix="/internal/jobs", include_in_schema=False, dependencies=[Depends(Internal("gateway"))])

    @router.get("")
    def listed(
        state: Annotated[list[JobState], Query()] = list(BAD_ENDS),  # noqa: B006  FastAPI copies it
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        cursor: UUID | None = None,
    ) -> dict[str, Any]:
        """List jobs, newest first; ``retryable`` says whether somebody may have one done after all."""
        with database.transaction() as session:
            found = jobs.listed(session, state, limit + 1, cursor)
        items = [asdict(job) | {"retryable": _can_be_retried(actors, job)} for job in found[:limit]]
        return {"items": items, "next_cursor": items[-1]["id"] if len(found) > limit else None}

    @router.post("/{job_id}/retry")
    def retry(job_id: UUID) -> dict[str, Any]:
        """Have a job done after all. 404 where there is none that ended badly, 409 where that can't help."""
        with database.transaction() as session:
            job = jobs.take_up(session, job_id)
            if job is None:
                raise NotFound
            kind = actors.kinds.get(job.kind)
            if kind is None or kind.retried is None:
                raise Conflict("This can't be taken up again; hand the recording in anew.", code="not_retryable")
            kind.retried(session, job)
            return asdict(job)

    return router


def _can_be_retried(actors: Actors, job: bus.Job) -> bool:
    kind = actors.kinds.get(job.kind)
    return job.state in BAD_ENDS and kind is not None and kind.retried is not None
