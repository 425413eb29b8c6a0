"""The library over HTTP."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Query, Response
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from libs.contracts.media import EngineSpan, Origin, Visibility
from libs.web import Caller, OptionalCaller, Principal
from libs.web.describing import refuses
from libs.web.problems import Malformed, NotFound, PreconditionFailed, PreconditionRequired, Unusable
from services.catalog.operations import library
from services.catalog.queries import ANYBODY, Filter, Viewer
from services.catalog.states import Status

router = APIRouter(prefix="/v1/library")

Kind = Literal["recording", "clip"]
Sort = Literal[
    "created_at", "-created_at", "updated_at", "-updated_at", "title", "-title", "duration", "-duration"
]  # as in queries.SORTS

_VERSION = re.compile(r'(?:W/)?"?(\d{1,18})"?')


class Problem(BaseModel):
    """Why there is no result, and in which stage."""

    stage: str
    code: str
    detail: str


class Stage(BaseModel):
    """One stage of the pipeline; ``done`` of ``total`` in ``unit``, ``eta`` in seconds."""

    name: str
    state: Literal["waiting", "running", "done", "failed", "skipped"]
    done: float
    total: float | None
    unit: str
    eta: float | None
    detail: str
    started_at: datetime | None
    finished_at: datetime | None
    engine: list[EngineSpan]


class File(BaseModel):
    """A finished rendition of a clip."""

    rendition_id: UUID
    preset: str
    width: int
    height: int
    duration: float
    size: int
    mime: str


class Transcribed(BaseModel):
    """What is known of a transcript without reading it."""

    engine: str
    model: str
    quality: str
    language: str
    words: int
    speakers: int


class ClipCounts(BaseModel):
    """A recording's clips."""

    planned: int
    ready: int
    failed: int


class Media(BaseModel):
    """A recording or a clip. Times in seconds; ``start`` and ``end`` of a clip count from its recording's start."""

    id: UUID
    kind: Kind
    parent_id: UUID | None
    owner_id: UUID
    title: str
    description: str
    visibility: Visibility
    group_id: UUID | None  # whose members may see it, where the visibility is "group"
    status: Status
    problem: Problem | None
    media_type: Literal["video", "audio"] | None
    duration: float | None
    width: int | None
    height: int | None
    size: int | None
    start: float | None
    end: float | None
    score: float | None
    reason: str | None
    preset: str | None
    transcript: Transcribed | None
    moments: int | None
    chosen_by: str | None
    clips: ClipCounts
    files: list[File]
    stages: list[Stage]
    origin: Origin | None
    original_dropped_at: datetime | None = (
        None  # since when a recording's own file is gone, as the platform's rules say
    )
    views: int
    likes: int
    liked: bool  # by the one who asks
    version: int
    expires_at: datetime | None  # when it will be deleted, if its owner set a time
    created_at: datetime
    updated_at: datetime


class Listed(BaseModel):
    """One page. ``next_cursor`` is null on the last."""

    items: list[Media]
    next_cursor: str | None
    total: int


def _plain(text: str) -> str:
    """One line without control characters."""
    line = " ".join("".join(" " if unicodedata.category(mark) == "Cc" else mark for mark in text).split())
    if not line:
        raise ValueError("nothing is left of it")
    return line


class Edits(BaseModel):
    """What the owner may change; fields left out stay as they are."""

    model_config = ConfigDict(extra="forbid")

    title: Annotated[str, Field(max_length=200), AfterValidator(_plain)] = ""
    description: Annotated[str, Field(max_length=5000)] = ""
    visibility: Visibility = "private"
    group_id: UUID | None = None  # goes with the visibility "group"
    expires_at: AwareDatetime | None = None  # null: it stays


@router.get("")
def listed(
    caller: OptionalCaller,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    cursor: Annotated[str | None, Query(max_length=2000)] = None,
    kind: Kind | None = None,
    parent_id: UUID | None = None,
    status: Status | None = None,
    q: Annotated[str, Query(max_length=200)] = "",
    sort: Sort = "-created_at",
    scope: Literal["mine", "group", "public"] = "mine",
    group_id: UUID | None = None,
) -> Listed:
    """List one's own library, what is for a group that one is in (``group_id``), or what everybody made public."""
    if (scope == "group") != (group_id is not None):
        raise Malformed("Name the group in group_id, with the scope “group” and no other.")
    owner = caller.require("read") if scope != "public" else None
    if group_id is not None and group_id not in caller.groups:
        raise NotFound
    mine = owner if scope == "mine" else None
    wanted = Filter(owner_id=mine, group_id=group_id, kind=kind, parent_id=parent_id, status=status, q=q.strip())
    return Listed.model_validate(library.listed(wanted, caller.acting, sort, cursor, limit))


@router.get("/{media_id}")
def view(media_id: UUID, caller: OptionalCaller, response: Response) -> Media:
    """Show a recording or clip of one's own, of a group of one's own, or one that was made public or unlisted."""
    return _shown(library.view(media_id, viewer_of(caller)), response)


@router.patch(
    "/{media_id}",
    responses=refuses(
        {
            PreconditionFailed: "look again and repeat the change",
            PreconditionRequired: "send If-Match",
            Unusable: "expiry_in_the_past",
        }
    ),
)
def edit(
    media_id: UUID,
    edits: Edits,
    caller: Caller,
    response: Response,
    if_match: Annotated[str | None, Header(max_length=100)] = None,
) -> Media:
    """Change title, description, who may see it, or the time of its deletion.

    ``If-Match`` names the version that was looked at, or ``*`` for any.
    """
    caller.require("write")
    if if_match is None:
        raise PreconditionRequired("Say in If-Match which version you looked at (its ETag), or * for any.")
    changed = edits.model_dump(exclude_unset=True)
    return _shown(library.edit(media_id, caller, changed, _version(if_match)), response)


@router.put("/{media_id}/like")
def like(media_id: UUID, caller: Caller) -> Media:
    """Like a recording or clip that one may see. Liking it twice is liking it once."""
    return Media.model_validate(library.like(media_id, _liker(caller), liked=True))


@router.delete("/{media_id}/like")
def unlike(media_id: UUID, caller: Caller) -> Media:
    """Like it no longer."""
    return Media.model_validate(library.like(media_id, _liker(caller), liked=False))


@router.delete("/{media_id}", status_code=204)
def delete(media_id: UUID, caller: Caller) -> None:
    """Delete a clip, or a recording with all its clips."""
    library.delete(media_id, caller.require("write"))


def viewer_of(caller: Principal) -> Viewer:
    """Who looks. A key that may not read sees what anybody does."""
    known = caller.acting is not None and "read" in caller.scopes
    return Viewer(caller.acting, caller.groups) if known else ANYBODY


def _liker(caller: Principal) -> Viewer:
    return Viewer(caller.require("write"), caller.groups)


def _shown(media: dict[str, Any], response: Response) -> Media:
    response.headers["ETag"] = f'"{media["version"]}"'
    return Media.model_validate(media)


def _version(if_match: str) -> int | None:
    """Read ``"12"``, or ``*`` as None. What is no version of ours matches none."""
    if if_match.strip() == "*":
        return None
    named = _VERSION.fullmatch(if_match.strip())
    if named is None:
        raise PreconditionFailed("This is no version of it; look again and repeat the change.")
    return int(named[1])
