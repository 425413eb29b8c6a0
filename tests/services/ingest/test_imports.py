"""The story of an import, through its HTTP and its job, from a server on loopback that the operator vouches for."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY

from libs.contracts import events
from libs.database import new_id
from services.ingest.operations import checks, imports
from tests.factories.services import UnderTest
from tests.services.ingest.conftest import Make, picture, sound
from tests.services.ingest.origin import Origin, origin

ME, OTHER = new_id(), new_id()


@pytest.fixture
def server() -> Iterator[Origin]:
    with origin() as running:
        yield running


@pytest.fixture
def ingest(start: Callable[..., UnderTest], server: Origin) -> UnderTest:
    return start(
        "ingest",
        CLIPSTEAD_DISK_RESERVE="0",
        CLIPSTEAD_IMPORT_ALLOW=server.authority,
        CLIPSTEAD_IMPORT_RATE_WINDOW="3",
        CLIPSTEAD_MAX_IMPORT_SIZE="5000000",
    )


def ask(ingest: UnderTest, url: str, **more: object) -> httpx.Response:
    return ingest.call("POST", "/v1/imports", by=ME, json={"url": url, **more})


def look(ingest: UnderTest, reply: httpx.Response) -> dict[str, object]:
    found: dict[str, object] = ingest.call("GET", f"/v1/imports/{reply.json()['id']}", by=ME).json()
    return found


def failures(reason: str) -> float:
    return REGISTRY.get_sample_value("import_failures_total", {"reason": reason}) or 0.0


def test_an_import_from_url_to_original(ingest: UnderTest, server: Origin, video: Path) -> None:
    reply = ask(ingest, server.serve("/shows/Episode%201.mp4", video), wishes={"count": 4})
    assert reply.status_code == 202
    assert reply.json()["status"] == "importing"
    assert ingest.do_jobs() == 2
    view = look(ingest, reply)
    size = video.stat().st_size
    assert (view["status"], view["done"], view["total"], view["title"]) == ("received", size, size, "Episode 1")
    [received] = ingest.told(events.MediaReceived)
    assert isinstance(received, events.MediaReceived)
    assert received.original.sha256 == hashlib.sha256(video.read_bytes()).hexdigest()
    assert received.wishes.count == 4
    assert [span.engine for span in received.engine] == ["yt-dlp", "ffmpeg probe"]
    [announced] = ingest.told(events.MediaAnnounced)
    assert isinstance(announced, events.MediaAnnounced)
    assert announced.origin.kind == "import"
    progress = [event for event in ingest.told(events.MediaProgress) if isinstance(event, events.MediaProgress)]
    assert (progress[-2].stage, progress[-2].done, progress[-2].total) == ("receive", size, size)
    scratch = ingest.home / "work/ingest"
    assert [entry for entry in scratch.rglob("*") if entry.is_file()] == []


def test_a_title_of_ones_own_stays(ingest: UnderTest, server: Origin, video: Path) -> None:
    reply = ask(ingest, server.serve("/a.mp4", video), title="Mine")
    ingest.do_jobs()
    assert look(ingest, reply)["title"] == "Mine"


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://127.0.0.1/a.mp4", "import_forbidden_address"),
        ("http://[::1]/a.mp4", "import_forbidden_address"),
        ("http://169.254.169.254/latest/meta-data", "import_forbidden_address"),
        ("http://example.com:6379/", "import_forbidden_address"),
        ("file:///etc/passwd", "import_unsupported"),
        ("ytsearch:cats", "import_unsupported"),
        ("nonsense", "import_unsupported"),
    ],
)
def test_urls_that_can_be_judged_at_once(ingest: UnderTest, url: str, code: str) -> None:
    reply = ask(ingest, url)
    assert (reply.status_code, reply.json()["code"]) == (422, code)
    assert ingest.told() == []


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/missing.mp4", "import_not_found"),
        ("/away.mp4", "import_forbidden_address"),
        ("/bad/endless.mp4", "import_too_large"),
        ("/bad/hang.mp4", "import_timeout"),
        ("/text.mp4", "unsupported_media"),
    ],
)
def test_imports_that_fail_say_why(ingest: UnderTest, server: Origin, path: str, code: str) -> None:
    server.redirects["/away.mp4"] = "http://169.254.169.254/x.mp4"
    server.files["/text.mp4"] = (b"#EXTM3U\nhttp://127.0.0.1:18080/x\n" * 100, "video/mp4")
    before = failures(code)
    reply = ask(ingest, server.url(path))
    ingest.do_jobs()
    assert failures(code) == before + (code.startswith("import"))
    view = look(ingest, reply)
    assert view["status"] == "rejected"
    assert isinstance(view["problem"], dict)
    assert view["problem"]["code"] == code
    [rejected] = ingest.told(events.MediaRejected)
    assert isinstance(rejected, events.MediaRejected)
    assert (rejected.code, rejected.detail) == (code, view["problem"]["detail"])
    assert [entry for entry in (ingest.home / "work/ingest").rglob("*") if entry.is_file()] == []


def test_a_busy_site_is_tried_again_and_then_given_up(ingest: UnderTest, server: Origin, video: Path) -> None:
    url = server.serve("/busy.mp4", video)
    server.failing["/busy.mp4"] = 100
    before = failures("import_failed")
    reply = ask(ingest, url)
    ingest.do_jobs()
    assert look(ingest, reply)["status"] == "importing"
    server.failing.clear()
    ingest.execute("UPDATE jobs SET run_after = now()")
    ingest.do_jobs()
    assert look(ingest, reply)["status"] == "received"

    assert failures("import_failed") == before  # what went well in the end is none

    server.failing["/busy.mp4"] = 1000
    second = ask(ingest, url)
    for _ in range(3):
        ingest.execute("UPDATE jobs SET run_after = now()")
        ingest.do_jobs()
    problem = look(ingest, second)["problem"]
    assert isinstance(problem, dict)
    assert problem["code"] == "import_failed"
    assert failures("import_failed") == before + 1


def test_a_worker_that_was_paused_past_its_lease_changes_nothing(
    ingest: UnderTest, server: Origin, make: Make, video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It wakes when another has fetched the recording anew, and just before that is checked."""
    newer = make("newer.mp4", *picture(3), *sound(3), "-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac")
    paused, resumed = threading.Event(), threading.Event()
    fetch, probe = imports.fetch, checks.probe

    def fetch_and_pause(*arguments: Any, **more: Any) -> Any:
        found = fetch(*arguments, **more)
        if not paused.is_set():
            paused.set()
            assert resumed.wait(60)
        return found

    def wake_the_other_first(*arguments: Any) -> Any:
        resumed.set()
        worker.join(30)
        return probe(*arguments)

    monkeypatch.setattr(imports, "fetch", fetch_and_pause)
    monkeypatch.setattr(checks, "probe", wake_the_other_first)
    ask(ingest, server.serve("/talk.mp4", video))
    worker = threading.Thread(target=ingest.do_jobs)
    worker.start()
    assert paused.wait(60)
    server.serve("/talk.mp4", newer)
    ingest.execute("UPDATE jobs SET state = 'queued', lease_until = NULL")  # as the reaper does
    ingest.do_jobs()
    [received] = ingest.told(events.MediaReceived)
    assert isinstance(received, events.MediaReceived)
    assert received.original.sha256 == hashlib.sha256(newer.read_bytes()).hexdigest()
    assert ingest.rows("SELECT kind, state FROM jobs ORDER BY kind") == [("import", "done"), ("probe", "done")]
    work = ingest.home / "work/ingest"
    assert [path for path in work.rglob("*") if path.is_file() and "upload" in str(path)] == []


