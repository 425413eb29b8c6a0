"""Transcription over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from libs.contracts.transcripts import Transcript
from libs.web import Caller, Internal
from libs.web.describing import bare, carries, refuses
from libs.web.problems import Conflict, PreconditionFailed, PreconditionRequired, Unusable
from services.transcription.formats import EXPORTS, Export, Options
from services.transcription.operations import editing, reading

router = APIRouter()

IfNoneMatch = Annotated[str | None, Header()]
NO_NUL = r"^[^\x00]*$"  # PostgreSQL takes none
Censor = Annotated[bool, Query(description="Star out swear words.")]
Fillers = Annotated[bool, Query(description="Keep “um” and false starts.")]
UNCHANGED = bare(304, "It is the one that you have.")


@router.get(
    "/v1/media/{media_id}/transcript",
    response_model=Transcript,
    response_model_exclude={"loudness"},
    responses=UNCHANGED,
)
def transcript(media_id: UUID, caller: Caller, if_none_match: IfNoneMatch = None) -> Response:
    """Show what was said in a recording of one's own: segments with words, and speakers.

    While it is being heard, what was heard so far: then ``complete`` is false, and there are no speakers yet.
    """
    tag, found = reading.transcript(media_id, caller.require("read"), partly=True)
    return _answer(_json(found), "application/json", tag, if_none_match)


def _offer(export: Export) -> None:
    """Make the route of one kind of file."""

    @router.get(
        f"/v1/media/{{media_id}}/transcript.{export.suffix}",
        name=f"transcript as {export.suffix}",
        response_class=Response,
        responses=carries(export.media_type) | UNCHANGED,
    )
    def written(
        media_id: UUID,
        caller: Caller,
        censor: Censor = False,
        fillers: Fillers = True,
        if_none_match: IfNoneMatch = None,
    ) -> Response:
        tag, found = reading.transcript(media_id, caller.require("read"))
        body = export.written(found, Options(censor=censor, fillers=fillers))
        return _answer(body, export.media_type, tag, if_none_match)

    written.__doc__ = export.written.__doc__


for _export in EXPORTS:
    _offer(_export)


class Hit(BaseModel):
    """A segment in which something was found. ``at``: when the first word that matches is said, in seconds."""

    media_id: UUID
    segment: UUID
    start: float
    end: float
    at: float
    speaker: str | None  # a name
    text: str
    words: list[int]  # which of the words between spaces match, from 0


class Found(BaseModel):
    """One page. ``next_cursor`` is null on the last."""

    items: list[Hit]
    next_cursor: str | None


@router.get("/v1/transcripts/search")
def search(
    caller: Caller,
    q: Annotated[str, Query(min_length=1, max_length=200, pattern=NO_NUL, description="Words, “phrases”, or, -not.")],
    media_id: Annotated[UUID | None, Query(description="In this recording alone.")] = None,
    speaker: Annotated[
        str | None, Query(max_length=100, pattern=NO_NUL, description="Only what somebody of this name says.")
    ] = None,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> Found:
    """Search what was said in one's own recordings: the newest recording first, and in each by time."""
    owner = caller.require("read")
    return Found.model_validate(
        reading.search(owner, q, media_id=media_id, speaker=speaker, cursor=cursor, limit=limit)
    )


@router.get(
    "/internal/transcripts/{media_id}",
    dependencies=[Depends(Internal("highlight", "render", "catalog"))],
    include_in_schema=False,
    response_model=Transcript,
)
def transcript_for_services(media_id: UUID) -> Response:
    """Give a recording's transcript, with its loudness, to a service."""
    # Written out by pydantic-core at once: FastAPI would build the whole of it as Python objects a second time.
    return Response(reading.transcript_for_services(media_id).model_dump_json(), media_type="application/json")


class Wanted(BaseModel):
    """A change that is asked for, and nothing besides."""

    model_config = ConfigDict(extra="forbid")


class Text(Wanted):
    """Other words in a segment. Those that stay keep their times, new ones share the time of what they replace."""

    kind: Literal["text"]
    segment: UUID
    text: Annotated[str, Field(min_length=1, max_length=10_000)]


class Attribution(Wanted):
    """Somebody else says a segment: a label, "new" for a voice that has none yet, or null for nobody in particular."""

    kind: Literal["speaker"]
    segment: UUID
    speaker: Annotated[str, Field(max_length=20)] | None


