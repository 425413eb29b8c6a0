"""The story of an upload: announced, sent in pieces, cut, resumed, checked. Real HTTP, real PostgreSQL."""

import base64
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import pytest
from prometheus_client import REGISTRY

from infra.onehost.servers import free_port
from libs import storage
from libs.contracts import events
from libs.database import new_id
from tests.factories.services import UnderTest
from tests.services.ingest.conftest import Make, picture, sound

ME, OTHER = new_id(), new_id()
TUS = {"Tus-Resumable": "1.0.0"}
BODY = {"Content-Type": "application/offset+octet-stream"}


@pytest.fixture
def ingest(start: Callable[..., UnderTest]) -> UnderTest:
    return start("ingest", CLIPSTEAD_DISK_RESERVE="0", CLIPSTEAD_UPLOAD_IDLE="3")


@pytest.fixture(scope="module")
def large(make: Make) -> Path:
    """A recording of some megabytes, of noise that compresses badly."""
    return make("large.wav", "-f", "lavfi", "-i", "anoisesrc=d=60:r=48000")


def metadata(**values: str) -> dict[str, str]:
    pairs = (f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in values.items())
    return {"Upload-Metadata": ",".join(pairs)}


def announce(ingest: UnderTest, length: int, by: UUID = ME, headers: dict[str, str] | None = None, **named: str) -> str:
    extra = {"Upload-Length": str(length), **metadata(**({"filename": "talk.mp4"} | named)), **(headers or {})}
    reply = ingest.call("POST", "/v1/uploads", by=by, headers=TUS | extra)
    assert reply.status_code == 201, reply.text
    location = reply.headers["Location"]
    assert location.startswith("/api/v1/uploads/")
    return location.removeprefix("/api")


def patch(ingest: UnderTest, path: str, offset: int, data: Any, by: UUID = ME) -> httpx.Response:
    return ingest.call("PATCH", path, by=by, headers=TUS | BODY | {"Upload-Offset": str(offset)}, content=data)


def head(ingest: UnderTest, path: str, by: UUID = ME) -> httpx.Response:
    return ingest.call("HEAD", path, by=by, headers=TUS)


def offset(ingest: UnderTest, path: str) -> int:
    return int(head(ingest, path).headers["Upload-Offset"])


def eventually(condition: Callable[[], bool], limit: float = 15) -> None:
    until = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < until, "it did not come true in time"
        threading.Event().wait(0.02)


def media_id(path: str) -> UUID:
    return UUID(path.rpartition("/")[2])


def resumed() -> float:
    return REGISTRY.get_sample_value("upload_resume_total") or 0.0


def test_an_upload_from_announcement_to_original(ingest: UnderTest, video: Path) -> None:
    data, before = video.read_bytes(), resumed()
    wishes = json.dumps({"count": 2, "preset": "reels"})
    path = announce(ingest, len(data), title="My talk", wishes=wishes)
    first = head(ingest, path)
    assert (first.status_code, first.headers["Upload-Offset"], first.headers["Upload-Length"]) == (
        200,
        "0",
        str(len(data)),
    )
    assert first.headers["Cache-Control"] == "no-store"
    assert "Upload-Expires" in first.headers

    half = len(data) // 2
    reply = patch(ingest, path, 0, data[:half])
    assert (reply.status_code, reply.headers["Upload-Offset"]) == (204, str(half))
    assert offset(ingest, path) == half
    assert patch(ingest, path, half, data[half:]).headers["Upload-Offset"] == str(len(data))
    assert offset(ingest, path) == len(data)
    assert patch(ingest, path, len(data), b"").status_code == 204  # the last reply got lost: asking again is fine
    assert resumed() == before  # pieces that each came whole are no break

    assert ingest.do_jobs() == 1
    [received] = ingest.told(events.MediaReceived)
    assert isinstance(received, events.MediaReceived)
    original = received.original
    assert (original.title, original.container, original.width, original.height) == ("My talk", "mov", 160, 90)
    assert original.sha256 == hashlib.sha256(data).hexdigest()
    assert b"".join(storage.store().read(original.object_key)) == data
    assert (received.wishes.count, received.wishes.preset) == (2, "reels")
    assert [span.engine for span in received.engine] == ["ffmpeg probe"]
    told = [event.name for event in ingest.told()]
    assert told[0] == "media.announced"
    assert told[-1] == "media.received"
    assert list((ingest.home / "work/ingest/uploads").iterdir()) == []

    internal = ingest.call("GET", f"/internal/originals/{media_id(path)}", issuer="render", by=None)
    assert internal.json() == original.model_dump(mode="json")
    assert ingest.call("GET", f"/internal/originals/{media_id(path)}", issuer="gateway", by=ME).status_code == 403
    assert ingest.do_jobs() == 0


