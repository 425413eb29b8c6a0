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

__all__ = ["deliver", "wanted"]

# Opened by itself, a file can run nothing, load nothing but itself, and belongs to no origin.
_POLICY = "default-src 'none'; media-src 'self'; img-src 'self'; style-src 'unsafe-inline'; sandbox"


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


def wanted(request: Request, file: File) -> Selection:
    """Tell which part of the file the request is for."""
    # A header that came twice is one list (RFC 9110, 5.3); two ranges are then a list of ranges, or nonsense.
    names = {name.lower() for name in request.headers}
    headers = {name: ", ".join(request.headers.getlist(name)) for name in names}
    return select(request.method, headers, file.etag, file.size)


def deliver(request: Request, file: File, *, embeddable: bool, download: bool = False) -> Response:
    """Answer with the file, or the part of it that is asked for, streamed from the store.

    ``embeddable``: pages of other sites may show it. ``download``: it is to be saved under its title.
    Raises RangeNotSatisfiable, PreconditionFailed, NotStored.
    """
    headers = _headers(file, embeddable=embeddable)
    if download:
        headers["Content-Disposition"] = naming.attachment(file.title, file.suffix)
    chosen = wanted(request, file)
    if chosen.status == RangeNotSatisfiable.status:
        raise RangeNotSatisfiable(headers=headers | {"Content-Range": f"bytes */{file.size}"})
    if chosen.status == PreconditionFailed.status:
        raise PreconditionFailed(headers=headers)
    if chosen.status == 304:
        return Response(status_code=304, headers=headers)
    return _body(request, file, chosen, headers)


def _body(request: Request, file: File, chosen: Selection, headers: dict[str, str]) -> Response:
    """Answer with 200 or 206."""
    offset, length = (chosen.span.first, chosen.span.length) if chosen.span else (0, file.size)
    if chosen.span:
        headers["Content-Range"] = f"bytes {chosen.span.first}-{chosen.span.last}/{file.size}"
    headers["Content-Length"] = str(length)
    if request.method == "HEAD":
        return Response(status_code=chosen.status, headers=headers, media_type=file.mime)
    return _Stream(storage.store().read(file.key, offset, length), chosen.status, headers, file.mime)


def _headers(file: File, *, embeddable: bool) -> dict[str, str]:
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