class Split(Wanted):
    """Two segments of one. ``word`` is the index, from 0, of the first word of the second."""

    kind: Literal["split"]
    segment: UUID
    word: Annotated[int, Field(ge=1, le=100_000)]


class Merge(Wanted):
    """Join the next segment to this one."""

    kind: Literal["merge"]
    segment: UUID


class Replacement(Wanted):
    """Find and replace in all segments. An empty ``replace`` takes words out."""

    kind: Literal["replace"]
    find: Annotated[str, Field(min_length=1, max_length=200)]
    replace: Annotated[str, Field(max_length=200)]
    match_case: bool = False
    whole_words: bool = True


class Renaming(Wanted):
    """A name for a speaker."""

    kind: Literal["rename"]
    speaker: Annotated[str, Field(max_length=20)]
    name: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]*\S[^\x00-\x1f\x7f]*$")]


class Unification(Wanted):
    """Two speakers are one: what the first says, the second says."""

    kind: Literal["unite"]
    speaker: Annotated[str, Field(max_length=20)]
    into: Annotated[str, Field(max_length=20)]


class Review(Wanted):
    """Somebody has read it all, and it is right; or not any longer. This is no change that is undone."""

    kind: Literal["review"]
    reviewed: bool


Change = Annotated[
    Text | Attribution | Split | Merge | Replacement | Renaming | Unification | Review, Field(discriminator="kind")
]


class Made(BaseModel):
    """A change that was made."""

    number: int
    kind: str
    summary: str
    made_at: datetime
    undone: bool


EDITABLE = refuses(
    {
        PreconditionFailed: "look again and repeat the change",
        PreconditionRequired: "send If-Match",
        Conflict: "nothing_left, not_found_in_text",
        Unusable: "a sentence says what can't be done",
    }
)
IfMatch = Annotated[str | None, Header(max_length=100)]


@router.post(
    "/v1/media/{media_id}/transcript/edits",
    response_model=Transcript,
    response_model_exclude={"loudness"},
    responses=EDITABLE,
)
def edit(media_id: UUID, change: Change, caller: Caller, if_match: IfMatch = None) -> Response:
    """Put something right. ``If-Match`` names the version that was looked at (its ETag), or ``*`` for any.

    Answers with the transcript as it is then.
    """
    owner, wanted = caller.require("write"), change.model_dump()
    return _edited(*editing.change(media_id, owner, _tag(if_match), wanted.pop("kind"), **wanted))


@router.get("/v1/media/{media_id}/transcript/edits")
def edits(media_id: UUID, caller: Caller) -> list[Made]:
    """List what was put right, newest first; of the last 200 changes."""
    return [Made.model_validate(made) for made in editing.history(media_id, caller.require("read"))]


@router.post(
    "/v1/media/{media_id}/transcript/undo",
    response_model=Transcript,
    response_model_exclude={"loudness"},
    responses=EDITABLE,
)
def undo(media_id: UUID, caller: Caller, if_match: IfMatch = None) -> Response:
    """Take the last change back."""
    return _edited(*editing.undo(media_id, caller.require("write"), _tag(if_match)))


@router.post(
    "/v1/media/{media_id}/transcript/redo",
    response_model=Transcript,
    response_model_exclude={"loudness"},
    responses=EDITABLE,
)
def redo(media_id: UUID, caller: Caller, if_match: IfMatch = None) -> Response:
    """Make the change again that was taken back last."""
    return _edited(*editing.redo(media_id, caller.require("write"), _tag(if_match)))


def _tag(if_match: str | None) -> str | None:
    """Read an entity tag, or ``*`` as None."""
    if if_match is None:
        raise PreconditionRequired("Say in If-Match which version you looked at (its ETag), or * for any.")
    named = if_match.strip().removeprefix("W/").strip('"')
    return None if named == "*" else named


def _json(found: Transcript) -> str:
    return found.model_dump_json(exclude={"loudness"})


def _edited(tag: str, found: Transcript) -> Response:
    return _answer(_json(found), "application/json", tag, None)


def _answer(body: str, media_type: str, tag: str, if_none_match: str | None) -> Response:
    tag = f'"{tag}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    known = {part.strip().removeprefix("W/") for part in (if_none_match or "").split(",")}
    if tag in known or "*" in known:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media_type, headers=headers)
