"""Highlight over HTTP."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, model_validator

from libs.contracts.media import Wishes
from libs.contracts.moments import Moment, Moments
from libs.web import Caller, Internal, Keyed
from libs.web.describing import refuses
from libs.web.problems import Conflict, InsufficientStorage
from services.highlight import operations

router = APIRouter()


class Found(BaseModel):
    """A recording's moments, best first, and how the search for them stands."""

    items: list[Moment]
    engine: str | None
    state: Literal["looking", "found", "nothing"]
    code: str
    detail: str
    wishes: Wishes


class Again(BaseModel):
    """What to look for instead. Fields left out stay as they were; ``append`` keeps what was found before."""

    model_config = ConfigDict(extra="forbid")

    count: Annotated[int, Field(ge=1, le=50)] | None = None
    prompt: Annotated[str, Field(max_length=500)] | None = None
    min_duration: Annotated[float, Field(ge=3, le=600)] | None = None
    max_duration: Annotated[float, Field(ge=5, le=900)] | None = None
    append: bool = False

    @model_validator(mode="after")
    def _in_order(self) -> Again:
        if self.min_duration is not None and self.max_duration is not None and self.min_duration > self.max_duration:
            raise ValueError("min_duration is longer than max_duration")
        return self


@router.get("/v1/media/{media_id}/moments")
def moments(media_id: UUID, caller: Caller) -> Found:
    """Show the moments that were found in a recording of one's own."""
    return Found.model_validate(operations.moments(media_id, caller.require("read")))


@router.post(
    "/v1/media/{media_id}/moments",
    status_code=202,
    responses=refuses({Conflict: "no_speech", InsufficientStorage: "later, when there is more room"}),
)
def look_again(media_id: UUID, wanted: Again, caller: Caller, once: Keyed) -> Found:
    """Look again with other wishes. What is found replaces what was, unless ``append`` is true."""
    wishes: dict[str, Any] = wanted.model_dump(exclude={"append"}, exclude_none=True)
    by = caller.require("write")
    return Found.model_validate(operations.look_again(media_id, by, wishes, append=wanted.append, once=once))


@router.get(
    "/internal/moments/{media_id}", dependencies=[Depends(Internal("render", "catalog"))], include_in_schema=False
)
def moments_for_services(media_id: UUID) -> Moments:
    """Give a recording's moments to a service."""
    return operations.moments_for_services(media_id)
