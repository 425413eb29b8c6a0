"""What signed-in people ask: to play something, and to give it away."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from libs.web import Caller, Keyed, OptionalCaller
from libs.web.describing import refuses
from libs.web.problems import Gone
from services.stream.operations import playback, sharing
from services.stream.settings import SHARE_LONGEST, SHARE_SHORTEST

__all__ = ["router"]

router = APIRouter(prefix="/v1")


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PlaybackRequest(_Request):
    """What to play."""

    media_id: UUID


class PlaybackView(BaseModel):
    """A signed address for a few hours; its type, size in pixels (0 without a picture) and seconds."""

    model_config = ConfigDict(from_attributes=True)

    url: str
    mime: str
    expires_at: datetime
    width: int
    height: int
    duration: float
    poster_url: str | None


class ShareRequest(_Request):
    """What to give away, and for how many seconds; without any, for the platform's default."""

    media_id: UUID
    expires_in: Annotated[int, Field(ge=SHARE_SHORTEST, le=SHARE_LONGEST)] | None = None


class ShareView(BaseModel):
    """A share link."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    url: str
    media_id: UUID
    created_at: datetime
    expires_at: datetime
    views: int
    revoked_at: datetime | None


class ShareList(BaseModel):
    """A page of share links, newest first."""

    items: list[ShareView]
    next_cursor: UUID | None


DROPPED = refuses({Gone: "the file was dropped, as the platform's rules say"})


@router.post("/playback", responses=DROPPED)
def play(wanted: PlaybackRequest, caller: OptionalCaller) -> PlaybackView:
    """Get an address to play a recording or clip from."""
    return PlaybackView.model_validate(playback.grant(wanted.media_id, caller))


@router.post("/shares", status_code=201, responses=DROPPED)
def share(wanted: ShareRequest, caller: Caller, once: Keyed) -> ShareView:
    """Make a link that anybody may watch by, until it expires or is revoked."""
    return ShareView.model_validate(sharing.share(wanted.media_id, wanted.expires_in, caller, once))


@router.get("/shares")
def shares(
    caller: Caller,
    media_id: UUID,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    cursor: UUID | None = None,
) -> ShareList:
    """List the links to a recording or clip."""
    found, following = sharing.links_of(media_id, caller, limit=limit, before=cursor)
    return ShareList(items=[ShareView.model_validate(link) for link in found], next_cursor=following)


@router.delete("/shares/{share_id}", status_code=204)
def revoke(share_id: UUID, caller: Caller) -> None:
    """Revoke a link for good."""
    sharing.revoke(share_id, caller)
