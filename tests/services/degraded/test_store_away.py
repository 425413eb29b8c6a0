"""The object store is away: who plays is told so, what breaks off shows that it did, and work waits for it."""

from __future__ import annotations

import errno
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import httpx
import pytest

from libs import storage
from libs.contracts import events
from libs.contracts.media import Original, Wishes
from libs.database import new_id
from libs.storage import s3 as s3_module
from tests.factories.faultproxy import Blackhole, Clear, Cut, FaultProxy, Reset
from tests.factories.recordings import tone
from tests.factories.s3 import s3_server
from tests.factories.services import UnderTest

ME = new_id()
TUS = {"Tus-Resumable": "1.0.0"}
LARGE = os.urandom(1 << 20) * 32  # more than the sockets on the way take in


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with s3_server() as url:
        yield url


@pytest.fixture
def proxy(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultProxy]:
    for name in ("CONNECT", "ANSWER", "WRITE"):
        monkeypatch.setattr(s3_module, name, 0.5)  # a tenth of what they are
    parts = urlsplit(server)
    with FaultProxy(str(parts.hostname), parts.port or 80) as made:
        yield made
        made.fault = Reset()


@pytest.fixture
def behind(start: Callable[..., UnderTest], server: str, proxy: FaultProxy) -> Callable[..., UnderTest]:
    """Start a service whose way to the store is the proxy."""

    def begin(name: str, **environment: str) -> UnderTest:
        parts = urlsplit(server)
        place = f"{parts.username}:{parts.password}@127.0.0.1:{proxy.port}"
        url = parts._replace(netloc=place, path=f"/test-{uuid4().hex[:12]}").geturl()
        return start(name, CLIPSTEAD_STORAGE_URL=url, CLIPSTEAD_DISK_RESERVE="0", **environment)

    return begin


def upload(ingest: UnderTest, data: bytes) -> str:
    created = ingest.call("POST", "/v1/uploads", by=ME, headers=TUS | {"Upload-Length": str(len(data))})
    path: str = created.headers["Location"].removeprefix("/api")
    return path


def patch(ingest: UnderTest, path: str, offset: int, data: bytes) -> httpx.Response:
    headers = TUS | {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
    return ingest.call("PATCH", path, by=ME, headers=headers, content=data)


@pytest.mark.parametrize("fault", [Reset(), Blackhole(), Cut(after=0)], ids=["resets", "hangs", "ends"])
def test_uploads_are_taken_and_their_check_waits(
    behind: Callable[..., UnderTest], proxy: FaultProxy, fault: Any
) -> None:
    ingest = behind("ingest")
    proxy.fault = fault
    data = tone(1)
    path = upload(ingest, data)
    assert patch(ingest, path, 0, data).status_code == 204
    media_id = UUID(path.rpartition("/")[2])
    for _ in range(5):  # more than a failing job gets
        ingest.execute("UPDATE jobs SET run_after = clock_timestamp()")
        assert ingest.do_jobs() == 1
    assert ingest.rows("SELECT state, failures, attempt FROM jobs") == [("queued", 0, 5)]
    assert ingest.told(events.MediaRejected) == []

    proxy.fault = Clear()
    until = time.monotonic() + 20
    while ingest.rows("SELECT state FROM jobs") != [("done",)]:
        assert time.monotonic() < until
        ingest.execute("UPDATE jobs SET run_after = clock_timestamp() WHERE state = 'queued'")
        ingest.do_jobs()
    [received] = ingest.told(events.MediaReceived)
    assert isinstance(received, events.MediaReceived)
    assert received.media_id == media_id
    assert hashlib.sha256(b"".join(storage.store().read(received.original.object_key))).digest() == (
        hashlib.sha256(data).digest()
    )


@pytest.fixture
def playing(behind: Callable[..., UnderTest]) -> tuple[UnderTest, str]:
    """A stream service with one large recording in it, and the path of a share."""
    stream = behind("stream", CLIPSTEAD_LINK_SECRET="l" * 32)
    media_id = new_id()
    key = storage.new_key("originals", media_id, ".mp4")
    stored = storage.store().put(key, [LARGE], "video/mp4")
    original = Original(
        media_id=media_id,
        owner_id=ME,
        title="Episode 12",
        object_key=key,
        size=stored.size,
        sha256=stored.sha256,
        container="mov",
        mime="video/mp4",
        duration=61.4,
        has_audio=True,
        has_video=True,
        width=1920,
        height=1080,
        fps=25.0,
    )
    stream.tell(events.MediaReceived(media_id=media_id, owner_id=ME, original=original, wishes=Wishes()))
    share = stream.call("POST", "/v1/shares", by=ME, json={"media_id": str(media_id)})
    return stream, urlsplit(share.json()["url"]).path + "/media"


def test_a_reply_that_the_store_breaks_off_is_visibly_unfinished(
    playing: tuple[UnderTest, str], proxy: FaultProxy
) -> None:
    stream, path = playing
    with stream.call.http.stream("GET", path) as reply:
        assert reply.status_code == 200
        assert reply.headers["content-length"] == str(len(LARGE))
        chunks = reply.iter_raw()
        came = [len(next(chunks))]
        proxy.fault = Cut(after=100_000)
        with pytest.raises(httpx.RemoteProtocolError):
            came.extend(map(len, chunks))
    assert sum(came) < len(LARGE)


def test_who_wants_to_play_is_told_to_come_back(playing: tuple[UnderTest, str], proxy: FaultProxy) -> None:
    stream, path = playing
    proxy.fault = Reset()
    for _ in range(4):
        reply = stream.call.http.get(path)
        assert (reply.status_code, reply.headers["content-type"]) == (503, "application/problem+json")
        assert int(reply.headers["retry-after"]) > 0
    started = time.monotonic()
    assert stream.call.http.get(path).status_code == 503
    assert time.monotonic() - started < 0.3  # nobody waits any longer
    assert stream.call.http.get(path.removesuffix("/media")).status_code == 200  # the page itself needs no store


@pytest.mark.parametrize("every", [0.0, 60.0], ids=["in the middle", "at the end"])
def test_bytes_that_could_not_be_synced_are_sent_again(
    start: Callable[..., UnderTest], monkeypatch: pytest.MonkeyPatch, every: float
) -> None:
    from services.ingest.operations import uploads

    monkeypatch.setattr(uploads, "_SETTLE_EVERY", every)
    ingest = start("ingest", CLIPSTEAD_DISK_RESERVE="0")
    data = tone(2)
    path = upload(ingest, data)
    half = len(data) // 2
    assert patch(ingest, path, 0, data[:half]).status_code == 204

    real, failures = os.fsync, [OSError(errno.EIO, "Input/output error")]

    def sync(handle: int) -> None:
        if failures:
            raise failures.pop()
        real(handle)  # as the system does it: the next time it succeeds, without the bytes

    monkeypatch.setattr(os, "fsync", sync)
    refused = patch(ingest, path, half, data[half:])
    assert refused.status_code == 503
    assert failures == []
    assert ingest.call("HEAD", path, by=ME, headers=TUS).headers["Upload-Offset"] == str(half)
    assert patch(ingest, path, half, data[half:]).status_code == 204
    assert ingest.do_jobs() == 1
    [received] = ingest.told(events.MediaReceived)
    assert isinstance(received, events.MediaReceived)
    assert received.original.sha256 == hashlib.sha256(data).hexdigest()
