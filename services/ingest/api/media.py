"""A recording in one request: ``multipart/form-data`` (RFC 7578), read as a stream and never held whole in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import BaseModel
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from libs.web import Caller, Keyed
from libs.web.describing import refuses
from libs.web.problems import (
    BadRequest,
    InsufficientStorage,
    Malformed,
    TooLarge,
    TooManyRequests,
    UnsupportedMedia,
    Unusable,
)
from services.ingest.operations.forms import Field, FileBegins, Piece, hand_in
from services.ingest.settings import settings
from services.ingest.states import State

__all__ = ["FormReader", "router"]

_MOST_PARTS = 8
_MOST_HEADERS = 8  # of a part
_HEADER_BYTES = 4 * 1024  # of all headers of a part
_FIELD_BYTES = 64 * 1024
_OVERHEAD = 1 << 20  # bytes of a form beside its file

router = APIRouter(prefix="/v1/media", tags=["uploads"])

_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "title": {"type": "string"},
                        "wishes": {"type": "string", "description": "JSON: how many clips, of what kind"},
                        "file": {"type": "string", "format": "binary"},
                    },
                }
            }
        },
    }
}

_REFUSALS = refuses(
    {
        Unusable: "empty_upload or unsupported_media, or the form can't be read (malformed)",
        TooLarge: "the file is larger than what can be uploaded",
        TooManyRequests: "too many recordings are still on their way",
        InsufficientStorage: "later, when there is more room",
    }
)


class MediaAccepted(BaseModel):
    """A recording that came whole and is being checked."""

    id: UUID
    title: str
    status: State


@router.post("", status_code=201, response_model=MediaAccepted, responses=_REFUSALS, openapi_extra=_FORM)
async def hand_in_form(request: Request, caller: Caller, once: Keyed) -> Any:
    """Take a recording as one form; it is checked after the reply. Its fields and bytes make it the same request."""
    owner = caller.require("upload")
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise UnsupportedMedia("Send the form as it is, without Content-Encoding.")
    length = request.headers.get("Content-Length", "0")
    if length.isdigit() and int(length) > settings().max_upload_size + _OVERHEAD:
        raise TooLarge("The file is larger than what can be uploaded.")
    reader = FormReader(request.headers.get("Content-Type", ""))
    try:
        return await hand_in(owner, reader.pieces(request.stream()), once)
    except ClientDisconnect as error:
        raise BadRequest("The request broke off.", code="broken_off") from error


@dataclass
class _Part:
    """One part of a form while it is being read."""

    headers: dict[str, str] = field(default_factory=dict)
    header_bytes: int = 0
    name: bytearray = field(default_factory=bytearray)
    value: bytearray = field(default_factory=bytearray)
    field_name: str = ""
    body: bytearray | None = None  # of a field; None for a file


class FormReader:
    """Turns a stream of bytes into pieces of a form, within limits on the number and size of everything but the file."""

    def __init__(self, content_type: str) -> None:
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary", b"")
        if kind != b"multipart/form-data" or not 1 <= len(boundary) <= 70:
            raise UnsupportedMedia("Send a form: multipart/form-data with a boundary.")
        self._pieces: list[Piece] = []
        self._part = _Part()
        self._parts = 0
        self._ended = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._part_begins,
                "on_header_field": self._header_name,
                "on_header_value": self._header_value,
                "on_header_end": self._header_ends,
                "on_headers_finished": self._body_begins,
                "on_part_data": self._body,
                "on_part_end": self._part_ends,
                "on_end": self._form_ends,
            },
        )

    async def pieces(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[Piece]:
        """Read a form to its end. Raises Malformed."""
        async for chunk in chunks:
            try:
                self._parser.write(chunk)
            except MultipartParseError as error:
                raise Malformed("The form is not well-formed.") from error
            for piece in self._pieces:
                yield piece
            self._pieces.clear()
        if not self._ended:
            raise Malformed("The form breaks off before its end.")

    def _part_begins(self) -> None:
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise Malformed(f"A form has {_MOST_PARTS} parts at most.")
        self._part = _Part()

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._part.name += data[start:end]
        self._count(end - start)

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._part.value += data[start:end]
        self._count(end - start)

    def _count(self, size: int) -> None:
        self._part.header_bytes += size
        if self._part.header_bytes > _HEADER_BYTES:
            raise Malformed("A part of the form has headers that are too long.")

    def _header_ends(self) -> None:
        part = self._part
        part.headers[part.name.decode("latin-1").lower()] = part.value.decode("utf-8", "replace")
        part.name, part.value = bytearray(), bytearray()
        if len(part.headers) > _MOST_HEADERS:
            raise Malformed("A part of the form has too many headers.")

    def _body_begins(self) -> None:
        kind, options = parse_options_header(self._part.headers.get("content-disposition", "").encode())
        if kind != b"form-data" or b"name" not in options:
            raise Malformed("A part of the form has no name.")
        self._part.field_name = options[b"name"].decode("utf-8", "replace")
        if b"filename" in options or b"filename*" in options:
            self._pieces.append(FileBegins(options.get(b"filename", b"").decode("utf-8", "replace")))
        else:
            self._part.body = bytearray()

    def _body(self, data: bytes, start: int, end: int) -> None:
        body = self._part.body
        if body is None:
            self._pieces.append(data[start:end])
            return
        body += data[start:end]
        if len(body) > _FIELD_BYTES:
            raise Malformed(f"The field “{self._part.field_name[:50]}” is too long.")

    def _part_ends(self) -> None:
        if self._part.body is None:
            return
        try:
            self._pieces.append(Field(self._part.field_name, self._part.body.decode()))
        except UnicodeDecodeError as error:
            raise Malformed(f"The field “{self._part.field_name[:50]}” is not UTF-8.") from error

    def _form_ends(self) -> None:
        self._ended = True