def test_options_tell_what_is_spoken(ingest: UnderTest) -> None:
    reply = ingest.call("OPTIONS", "/v1/uploads")
    assert reply.status_code == 204
    assert reply.headers["Tus-Version"] == "1.0.0"
    assert reply.headers["Tus-Extension"] == "creation,creation-with-upload,expiration,termination"
    assert int(reply.headers["Tus-Max-Size"]) == 10 << 30


def test_creation_with_upload(ingest: UnderTest, video: Path) -> None:
    data = video.read_bytes()
    headers = TUS | BODY | {"Upload-Length": str(len(data))} | metadata(filename="a.mp4")
    reply = ingest.call("POST", "/v1/uploads", by=ME, headers=headers, content=data[:1000])
    assert (reply.status_code, reply.headers["Upload-Offset"]) == (201, "1000")
    assert patch(ingest, reply.headers["Location"].removeprefix("/api"), 1000, data[1000:]).status_code == 204


def test_a_cut_upload_goes_on_from_another_connection(ingest: UnderTest, large: Path) -> None:
    data, before = large.read_bytes(), resumed()
    path = announce(ingest, len(data))
    arrived = 3_000_000
    with raw_patch(ingest, path, 0, len(data)) as line:
        line.sendall(data[:arrived])
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    eventually(lambda: offset(ingest, path) > 0)
    eventually(lambda: patch(ingest, path, 0, b"").status_code != 423)
    kept = offset(ingest, path)
    assert 0 < kept <= arrived
    with httpx.Client(base_url=ingest.url, trust_env=False, timeout=30) as another:

        def more(begin: int, end: int | None) -> int:
            headers = ingest.call.headers(ME, method="PATCH", path=path) | TUS | BODY | {"Upload-Offset": str(begin)}
            return another.patch(path, headers=headers, content=data[begin:end]).status_code

        assert more(kept, kept + 1000) == 204
        assert more(kept + 1000, None) == 204
    assert resumed() == before + 1  # the piece after that only followed
    ingest.do_jobs()
    [received] = ingest.told(events.MediaReceived)
    assert isinstance(received, events.MediaReceived)
    assert received.original.sha256 == hashlib.sha256(data).hexdigest()


