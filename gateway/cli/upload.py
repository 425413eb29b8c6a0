"""Resumable upload by tus 1.0 (<https://tus.io/protocols/resumable-upload>): a lost connection costs one chunk."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gateway.cli.api import Api, fresh_key
from gateway.cli.problems import PipelineFailed, Refused, Unreachable

__all__ = ["upload"]

CHUNK = 8 << 20  # bytes
TUS = {"Tus-Resumable": "1.0.0"}
ATTEMPTS = 20  # chunks in a row that may get lost


def upload(api: Api, file: Path, title: str, wishes: Mapping[str, Any], progress: Callable[[int, int], None]) -> str:
    """Upload a file and return the recording's id. ``progress`` is told (bytes that are safe, bytes in all)."""
    size = file.stat().st_size
    metadata = {"filename": file.name, "title": title, "wishes": json.dumps(dict(wishes))}
    headers = {**TUS, **fresh_key(), "Upload-Length": str(size), "Upload-Metadata": _metadata(metadata)}
    headers["Content-Type"] = "application/offset+octet-stream"
    created = api.request("POST", "/api/v1/uploads", headers=headers, again=True)
    location = urlsplit(created.headers["Location"]).path
    progress(0, size)
    _send(api, location, file, size, progress)
    return location.rsplit("/", 1)[1]


def _send(api: Api, location: str, file: Path, size: int, progress: Callable[[int, int], None]) -> None:
    offset, lost = 0, 0
    with file.open("rb") as opened:
        while True:
            opened.seek(offset)
            try:
                offset = _send_chunk(api, location, offset, opened.read(CHUNK))
                lost = 0
            except (Unreachable, Refused) as problem:
                lost += 1
                if lost > ATTEMPTS or not _worth_resuming(problem):
                    raise
                offset = _offset(api, location)
            progress(offset, size)
            if offset >= size:
                return


def _worth_resuming(problem: Unreachable | Refused) -> bool:
    """Whether the upload can go on from where it is. Raises PipelineFailed where the recording itself was refused."""
    if isinstance(problem, Refused) and problem.http_status in {415, 422}:
        raise PipelineFailed(str(problem)) from problem
    return isinstance(problem, Unreachable) or problem.http_status in {409, 423}


def _send_chunk(api: Api, location: str, offset: int, data: bytes) -> int:
    """Send one chunk and return how much is safe now. An empty file has one empty chunk."""
    headers = {**TUS, "Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
    # The last chunk is answered only once the recording has been checked.
    reply = api.request("PATCH", location, headers=headers, content=data, timeout=330)
    return int(reply.headers["Upload-Offset"])


def _offset(api: Api, location: str) -> int:
    return int(api.request("HEAD", location, headers=TUS).headers["Upload-Offset"])


def _metadata(values: Mapping[str, str]) -> str:
    return ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in values.items())
