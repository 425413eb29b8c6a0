"""Bad input gets a clear answer, and the platform goes on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.factories import canary, recordings
from tests.factories.platform import Person, Platform, wait_until

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]

HOSTILE = sorted((Path(__file__).resolve().parents[1] / "data" / "hostile").glob("*.mp4"))


@pytest.fixture(scope="module")
def person(platform: Platform) -> Person:
    return platform.person()


@pytest.fixture(scope="module")
def hits() -> Iterator[list[object]]:
    """Who came to where the hostile files point."""
    with canary.listening() as came:
        yield came


def refused(view: dict[str, Any], status: str, code: str, stage: str) -> None:
    """Assert that a recording ended with a reason that a person can read."""
    assert (view["status"], view["problem"]["code"], view["problem"]["stage"]) == (status, code, stage)
    detail = view["problem"]["detail"]
    assert len(detail.split()) >= 4
    assert detail.endswith((".", "!"))
    assert "Traceback" not in detail


@pytest.mark.parametrize("path", HOSTILE, ids=lambda path: path.stem)
def test_hostile_file_is_refused_before_anything_opens_it(person: Person, hits: list[object], path: Path) -> None:
    answer = person.http.post("/api/v1/media", files={"file": (path.name, path.read_bytes(), "video/mp4")})
    assert answer.status_code == 422
    assert answer.json()["code"] == "unsupported_media"
    view = person.until_ended(person.upload(path.name, path.read_bytes()))
    refused(view, "rejected", "unsupported_media", "check")
    assert hits == []


def test_text_named_mp4(person: Person) -> None:
    refused(person.until_ended(person.upload("talk.mp4", b"hello " * 500)), "rejected", "unsupported_media", "check")


def test_zero_bytes(person: Person) -> None:
    answer = person.http.post("/api/v1/media", files={"file": ("empty.mp4", b"", "video/mp4")})
    assert (answer.status_code, answer.json()["code"]) == (422, "empty_upload")
    answer = person.http.post("/api/v1/uploads", headers={"Tus-Resumable": "1.0.0", "Upload-Length": "0"})
    assert answer.status_code in (400, 422)
    assert answer.json()["code"] == "empty_upload"


def test_truncated_mp4(person: Person) -> None:
    whole = recordings.video(seconds=4, faststart=False)
    refused(
        person.until_ended(person.upload("cut.mp4", whole[: len(whole) // 2])), "rejected", "truncated_media", "check"
    )


def test_picture_without_sound(person: Person) -> None:
    view = person.until_ended(person.upload("silent.mp4", recordings.video(seconds=4, sound=False)))
    refused(view, "failed", "no_audio", "transcribe")


def test_sound_without_speech(person: Person) -> None:
    view = person.until_ended(person.upload("tone.wav", recordings.tone(seconds=8)))
    refused(view, "failed", "no_speech", "find")


def test_a_third_of_a_second(person: Person) -> None:
    view = person.until_ended(person.upload("blip.wav", recordings.tone(seconds=0.3)))
    assert view["status"] in ("failed", "rejected")
    assert view["problem"]["detail"].endswith(".")


def test_file_that_lies_about_its_type(person: Person, short_speech: bytes) -> None:
    media_id = person.upload("film.mp4", short_speech)
    view = person.until_ended(media_id)
    assert (view["status"], view["media_type"]) == ("ready", "audio"), view["problem"]


class Origin(BaseHTTPRequestHandler):
    """Misbehaves by path."""

    def do_GET(self) -> None:
        if self.path.startswith("/hang"):
            threading.Event().wait(30)
        if self.path.startswith("/inside"):
            self.send_response(302)
            self.send_header("Location", "http://169.254.169.254/latest/meta-data")
        else:
            self.send_response(404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET  # noqa: N815  http.server's own name

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 18999), Origin)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield "http://127.0.0.1:18999"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(
    ("path", "code"), [("/missing.mp4", "import_not_found"), ("/inside.mp4", "import_forbidden_address")]
)
def test_import_that_fails_says_why(person: Person, origin: str, path: str, code: str) -> None:
    answer = person.http.post("/api/v1/imports", json={"url": origin + path})
    assert answer.status_code == 202, answer.text
    refused(person.until_ended(answer.json()["id"]), "rejected", code, "receive")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/x.mp4",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1]/x.mp4",
        "http://2130706433/x.mp4",
    ],
)
def test_import_from_inside_is_refused(person: Person, url: str) -> None:
    answer = person.http.post("/api/v1/imports", json={"url": url})
    assert (answer.status_code, answer.json()["code"]) == (422, "import_forbidden_address")


def test_upload_that_was_cut_goes_on_from_another_connection(
    platform: Platform, person: Person, short_speech: bytes
) -> None:
    path = person.begin_upload("talk.flac", len(short_speech))
    half = len(short_speech) // 2

    def cut() -> Iterator[bytes]:
        yield short_speech[:half]
        raise ConnectionAbortedError

    with pytest.raises(ConnectionAbortedError):
        person.patch(path, 0, cut())
    other = httpx.Client(
        base_url=platform.url, headers=person.http.headers, cookies=person.http.cookies, trust_env=False
    )
    offset = -1

    def known() -> bool:
        nonlocal offset
        answer = other.head(path, headers={"Tus-Resumable": "1.0.0"})
        offset = int(answer.headers.get("Upload-Offset", -1))
        return answer.status_code == 200

    wait_until(known, 10)
    assert 0 <= offset <= half
    headers = {
        "Tus-Resumable": "1.0.0",
        "Upload-Offset": str(offset),
        "Content-Type": "application/offset+octet-stream",
    }
    answer = other.patch(path, headers=headers, content=short_speech[offset:])
    assert answer.status_code == 204
    other.close()
    assert person.until_ended(path.rsplit("/", 1)[-1])["status"] == "ready"


def test_somebody_elses_things_are_not_there(platform: Platform, person: Person, short_speech: bytes) -> None:
    media_id = person.upload("talk.flac", short_speech)
    stranger = platform.person()
    for path in (f"library/{media_id}", f"media/{media_id}/transcript", f"media/{media_id}/moments"):
        answer = stranger.http.get(f"/api/v1/{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path
    assert stranger.http.post("/api/v1/shares", json={"media_id": media_id}).status_code == 404
    assert stranger.http.delete(f"/api/v1/library/{media_id}").status_code == 404
    person.until_ended(media_id)
