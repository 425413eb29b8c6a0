"""Transcription over HTTP."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Response

from libs.contracts.transcripts import Transcript
from libs.web import Caller, Internal
from libs.web.describing import bare, carries
from services.transcription import operations
from services.transcription.formats import EXPORTS, Export

router = APIRouter()

IfNoneMatch = Annotated[str | None, Header()]
UNCHANGED = bare(304, "It is the one that you have.")


@router.get(
    "/v1/media/{media_id}/transcript",
    response_model=Transcript,
    response_model_exclude={"loudness"},
    responses=UNCHANGED,
)
def transcript(media_id: UUID, caller: Caller, if_none_match: IfNoneMatch = None) -> Response:
    """Show what was said in a recording of one's own: segments with words, and speakers."""
    version, found = operations.transcript(media_id, caller.require("read"))
    body = found.model_dump_json(exclude={"loudness"})
    return _answer(body, "application/json", version, if_none_match)


def _offer(export: Export) -> None:
    """Make the route of one kind of file."""

    @router.get(
        f"/v1/media/{{media_id}}/transcript.{export.suffix}",
        name=f"transcript as {export.suffix}",
        response_class=Response,
        responses=carries(export.media_type) | UNCHANGED,
    )
    def written(media_id: UUID, caller: Caller, if_none_match: IfNoneMatch = None) -> Response:
        version, found = operations.transcript(media_id, caller.require("read"))
        return _answer(export.written(found), export.media_type, version, if_none_match)

    written.__doc__ = export.written.__doc__


for _export in EXPORTS:
    _offer(_export)


@router.get(
    "/internal/transcripts/{media_id}",
    dependencies=[Depends(Internal("highlight", "render", "catalog"))],
    include_in_schema=False,
    response_model=Transcript,
)
def transcript_for_services(media_id: UUID) -> Response:
    """Give a recording's transcript, with its loudness, to a service."""
    # Written out by pydantic-core at once: FastAPI would build the whole of it as Python objects a second time.
    return Response(operations.transcript_for_services(media_id).model_dump_json(), media_type="application/json")


def _answer(body: str, media_type: str, version: UUID, if_none_match: str | None) -> Response:
    """A version never changes, so its id is its entity tag."""
    tag = f'"{version}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    known = {part.strip().removeprefix("W/") for part in (if_none_match or "").split(",")}
    if tag in known or "*" in known:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media_type, headers=headers)
