"""Resumable uploads over HTTP: tus 1.0.0, core, creation, creation-with-upload, expiration and termination.

The protocol: https://tus.io/protocols/resumable-upload
"""

from __future__ import annotations

import base64
import binascii
from email.utils import format_datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from libs.web import Caller, Keyed, idempotency
from libs.web.describing import refuses
from libs.web.problems import (
    BadRequest,
    Conflict,
    Gone,
    InsufficientStorage,
    Locked,
    Malformed,
    PreconditionFailed,
    TooLarge,
    TooManyRequests,
    UnsupportedMedia,
    Unusable,
)
from services.ingest.operations import intake, uploads
from services.ingest.operations.uploads import NewUpload, Upload
from services.ingest.settings import settings

__all__ = ["router"]

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,expiration,termination"
BODY = "application/offset+octet-stream"
LOCATION = "/api/v1/uploads/{}"  # as the gateway has it
_METADATA_LIMIT = 16 * 1024
_BROKEN_OFF = 499  # nobody is there to read it; it stands in the metrics

Length = Annotated[str | None, Header(alias="Upload-Length")]
Offset = Annotated[str | None, Header(alias="Upload-Offset")]
Metadata = Annotated[str, Header(alias="Upload-Metadata")]


def speaks_tus(tus_resumable: Annotated[str | None, Header()] = None) -> None:
    """Refuse other versions of the protocol, as it asks for."""
    if tus_resumable != VERSION:
        raise PreconditionFailed(
            f"Send the header Tus-Resumable: {VERSION}.", code="tus_version", headers={"Tus-Version": VERSION}
        )


router = APIRouter(prefix="/v1/uploads", tags=["uploads"])
spoken = [Depends(speaks_tus)]
VERSIONED = refuses({PreconditionFailed: "tus_version"})
TAKING = VERSIONED | refuses(
    {
        BadRequest: "a header is missing or no number",
        Conflict: "offset_mismatch",
        Gone: "the upload has ended",
        TooLarge: "more bytes than were announced, or than can be uploaded",
        Locked: "upload_in_use",
        InsufficientStorage: "later, when there is more room",
    }
)
ANY_BYTES = {
    "requestBody": {"required": False, "content": {BODY: {"schema": {"type": "string", "format": "binary"}}}},
}


@router.options("", status_code=204)
@router.options("/{upload_id}", status_code=204)
async def discover() -> Response:
    """Tell what this server speaks."""
    headers = {
        "Tus-Resumable": VERSION,
        "Tus-Version": VERSION,
        "Tus-Extension": EXTENSIONS,
        "Tus-Max-Size": str(settings().max_upload_size),
    }
    return Response(status_code=204, headers=headers)


@router.post(
    "",
    status_code=201,
    response_class=Response,
    dependencies=spoken,
    responses=TAKING
    | refuses({Unusable: "empty_upload", TooManyRequests: "too many recordings are still on their way"}),
    openapi_extra=ANY_BYTES,
)
async def create(
    request: Request,
    caller: Caller,
    once: Keyed,
    upload_length: Length = None,
    upload_metadata: Metadata = "",
) -> Response:
    """Announce an upload; a body, if any, is its beginning.

    Length and metadata make it the same request. If that comes again its body is let go; Upload-Offset tells what is safe.
    """
    owner = caller.require("upload")
    if upload_length is None:
        raise BadRequest("Say how long the file is, in the header Upload-Length.", code="length_required")
    metadata = parse_metadata(upload_metadata)
    filename = intake.filename_of(metadata.get("filename", ""))
    wanted = NewUpload(
        length=_number("Upload-Length", upload_length),
        filename=filename,
        title=metadata.get("title", ""),
        wishes=intake.parse_wishes(metadata.get("wishes")),
    )
    once = once.about(length=wanted.length, metadata=metadata)
    upload = await run_in_threadpool(uploads.create, owner, wanted, once)
    if once.replayed:
        reply = _reply(upload, 201)
        reply.headers[idempotency.REPLAYED] = "true"
        return reply
    if request.headers.get("Content-Type") == BODY:
        return await _append(request, owner, upload.id, 0, 201)
    return _reply(upload, 201)


@router.head(
    "/{upload_id}",
    response_class=Response,
    dependencies=spoken,
    responses=VERSIONED | refuses({Gone: "the upload has ended"}),
)
def look(upload_id: UUID, caller: Caller) -> Response:
    """Tell how many bytes are safe."""
    return _reply(uploads.look(caller.require("upload"), upload_id), 200)


@router.patch(
    "/{upload_id}",
    status_code=204,
    dependencies=spoken,
    responses=TAKING,
    openapi_extra=ANY_BYTES,
)
async def append(request: Request, upload_id: UUID, caller: Caller, upload_offset: Offset = None) -> Response:
    """Send bytes from an offset on."""
    owner = caller.require("upload")
    if request.headers.get("Content-Type") != BODY:
        raise UnsupportedMedia(f"Bytes of an upload are sent as {BODY}.")
    if upload_offset is None:
        raise BadRequest("Say where these bytes begin, in the header Upload-Offset.", code="offset_required")
    return await _append(request, owner, upload_id, _number("Upload-Offset", upload_offset), 204)


@router.delete(
    "/{upload_id}",
    status_code=204,
    dependencies=spoken,
    responses=VERSIONED | refuses({Conflict: "it is complete", Gone: "the upload has ended", Locked: "upload_in_use"}),
)
def withdraw(upload_id: UUID, caller: Caller) -> Response:
    """Cancel an upload and drop its bytes."""
    uploads.withdraw(caller.require("upload"), upload_id)
    return Response(status_code=204, headers={"Tus-Resumable": VERSION})


async def _append(request: Request, owner: UUID, upload_id: UUID, offset: int, status: int) -> Response:
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise UnsupportedMedia("Send the bytes as they are, without Content-Encoding.")
    announced = _number("Content-Length", request.headers.get("Content-Length", "0"))
    try:
        upload = await uploads.receive(owner, upload_id, offset, request.stream(), announced)
    except ClientDisconnect:
        return Response(status_code=_BROKEN_OFF)
    return _reply(upload, status)


def _reply(upload: Upload, status: int) -> Response:
    headers = {"Tus-Resumable": VERSION, "Upload-Offset": str(upload.offset), "Cache-Control": "no-store"}
    if status == 201:
        headers["Location"] = LOCATION.format(upload.id)
    if status == 200:
        headers["Upload-Length"] = str(upload.length)
    if upload.expires_at is not None:
        headers["Upload-Expires"] = format_datetime(upload.expires_at, usegmt=True)
    return Response(status_code=status, headers=headers)


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise BadRequest(f"{name} has to be a whole number of bytes.")
    return int(text)


def parse_metadata(header: str) -> dict[str, str]:
    """Read Upload-Metadata: pairs of a key and its value in Base64, separated by commas. Raises Malformed.

    Keys that mean nothing here are read and ignored, because common clients send some.
    """
    if len(header) > _METADATA_LIMIT:
        raise Malformed("Upload-Metadata is too long.")
    found: dict[str, str] = {}
    for pair in header.split(",") if header.strip() else ():
        key, _, value = pair.strip().partition(" ")
        if not key or not key.isascii() or key in found:
            raise Malformed("Upload-Metadata has an empty, foreign or repeated key.")
        try:
            found[key] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise Malformed(f"In Upload-Metadata, “{key}” is not UTF-8 text in Base64.") from error
    return found
