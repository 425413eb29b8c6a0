"""A recording in one request: kept whole, or not at all."""

import hashlib
import resource
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from libs.contracts import events
from libs.database import new_id
from tests.factories import canary
from tests.factories.services import UnderTest
from tests.services.ingest.conftest import HOSTILE

ME = new_id()


@pytest.fixture
def ingest(start: Callable[..., UnderTest]) -> UnderTest:
    return start("ingest", CLIPSTEAD_DISK_RESERVE="0")


def hand_in(ingest: UnderTest, name: str, content: bytes, **fields: str) -> httpx.Response:
    return ingest.call("POST", "/v1/media", by=ME, files={"file": (name, content, "video/mp4")}, data=fields)


def leftovers(ingest: UnderTest) -> list[str]:
    folder = ingest.home / "work/ingest/uploads"
    return [entry.name for entry in folder.iterdir()] if folder.exists() else []


def test_a_form_becomes_an_original(ingest: UnderTest, video: Path) -> None:
    data = video.read_bytes()
    reply = hand_in(ingest, "my_talk.mp4", data, wishes='{"count": 1}')
    assert reply.status_code == 201
    assert reply.json() == {"id": reply.json()["id"], "title": "my talk", "status": "checking"}
    assert ingest.told(events.MediaReceived) == []
    ingest.do_jobs()
    [received] = ingest.told(events.MediaReceived)
    assert isinstance(received, events.MediaReceived)
    assert str(received.media_id) == reply.json()["id"]
    assert received.original.sha256 == hashlib.sha256(data).hexdigest()
    assert received.wishes.count == 1
    assert leftovers(ingest) == []


def test_a_form_that_comes_again_leaves_one_recording_and_no_file_beside_it(ingest: UnderTest, video: Path) -> None:
    def send(content: bytes, **fields: str) -> httpx.Response:
        files, headers = {"file": ("a.mp4", content)}, {"Idempotency-Key": "form"}
        return ingest.call("POST", "/v1/media", by=ME, files=files, data=fields, headers=headers)

    data = video.read_bytes()
    refused = send(b"words " * 1000)  # before any effect: the key is still free
    assert refused.status_code == 422
    first, again = send(data, title="One"), send(data, title="One")
    assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())
    for other in (send(data, title="Two"), send(data[:-1], title="One")):
        assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    assert [name.partition(".")[0] for name in leftovers(ingest)] == [first.json()["id"]]
    assert ingest.do_jobs() == 1
    assert len(ingest.told(events.MediaReceived)) == 1
    assert leftovers(ingest) == []


def test_fields_after_the_file_count_too(ingest: UnderTest, tone: Path) -> None:
    boundary = "b"
    body = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
        + tone.read_bytes()
        + b'\r\n--b\r\nContent-Disposition: form-data; name="title"\r\n\r\nNamed last\r\n--b--\r\n'
    )
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    reply = ingest.call("POST", "/v1/media", by=ME, headers=headers, content=body)
    assert (reply.status_code, reply.json()["title"]) == (201, "Named last")


@pytest.mark.parametrize("path", HOSTILE, ids=lambda path: path.stem)
def test_hostile_files_are_refused_at_the_door(ingest: UnderTest, path: Path) -> None:
    with canary.listening() as hits:
        reply = hand_in(ingest, path.name, path.read_bytes())
    assert hits == []
    assert (reply.status_code, reply.json()["code"]) == (422, "unsupported_media")
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert leftovers(ingest) == []
    assert ingest.told() == []


def test_bad_forms_keep_nothing(ingest: UnderTest, video: Path) -> None:
    empty = hand_in(ingest, "empty.mp4", b"")
    assert (empty.status_code, empty.json()["code"]) == (422, "empty_upload")
    text = hand_in(ingest, "text.mp4", b"words " * 100_000)
    assert (text.status_code, text.json()["code"]) == (422, "unsupported_media")
    assert hand_in(ingest, "a.mp4", video.read_bytes(), wishes="nonsense").status_code == 422
    assert ingest.call("POST", "/v1/media", by=ME, files={"title": (None, "only a title")}).status_code == 422
    two = [("file", ("a.mp4", video.read_bytes())), ("file", ("b.mp4", video.read_bytes()))]
    assert ingest.call("POST", "/v1/media", by=ME, files=two).status_code == 422
    assert ingest.call("POST", "/v1/media", by=ME, json={}).status_code == 415
    assert ingest.call("POST", "/v1/media", files=two).status_code == 401
    zipped = {"Content-Encoding": "gzip", "Content-Type": "multipart/form-data; boundary=b"}
    assert ingest.call("POST", "/v1/media", by=ME, headers=zipped, content=b"x").status_code == 415
    assert leftovers(ingest) == []
    assert ingest.told() == []


def test_floods_of_parts_and_headers_are_refused_quickly(ingest: UnderTest) -> None:
    def post(body: bytes) -> httpx.Response:
        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        return ingest.call("POST", "/v1/media", by=ME, headers=headers, content=body)

    part = b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\ny\r\n'
    many_headers = b"--b\r\n" + b"".join(b"X-%d: y\r\n" % number for number in range(1000)) + b"\r\n"
    long_header = b"--b\r\nContent-Disposition: form-data; name=" + b"x" * (1 << 20) + b"\r\n\r\n"
    long_field = b'--b\r\nContent-Disposition: form-data; name="title"\r\n\r\n' + b"x" * (1 << 20) + b"\r\n--b--"
    unfinished = b'--b\r\nContent-Disposition: form-data; name="title"\r\n\r\nx'
    for body in (part * 10_000 + b"--b--", many_headers, long_header, long_field, unfinished, b"nonsense"):
        begun = time.monotonic()
        assert post(body).status_code == 422
        assert time.monotonic() - begun < 2


def test_too_large_is_refused_and_dropped(start: Callable[..., UnderTest], make: Callable[..., Path]) -> None:
    ingest = start("ingest", CLIPSTEAD_DISK_RESERVE="0", CLIPSTEAD_MAX_UPLOAD_SIZE="100000")
    noise = make("noise.wav", "-f", "lavfi", "-i", "anoisesrc=d=30:r=48000").read_bytes()
    assert hand_in(ingest, "a.wav", noise).status_code == 413
    assert hand_in(ingest, "a.wav", noise[:200_000]).status_code == 413
    assert leftovers(ingest) == []


def test_a_client_that_breaks_off_leaves_nothing(ingest: UnderTest, video: Path) -> None:
    parts = urlsplit(ingest.url)
    with socket.create_connection((parts.hostname or "", parts.port or 0)) as line:
        headers = ingest.call.headers(ME, method="POST", path="/v1/media") | {
            "Content-Type": "multipart/form-data; boundary=b",
            "Content-Length": "10000000",
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        line.sendall(f"POST /v1/media HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode())
        line.sendall(b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + video.read_bytes())
        wait_until(lambda: leftovers(ingest) != [])
    wait_until(lambda: leftovers(ingest) == [])
    assert ingest.told() == []


def wait_until(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.02)


def test_a_large_form_is_never_held_in_memory(ingest: UnderTest, video: Path) -> None:
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="big.mp4"\r\n\r\n' + video.read_bytes()
    block, blocks = bytes(1 << 20), 128

    def stream() -> Iterator[bytes]:
        yield head
        for _ in range(blocks):
            yield block
        yield b"\r\n--b--\r\n"

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    assert ingest.call("POST", "/v1/media", by=ME, headers=headers, content=stream()).status_code == 201
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before  # KiB; server and client share this process
    assert grown < 48 * 1024
