"""Files as HTTP answers: ranges, conditions, and the headers that keep a stranger's bytes harmless."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from itertools import chain

from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from libs import storage
from libs.web.problems import PreconditionFailed, RangeNotSatisfiable
from services.stream import naming
from services.stream.operations.delivery import File
from services.stream.selection import Selection, select

__all__ = ["begins", "deliver"]

# Opened by itself, a file can load itself and nothing else, and run nothing. It keeps its origin (and no more) because
# Chromium's own page around a video asks for the bytes again, and may not from an origin of nowhere.
_POLICY = "default-src 'none'; media-src 'self'; img-src 'self'; style-src 'unsafe-inline'; sandbox allow-same-origin"


class _Stream(StreamingResponse):
    """Chunks of the store, one at a time, whose handle is given back however the answer ends.

    The first chunk is read here: what is wrong with the store shows while there still can be another answer.
    """

    def __init__(self, chunks: Iterator[bytes], status: int, headers: dict[str, str], mime: str) -> None:
        self._chunks = chunks
        super().__init__(chain((next(chunks, b""),), chunks), status, headers, mime)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            if isinstance(self._chunks, Generator):
                self._chunks.close()


def begins(request: Request, file: File) -> bool:
    """Tell a play from a look at the headers, from a seek, which begins elsewhere, and from Safari's try of two bytes.

    Asking whether a kept copy is still good, and playing that, is a play too.
    """
    wanted = {name: value for name, value in _headers_of(request).items() if name == "range"}
    span = select(request.method, wanted, file.etag, file.size).span
    whole = span is None or (span.first == 0 and (span.length > 2 or file.size <= 2))
    return whole and request.method == "GET"


def deliver(request: Request, file: File, *, embeddable: bool, download: bool = False) -> Response:
    """Answer with the file, or the part of it that is asked for, streamed from the store.

    ``embeddable``: pages of other sites may show it. ``download``: it is to be saved under its title.
    Raises RangeNotSatisfiable, PreconditionFailed, NotStored.
    """
    headers = _facts(file, embeddable=embeddable)
    if download:
        headers["Content-Disposition"] = naming.attachment(file.title, file.suffix)
    chosen = select(request.method, _headers_of(request), file.etag, file.size)
    if chosen.status == RangeNotSatisfiable.status:
        raise RangeNotSatisfiable(headers=headers | {"Content-Range": f"bytes */{file.size}"})
    if chosen.status == PreconditionFailed.status:
        raise PreconditionFailed(headers=headers)
    if chosen.status == 304:
        return Response(status_code=304, headers=headers)
    return _body(request, file, chosen, headers)


def _headers_of(request: Request) -> dict[str, str]:
    """By lower-case name. One that came twice is a list (RFC 9110, 5.3); two ranges in a row are then nonsense."""
    return {name: ", ".join(request.headers.getlist(name)) for name in set(request.headers)}


def _body(request: Request, file: File, chosen: Selection, headers: dict[str, str]) -> Response:
    """Answer with 200 or 206."""
    offset, length = (chosen.span.first, chosen.span.length) if chosen.span else (0, file.size)
    if chosen.span:
        headers["Content-Range"] = f"bytes {chosen.span.first}-{chosen.span.last}/{file.size}"
    headers["Content-Length"] = str(length)
    if request.method == "HEAD":
        return Response(status_code=chosen.status, headers=headers, media_type=file.mime)
    return _Stream(storage.store().read(file.key, offset, length), chosen.status, headers, file.mime)


def _facts(file: File, *, embeddable: bool) -> dict[str, str]:
    return {
        "ETag": file.etag,
        "Accept-Ranges": "bytes",
        # Kept by the viewer's own browser, and asked about before each use: a revoked link ends there too.
        "Cache-Control": "private, no-cache",
        "Content-Security-Policy": _POLICY,
        "Cross-Origin-Resource-Policy": "cross-origin" if embeddable else "same-site",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Robots-Tag": "noindex",
    }