def test_what_ytdlp_said_last_stands_in_the_jobs_record(ingest: UnderTest, server: Origin) -> None:
    ask(ingest, server.url("/missing.mp4?token=canary"))
    ingest.do_jobs()
    [(state, words)] = ingest.rows("SELECT state, last_words FROM jobs")
    assert state == "done"
    assert "404" in words
    assert "canary" not in words


def test_cancelling_a_running_import(ingest: UnderTest, server: Origin) -> None:
    reply = ask(ingest, server.url("/bad/slow.mp4"))
    worker = threading.Thread(target=ingest.do_jobs)
    worker.start()
    while not any("slow" in path for path in server.paths):
        assert worker.is_alive()
        worker.join(0.05)
    path = f"/v1/imports/{reply.json()['id']}"
    assert ingest.call("DELETE", path, by=OTHER).status_code == 404
    assert ingest.call("DELETE", path, by=ME).status_code == 204
    worker.join(20)
    assert not worker.is_alive()
    assert look(ingest, reply)["status"] == "cancelled"
    assert failures("import_cancelled") == failures("cancelled") == 0
    assert ingest.rows("SELECT state FROM jobs") == [("cancelled",)]
    [rejected] = ingest.told(events.MediaRejected)
    assert isinstance(rejected, events.MediaRejected)
    assert rejected.code == "import_cancelled"


def test_somebody_elses_import_is_not_there(ingest: UnderTest, server: Origin, video: Path) -> None:
    reply = ask(ingest, server.serve("/a.mp4", video))
    assert ingest.call("GET", f"/v1/imports/{reply.json()['id']}", by=OTHER).status_code == 404
    assert ask(ingest, server.url("/a.mp4"), owner_id=str(OTHER)).status_code == 422
    assert (
        ingest.call("POST", "/v1/imports", by=ME, scopes={"read"}, json={"url": "http://a.example/"}).status_code == 403
    )


def test_what_was_chosen_is_told(ingest: UnderTest) -> None:
    from services.ingest.operations.platform import system

    told = system()
    assert told["importer"].startswith("yt-dlp 20")
    assert told["max_upload_size"] == 10 << 30
