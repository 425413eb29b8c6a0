"""Render over HTTP."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from libs.contracts.media import Preset
from libs.web import Caller, Keyed
from libs.web.describing import refuses
from libs.web.problems import Conflict, Gone, InsufficientStorage, Unusable
from services.render.operations import planning
from services.render.presets import TARGETS

router = APIRouter(prefix="/v1")

Seconds = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]


class NewClip(BaseModel):
    """A span of a recording of one's own, in seconds, and the frame it gets."""

    model_config = ConfigDict(extra="forbid")

    media_id: UUID
    start: Seconds
    end: Seconds
    title: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    preset: Preset | None = None


class File(BaseModel):
    """A clip's file. ``loudness`` in LUFS and ``true_peak`` in dBTP, None where it is silent."""

    rendition_id: UUID
    preset: Preset
    width: int
    height: int
    duration: float
    size: int
    mime: str
    loudness: float | None
    true_peak: float | None


class Problem(BaseModel):
    """Why a clip has no file."""

    code: str
    detail: str


class Clip(BaseModel):
    """A clip: its span of the recording, how far its file is, and the file."""

    id: UUID
    media_id: UUID
    title: str
    start: float
    end: float
    score: float | None
    reason: str
    preset: Preset
    status: Literal["queued", "rendering", "ready", "failed", "dropped"]
    progress: float
    problem: Problem | None
    files: list[File]
    created_at: AwareDatetime


class Page(BaseModel):
    """Clips, newest first."""

    items: list[Clip]
    next_cursor: str | None


@router.post(
    "/clips",
    status_code=202,
    responses=refuses(
        {
            Gone: "the recording's own file was dropped",
            Unusable: "out_of_bounds, too_short or too_long",
            InsufficientStorage: "later, when there is more room",
        }
    ),
)
def plan(wanted: NewClip, caller: Caller, once: Keyed) -> Clip:
    """Have a clip made. Asking again for the same span, frame and title gives the same clip."""
    by = caller.require("write")
    made = planning.plan_by_hand(by, wanted.media_id, wanted.start, wanted.end, wanted.title, wanted.preset, once)
    return Clip.model_validate(made)


@router.get("/clips")
def clips(
    caller: Caller,
    media_id: UUID | None = None,
    cursor: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> Page:
    """List one's own clips, newest first; of one recording if it is named."""
    return Page.model_validate(planning.clips(caller.require("read"), media_id, cursor, limit))


@router.get("/clips/{clip_id}")
def clip(clip_id: UUID, caller: Caller) -> Clip:
    """Show a clip of one's own."""
    return Clip.model_validate(planning.clip(clip_id, caller.require("read")))


@router.post(
    "/clips/{clip_id}/retry",
    status_code=202,
    responses=refuses(
        {
            Conflict: "not_failed or not_retryable",
            Gone: "the recording's own file was dropped",
            InsufficientStorage: "later, when there is more room",
        }
    ),
)
def retry(clip_id: UUID, caller: Caller, once: Keyed) -> Clip:
    """Render again a clip that failed, or whose file the platform's rules took away."""
    return Clip.model_validate(planning.retry(clip_id, caller.require("write"), once))


@router.get("/presets")
def list_presets(caller: Caller) -> list[dict[str, Any]]:
    """The frames that a clip can be made for, with their sizes, limits and safe areas."""
    caller.require("read")
    return [target.public() for target in TARGETS.values()]