def raw_patch(ingest: UnderTest, path: str, at: int, length: int, by: UUID = ME) -> socket.socket:
    """Begin a PATCH on a bare socket, to be left in any state."""
    parts = urlsplit(ingest.url)
    line = socket.create_connection((parts.hostname or "", parts.port or 0))
    headers = ingest.call.headers(by, method="PATCH", path=path) | TUS | BODY
    headers |= {"Upload-Offset": str(at), "Content-Length": str(length)}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    line.sendall(f"PATCH {path} HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode())
    return line


def test_one_request_at_a_time(ingest: UnderTest, large: Path) -> None:
    data, before = large.read_bytes(), resumed()
    path = announce(ingest, len(data))
    with raw_patch(ingest, path, 0, len(data)) as line:
        line.sendall(data[:100_000])
        part = ingest.home / f"work/ingest/uploads/{media_id(path)}.part"
        eventually(part.exists)
        refused = patch(ingest, path, 0, data[:10])
        assert refused.json()["code"] == "upload_in_use"
        # A client that falls silent without closing loses its hold.
        eventually(lambda: patch(ingest, path, 100_000, b"").status_code == 204)
    assert offset(ingest, path) == 100_000
    assert resumed() == before + 1


def test_many_at_once_write_each_byte_once(ingest: UnderTest, large: Path) -> None:
    data = large.read_bytes()
    path = announce(ingest, len(data))
    statuses: list[int] = []

    def send() -> None:
        with httpx.Client(base_url=ingest.url, trust_env=False, timeout=30) as line:
            headers = ingest.call.headers(ME, method="PATCH", path=path) | TUS | BODY | {"Upload-Offset": "0"}
            try:
                statuses.append(line.patch(path, headers=headers, content=data).status_code)
            except httpx.TransportError:  # refused before the body was taken
                statuses.append(423)

    senders = [threading.Thread(target=send) for _ in range(6)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert statuses.count(204) == 1
    assert set(statuses) <= {204, 409, 423}
    ingest.do_jobs()
    [received] = ingest.told(events.MediaReceived)
    assert isinstance(received, events.MediaReceived)
    assert received.original.sha256 == hashlib.sha256(data).hexdigest()


def test_wrong_offsets_versions_and_types(ingest: UnderTest) -> None:
    path = announce(ingest, 1000)
    wrong = patch(ingest, path, 10, b"x")
    assert (wrong.status_code, wrong.json()["code"], wrong.headers["Upload-Offset"]) == (409, "offset_mismatch", "0")
    assert patch(ingest, path, 0, bytes(1001)).status_code == 413
    assert patch(ingest, path, 0, (bytes(600) for _ in range(2))).status_code == 413  # chunked: no length announced
    assert offset(ingest, path) in {0, 600}
    plain = ingest.call("PATCH", path, by=ME, headers=TUS | {"Upload-Offset": "0"}, content=b"x")
    assert plain.status_code == 415
    missing = ingest.call("HEAD", path, by=ME)
    assert (missing.status_code, missing.headers["Tus-Version"]) == (412, "1.0.0")
    for value in ("-1", "1e3", "٣", "", "9" * 30):
        assert (
            ingest.call("PATCH", path, by=ME, headers=TUS | BODY | {"Upload-Offset": value.encode()}).status_code == 400
        )


def test_sizes_are_judged_at_the_announcement(ingest: UnderTest) -> None:
    def create(**headers: str) -> httpx.Response:
        return ingest.call(
            "POST", "/v1/uploads", by=ME, headers=TUS | {k.replace("_", "-"): v for k, v in headers.items()}
        )

    empty = create(Upload_Length="0")
    assert (empty.status_code, empty.json()["code"]) == (422, "empty_upload")
    assert create(Upload_Length=str((10 << 30) + 1)).status_code == 413
    assert create().json()["code"] == "length_required"
    assert create(Upload_Length="10", Upload_Metadata="filename !!!").status_code == 422
    assert create(Upload_Length="10", Upload_Metadata="a YQ==,a YQ==").status_code == 422
    assert create(Upload_Length="10", **metadata(wishes="{")).status_code == 422
    assert create(Upload_Length="10", **metadata(wishes='{"count": 99}')).status_code == 422
    assert create(Upload_Length="10", **metadata(wishes='{"owner_id": 1}')).status_code == 422
    assert ingest.told() == []


def test_disk_reserve(start: Callable[..., UnderTest]) -> None:
    ingest = start("ingest", CLIPSTEAD_DISK_RESERVE=str(1 << 60))
    reply = ingest.call("POST", "/v1/uploads", by=ME, headers=TUS | {"Upload-Length": "10"})
    assert (reply.status_code, reply.json()["code"]) == (507, "insufficient_storage")


def test_somebody_elses_upload_is_not_there(ingest: UnderTest) -> None:
    path = announce(ingest, 1000)
    assert head(ingest, path, by=OTHER).status_code == 404
    assert patch(ingest, path, 0, b"x", by=OTHER).status_code == 404
    assert ingest.call("DELETE", path, by=OTHER, headers=TUS).status_code == 404
    assert ingest.call("GET", path.replace("uploads", "imports"), by=ME).status_code == 404
    assert ingest.call("HEAD", path, headers=TUS).status_code == 401
    assert ingest.call("POST", "/v1/uploads", by=ME, scopes={"read"}, headers=TUS).status_code == 403
    assert head(ingest, path).status_code == 200


def test_termination(ingest: UnderTest, video: Path) -> None:
    path = announce(ingest, 1000)
    patch(ingest, path, 0, bytes(10))
    assert ingest.call("DELETE", path, by=ME, headers=TUS).status_code == 204
    assert head(ingest, path).status_code == 410
    assert patch(ingest, path, 10, b"x").status_code == 410
    [rejected] = ingest.told(events.MediaRejected)
    assert isinstance(rejected, events.MediaRejected)
    assert rejected.code == "upload_cancelled"
    assert list((ingest.home / "work/ingest/uploads").iterdir()) == []


def test_names_are_cleaned(ingest: UnderTest) -> None:
    path = announce(ingest, 10, filename='../../etc/a"\r\nSet-Cookie: x=1\u202e.mp4')
    [announced] = ingest.told(events.MediaAnnounced)
    assert isinstance(announced, events.MediaAnnounced)
    assert announced.origin.filename == 'a" Set-Cookie: x=1.mp4'
    assert announced.title == 'a" Set-Cookie: x=1'
    assert head(ingest, path).status_code == 200
    announce(ingest, 10, filename="x" * 4000)


def test_the_same_idempotency_key_makes_one_upload(ingest: UnderTest) -> None:
    key = {"Idempotency-Key": "again"}
    assert announce(ingest, 1000, headers=key) == announce(ingest, 1000, headers=key)
    assert len(ingest.told(events.MediaAnnounced)) == 1
    other = ingest.call("POST", "/v1/uploads", by=ME, headers=TUS | key | {"Upload-Length": "7"})
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    path = announce(ingest, 1000, by=OTHER, headers=key)
    assert ingest.call("DELETE", path, by=OTHER, headers=TUS).status_code == 204
    same = {"Upload-Length": "1000", **metadata(filename="talk.mp4")}
    ended = ingest.call("POST", "/v1/uploads", by=OTHER, headers=TUS | key | same)
    assert (ended.status_code, ended.headers["Location"]) == (201, f"/api{path}")  # the answer stays the answer
    assert head(ingest, path, by=OTHER).status_code == 410


def test_an_announcement_repeated_in_mid_upload_tells_where_to_go_on(ingest: UnderTest) -> None:
    again = TUS | {"Idempotency-Key": "again", "Upload-Length": "1000", **metadata(filename="talk.mp4")}
    first = ingest.call("POST", "/v1/uploads", by=ME, headers=again | BODY, content=bytes(300))
    assert first.headers["Upload-Offset"] == "300"
    repeated = ingest.call("POST", "/v1/uploads", by=ME, headers=again | BODY, content=bytes(300))
    assert (repeated.status_code, repeated.headers["Location"]) == (201, first.headers["Location"])
    assert (repeated.headers["Upload-Offset"], repeated.headers["Idempotent-Replayed"]) == ("300", "true")
    path = first.headers["Location"].removeprefix("/api")
    assert patch(ingest, path, 300, bytes(700)).status_code == 204
    assert ingest.call("POST", "/v1/uploads", by=ME, headers=again).headers["Upload-Offset"] == "1000"
    assert len(ingest.told(events.MediaAnnounced)) == 1


def test_progress_is_told_at_most_once_a_second(ingest: UnderTest) -> None:
    path = announce(ingest, 20_000)
    for step in range(10):
        assert patch(ingest, path, step * 1000, bytes(1000)).status_code == 204
    told = ingest.told(events.MediaProgress)
    assert 1 <= len(told) <= 3


def test_text_that_was_uploaded_is_rejected_with_a_reason(ingest: UnderTest) -> None:
    path = announce(ingest, 12)
    assert patch(ingest, path, 0, b"just a text\n").status_code == 204
    ingest.do_jobs()
    [rejected] = ingest.told(events.MediaRejected)
    assert isinstance(rejected, events.MediaRejected)
    assert (rejected.stage, rejected.code) == ("check", "unsupported_media")
    gone = ingest.call("PATCH", path, by=ME, headers=TUS | BODY | {"Upload-Offset": "3"}, content=b"x")
    assert (gone.status_code, gone.json()["code"]) == (410, "unsupported_media")
    assert list((ingest.home / "work/ingest/uploads").iterdir()) == []


def test_abandoned_uploads_expire(ingest: UnderTest) -> None:
    from services.ingest.operations.endings import drop_abandoned

    path = announce(ingest, 1000)
    fresh = announce(ingest, 1000)
    patch(ingest, path, 0, bytes(10))
    ingest.execute("UPDATE recordings SET expires_at = now() - interval '1 second' WHERE id = %s", media_id(path))
    stray = ingest.home / "work/ingest/uploads" / f"{new_id()}.part"
    stray.touch()
    os.utime(stray, (0, 0))
    drop_abandoned()
    assert head(ingest, path).status_code == 410
    assert head(ingest, fresh).status_code == 200
    [rejected] = ingest.told(events.MediaRejected)
    assert isinstance(rejected, events.MediaRejected)
    assert rejected.code == "upload_expired"
    assert not stray.exists()


def test_what_is_not_whole_is_measured(ingest: UnderTest) -> None:
    [look] = [task for task in ingest.module.service.actors.periodic if task.name == "count_incomplete"]

    def incomplete() -> tuple[float | None, float | None]:
        look.run()
        coming, quiet = (
            REGISTRY.get_sample_value("uploads_incomplete", {"standing": standing}) for standing in ("coming", "quiet")
        )
        return coming, quiet

    assert incomplete() == (0, 0)
    paths = [announce(ingest, 1000) for _ in range(3)]
    assert incomplete() == (3, 0)
    ingest.execute("UPDATE recordings SET updated_at = now() - interval '61 seconds'")
    assert incomplete() == (0, 3)
    assert patch(ingest, paths[0], 0, bytes(10)).status_code == 204
    assert incomplete() == (1, 2)
    assert patch(ingest, paths[0], 10, bytes(990)).status_code == 204
    assert ingest.call("DELETE", paths[1], by=ME, headers=TUS).status_code == 204
    assert incomplete() == (0, 1)


def test_deleting_removes_bytes_and_rows(ingest: UnderTest, video: Path) -> None:
    data = video.read_bytes()
    path = announce(ingest, len(data))
    patch(ingest, path, 0, data)
    ingest.do_jobs()
    [received] = ingest.told(events.MediaReceived)
    assert isinstance(received, events.MediaReceived)
    ingest.tell(events.MediaDeleted(media_id=media_id(path), owner_id=ME), times=2)
    with pytest.raises(storage.NotStored):
        storage.store().size(received.original.object_key)
    assert head(ingest, path).status_code == 404
    assert ingest.rows("SELECT count(*) FROM originals") == [(0,)]


def test_deleting_while_bytes_come_and_before_the_check(ingest: UnderTest, video: Path) -> None:
    data = video.read_bytes()
    path = announce(ingest, len(data))
    patch(ingest, path, 0, data)
    ingest.tell(events.MediaDeleted(media_id=media_id(path), owner_id=ME))
    ingest.do_jobs()
    assert ingest.told(events.MediaReceived) == []
    assert list(storage.store().keys("originals/")) == []


def test_bytes_that_no_row_knows_of_are_overwritten(ingest: UnderTest, video: Path) -> None:
    """A crash between the disk's sync and the commit leaves more in the file than was acknowledged."""
    data = video.read_bytes()
    path = announce(ingest, len(data))
    patch(ingest, path, 0, data[:1000])
    with (ingest.home / f"work/ingest/uploads/{media_id(path)}.part").open("ab") as part:
        part.write(b"never acknowledged")
    assert offset(ingest, path) == 1000
    assert patch(ingest, path, 1000, data[1000:]).status_code == 204
    ingest.do_jobs()
    [received] = ingest.told(events.MediaReceived)
    assert isinstance(received, events.MediaReceived)
    assert received.original.sha256 == hashlib.sha256(data).hexdigest()


class Server:
    """The real HTTP process of ingest, to be killed."""

    def __init__(self, ingest: UnderTest) -> None:
        self.port = free_port()
        environment = os.environ | {"CLIPSTEAD_PORT": str(self.port)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "libs.web", "http", "ingest"], env=environment, stderr=subprocess.DEVNULL
        )
        self.url = f"http://127.0.0.1:{self.port}"
        eventually(self._answers, 30)

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health/live", trust_env=False).is_success
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def servers(ingest: UnderTest) -> Iterator[Callable[[], Server]]:
    started: list[Server] = []

    def begin() -> Server:
        started.append(Server(ingest))
        return started[-1]

    yield begin
    for server in started:
        if server.process.poll() is None:
            server.kill()


def test_killed_in_the_middle_nothing_acknowledged_is_lost(
    ingest: UnderTest, servers: Callable[[], Server], large: Path
) -> None:
    data = large.read_bytes()
    path = announce(ingest, len(data))
    safe = 0
    for _ in range(2):
        server = servers()
        ingest.url = server.url
        assert offset_at(ingest, path) == safe
        safe = kill_while_sending(ingest, server, path, data, safe)
    ingest.url = servers().url
    kept = offset_at(ingest, path)
    assert kept == safe > 0
    headers = ingest.call.headers(ME, method="PATCH", path=path) | TUS | BODY | {"Upload-Offset": str(kept)}
    reply = httpx.patch(ingest.url + path, headers=headers, content=data[kept:], trust_env=False, timeout=30)
    assert reply.status_code == 204
    ingest.do_jobs()
    [received] = ingest.told(events.MediaReceived)
    assert isinstance(received, events.MediaReceived)
    assert received.original.sha256 == hashlib.sha256(data).hexdigest()


def offset_at(ingest: UnderTest, path: str) -> int:
    """Ask the server process over a connection of its own."""
    headers = ingest.call.headers(ME, method="HEAD", path=path) | TUS
    reply = httpx.head(ingest.url + path, headers=headers, trust_env=False)
    return int(reply.headers["Upload-Offset"])


def kill_while_sending(ingest: UnderTest, server: Server, path: str, data: bytes, at: int) -> int:
    """Send steadily, kill the server as soon as something became durable, and tell how much that is."""
    cut = threading.Event()
    with raw_patch(ingest, path, at, len(data) - at) as line:

        def send() -> None:
            sent = at
            while sent < len(data) and not cut.wait(0.02):
                try:
                    line.sendall(data[sent : sent + 16_384])
                except OSError:
                    return
                sent += 16_384

        sender = threading.Thread(target=send)
        sender.start()
        eventually(lambda: durable(ingest) > at)
        server.kill()
        cut.set()
        sender.join()
    assert durable(ingest) < len(data)
    return durable(ingest)


def durable(ingest: UnderTest) -> int:
    return int(ingest.rows("SELECT received FROM recordings")[0][0])


@pytest.mark.parametrize("seconds", [0.3])
def test_a_very_short_sound_becomes_a_recording(ingest: UnderTest, make: Make, seconds: float) -> None:
    data = make("short.wav", *sound(seconds)).read_bytes()
    path = announce(ingest, len(data))
    patch(ingest, path, 0, data)
    ingest.do_jobs()
    [received] = ingest.told(events.MediaReceived)
    assert isinstance(received, events.MediaReceived)
    assert received.original.duration == pytest.approx(seconds, abs=0.01)


def test_pictures_without_sound_become_a_recording(ingest: UnderTest, make: Make) -> None:
    data = make("mute.mp4", *picture(1), "-c:v", "libx264", "-pix_fmt", "yuv420p").read_bytes()
    path = announce(ingest, len(data))
    patch(ingest, path, 0, data)
    ingest.do_jobs()
    [received] = ingest.told(events.MediaReceived)
    assert isinstance(received, events.MediaReceived)
    assert (received.original.has_video, received.original.has_audio) == (True, False)
