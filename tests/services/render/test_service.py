"""The service's story, on real servers: moments come in, clips come out, and nothing that was cut off is ever seen."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import av
import psutil
import pytest

from libs import database, storage
from libs.bus import JobState, jobs
from libs.contracts import events
from libs.contracts.media import Original, Wishes
from libs.contracts.moments import Moment, Moments
from libs.contracts.transcripts import Segment, Speaker, Transcript, Word
from libs.database import new_id
from services.render.operations import rendering, sweeping
from tests.factories.services import ROOT, UnderTest
from tests.services.render.conftest import OWNER, original, words

Start = Callable[..., UnderTest]


class World:
    """A render service, and a recording that its peers know."""

    def __init__(self, service: UnderTest, path: Path) -> None:
        self.service = service
        key = storage.new_key("originals", new_id(), path.suffix)
        storage.store().put_file(key, path, "video/mp4")
        self.original: Original = original(path, object_key=key, media_id=new_id())
        self.media_id = self.original.media_id
        self.answer("ingest", f"/internal/originals/{self.media_id}", self.original)
        self.answer("transcription", f"/internal/transcripts/{self.media_id}", self._transcript())

    def answer(self, peer: str, path: str, body: Any) -> None:
        """Have a peer answer."""
        self.service.peers[peer].answers[path] = body.model_dump(mode="json") if hasattr(body, "model_dump") else body

    def moments(self, *spans: tuple[float, float]) -> events.HighlightsReady:
        """Have highlight know these moments, best first; returns the event that would tell of them."""
        found = tuple(
            Moment(
                id=new_id(),
                media_id=self.media_id,
                rank=rank,
                start=start,
                end=end,
                title=f"Moment {rank}",
                text="",
                score=1 / rank,
                scores={},
                reason="It is good.",
            )
            for rank, (start, end) in enumerate(spans, start=1)
        )
        known = Moments(media_id=self.media_id, engine="built-in", moments=found)
        self.answer("highlight", f"/internal/moments/{self.media_id}", known)
        return events.HighlightsReady(
            media_id=self.media_id, owner_id=OWNER, count=len(spans), chosen_by="built-in", wishes=Wishes()
        )

    def post(self, by: UUID = OWNER, **wanted: Any) -> Any:
        """Ask for a clip by hand."""
        return self.service.call("POST", "/v1/clips", by=by, json={"media_id": str(self.media_id)} | wanted)

    def delete(self, media_id: UUID) -> None:
        """Tell that something was deleted."""
        self.service.tell(events.MediaDeleted(media_id=media_id, owner_id=OWNER))

    def objects(self) -> set[str]:
        """All clips' objects in the store."""
        return {key for kind in (sweeping.RENDITIONS, sweeping.POSTERS) for key in storage.store().keys(f"{kind}/")}

    def _transcript(self) -> Transcript:
        said = tuple(Word.model_validate(word) for word in words(0, 8))
        return Transcript(
            media_id=self.media_id,
            engine="pocketsphinx",
            model="en-us",
            quality="draft",
            language="en",
            duration=8,
            segments=(Segment(text="", start=0, end=8, words=said),),
            speakers=(Speaker(label="S1", name="Ada"),),
        )


@pytest.fixture
def service(start: Start) -> UnderTest:
    return start("render", CLIPSTEAD_RENDER_EFFORT="superfast")


@pytest.fixture
def world(service: UnderTest, material: Callable[[str], Path]) -> World:
    return World(service, material("sound"))


def test_moments_become_clips_that_can_be_played(world: World) -> None:
    world.service.tell(world.moments((1.0, 4.0), (4.5, 7.0)), times=2)
    planned = world.service.told(events.ClipPlanned)
    assert [(event.title, event.start, event.end, event.preset) for event in planned] == [
        ("Moment 1", 1.0, 4.0, "audiogram"),
        ("Moment 2", 4.5, 7.0, "audiogram"),
    ]
    assert [event.score for event in planned] == [1.0, 0.5]
    assert planned[0].reason == "It is good."
    assert not world.service.told(events.RenditionReady)

    assert world.service.do_jobs() == 2
    ready = world.service.told(events.RenditionReady)
    assert [event.clip_id for event in ready] == [event.clip_id for event in planned], "the best comes first"
    assert [event.rendition_id for event in ready] == [event.rendition_id for event in planned]
    progress = [event for event in world.service.told(events.RenditionProgress) if event.clip_id == planned[0].clip_id]
    assert progress[0].done == 0
    assert all(event.total == 3 for event in progress)
    for event in ready:
        with storage.store().local(event.object_key) as path, av.open(str(path)) as file:
            assert (file.streams.video[0].width, file.streams.video[0].height) == (1080, 1080)
            assert path.stat().st_size == event.size
        with storage.store().local(event.poster_key) as path, av.open(str(path)) as file:
            assert file.streams.video[0].width == 1080
        assert event.engine
        assert all(span.seconds > 0 for span in event.engine)
    assert world.objects() == {key for event in ready for key in (event.object_key, event.poster_key)}
    assert not list(rendering.scratch_root().iterdir()), "scratch is left behind"

    page = world.service.call("GET", f"/v1/clips?media_id={world.media_id}", by=OWNER).json()
    assert [clip["status"] for clip in page["items"]] == ["ready", "ready"]
    file = page["items"][-1]["files"][0]
    assert file["loudness"] == pytest.approx(-14, abs=0.5)
    assert file["true_peak"] <= -1
    assert (file["width"], file["height"], file["mime"]) == (1080, 1080, "video/mp4")


def test_looking_again_plans_only_what_is_new(world: World) -> None:
    world.service.tell(world.moments((1.0, 4.0)))
    world.service.tell(world.moments((1.03, 3.96), (4.5, 7.0)))
    assert [event.start for event in world.service.told(events.ClipPlanned)] == [1.0, 4.5]


def test_nothing_found_plans_nothing_and_bounds_are_kept(world: World) -> None:
    nothing = world.moments()
    world.service.tell(nothing)
    assert world.service.rows("SELECT count(*) FROM inbox") == [(1,)], "or it would be sent again and again"
    world.service.tell(world.moments((6.0, 9.5), (7.5, 8.4), (7.9, 20.0)))
    planned = world.service.told(events.ClipPlanned)
    assert [(event.start, event.end) for event in planned] == [(6.0, 8.0), (7.5, 8.0), (7.9, 8.0)], (
        "ends with the recording"
    )
    failed = world.service.told(events.RenditionFailed)
    # Nothing is left out in silence: whoever counts the clips of a recording waits for each that was found.
    assert [(event.clip_id, event.code) for event in failed] == [(event.clip_id, "too_short") for event in planned[1:]]


def test_a_moment_longer_than_its_frame_takes_fails_with_the_reason(world: World) -> None:
    long = world.original.model_copy(update={"duration": 2000.0})
    world.answer("ingest", f"/internal/originals/{world.media_id}", long)
    world.service.tell(world.moments((0.0, 1000.0)))
    (failed,) = world.service.told(events.RenditionFailed)
    assert failed.code == "too_long"
    assert "900 s" in failed.detail
    assert world.service.do_jobs() == 0
    refused = world.service.call("POST", f"/v1/clips/{failed.clip_id}/retry", by=OWNER)
    assert refused.status_code == 409
    assert refused.json()["code"] == "not_retryable"


def test_a_clip_by_hand_is_the_same_however_often_it_is_asked_for(world: World) -> None:
    first = world.post(start=1, end=4, title="Mine")
    assert first.status_code == 202, first.text
    assert first.json()["status"] == "queued"
    assert first.json()["preset"] == "audiogram"
    assert world.post(start=1, end=4, title="Mine").json()["id"] == first.json()["id"]
    others = [
        world.post(start=1, end=4, title="Mine", preset="square"),
        world.post(start=1, end=4.5, title="Mine"),
        world.post(start=1, end=4, title="Other"),
    ]
    assert len({first.json()["id"], *(other.json()["id"] for other in others)}) == 4
    assert len(world.service.told(events.ClipPlanned)) == 4


def test_a_repeated_wish_is_answered_though_nobody_knows_the_recording_any_more(world: World) -> None:
    wish = {"media_id": str(world.media_id), "start": 1, "end": 4}
    once = {"Idempotency-Key": "k"}
    first = world.service.call("POST", "/v1/clips", by=OWNER, json=wish, headers=once)
    world.service.peers["ingest"].answers.clear()
    again = world.service.call("POST", "/v1/clips", by=OWNER, json=wish, headers=once)
    assert (again.status_code, again.json()) == (202, first.json())
    assert world.service.call("POST", "/v1/clips", by=OWNER, json=wish).status_code == 404


@pytest.mark.parametrize(
    ("begin", "end", "preset", "code"),
    [
        (4, 4, None, "out_of_bounds"),
        (5, 4, None, "out_of_bounds"),
        (4, 8.2, None, "out_of_bounds"),
        (4, 4.9, None, "too_short"),
        (0, 200, "reels", "too_long"),
        (-1, 4, None, "malformed"),
        (1, 4, "cinema", "malformed"),
    ],
)
def test_impossible_spans_are_refused_in_words(world: World, begin: float, end: float, preset: Any, code: str) -> None:
    if code == "too_long":
        long = world.original.model_copy(update={"duration": 2000.0})
        world.answer("ingest", f"/internal/originals/{world.media_id}", long)
    refused = world.post(start=begin, end=end, preset=preset)
    assert refused.status_code == 422
    assert refused.json()["code"] == code
    assert len(refused.json()["detail"]) > 20
    assert not world.service.told(events.ClipPlanned)


def test_others_see_nothing(world: World) -> None:
    clip = world.post(start=1, end=4).json()["id"]
    stranger = uuid4()
    missing = world.service.call("GET", f"/v1/clips/{uuid4()}", by=stranger).json()
    foreign = world.service.call("GET", f"/v1/clips/{clip}", by=stranger)
    assert foreign.status_code == 404
    assert {**foreign.json(), "correlation_id": ""} == {**missing, "correlation_id": ""}
    assert world.service.call("POST", f"/v1/clips/{clip}/retry", by=stranger).status_code == 404
    assert world.post(by=stranger, start=1, end=4).status_code == 404
    assert world.service.call("GET", "/v1/clips", by=stranger).json() == {"items": [], "next_cursor": None}
    assert world.service.call("GET", f"/v1/clips/{clip}").status_code == 401
    assert world.service.call("POST", "/v1/clips", by=OWNER, scopes={"read"}, json={}).status_code in (403, 422)


def test_pages_of_clips(world: World) -> None:
    made = [world.post(start=1, end=2 + i).json()["id"] for i in range(3)]
    first = world.service.call("GET", "/v1/clips?limit=2", by=OWNER).json()
    second = world.service.call("GET", f"/v1/clips?limit=2&cursor={first['next_cursor']}", by=OWNER).json()
    assert [clip["id"] for clip in first["items"] + second["items"]] == made[::-1]
    assert second["next_cursor"] is None
    assert world.service.call("GET", "/v1/clips?limit=1000", by=OWNER).status_code == 422


def test_presets_and_system_say_what_there_is(service: UnderTest) -> None:
    rows = service.call("GET", "/v1/presets", by=OWNER).json()
    assert {row["preset"]: (row["width"], row["height"]) for row in rows} == {
        "tiktok": (1080, 1920),
        "reels": (1080, 1920),
        "shorts": (1080, 1920),
        "square": (1080, 1080),
        "landscape": (1920, 1080),
        "audiogram": (1080, 1080),
    }
    system = service.call("GET", "/internal/system", by=None).json()
    assert system["encoder"] == "libx264"
    assert len(system["fonts"]) == 2
    assert system["ffmpeg"]


def test_a_recording_that_cannot_be_read_fails_and_can_be_retried(world: World) -> None:
    broken = world.original.model_copy(update={"container": "matroska"})
    world.answer("ingest", f"/internal/originals/{world.media_id}", broken)
    clip = world.post(start=1, end=3).json()["id"]
    for _ in range(3):
        world.service.do_jobs()
        world.service.execute("UPDATE jobs SET run_after = now()")
    shown = world.service.call("GET", f"/v1/clips/{clip}", by=OWNER).json()
    assert shown["status"] == "failed"
    assert shown["problem"]["code"] == "internal"
    (failed,) = world.service.told(events.RenditionFailed)
    assert str(failed.clip_id) == clip
    assert not world.objects()

    world.answer("ingest", f"/internal/originals/{world.media_id}", world.original)
    again = world.service.call("POST", f"/v1/clips/{clip}/retry", by=OWNER)
    assert again.status_code == 202
    assert again.json()["status"] == "queued"
    assert world.service.do_jobs() == 1
    shown = world.service.call("GET", f"/v1/clips/{clip}", by=OWNER).json()
    assert shown["status"] == "ready"
    assert shown["problem"] is None
    assert world.service.call("POST", f"/v1/clips/{clip}/retry", by=OWNER).json()["code"] == "not_failed"


def test_no_transcript_means_no_captions_but_a_clip(world: World) -> None:
    world.service.peers["transcription"].answers.clear()
    clip = world.post(start=1, end=3).json()["id"]
    world.service.do_jobs()
    assert world.service.call("GET", f"/v1/clips/{clip}", by=OWNER).json()["status"] == "ready"
    assert world.service.rows("SELECT words FROM renditions") == [(0,)]


def test_a_killed_ffmpeg_leaves_nothing_and_the_retry_gives_one_file(world: World) -> None:
    world.post(start=1, end=7, preset="landscape")
    killer = threading.Thread(target=lambda: _kill(_encoder(psutil.Process())))
    killer.start()
    world.service.do_jobs()
    killer.join()
    assert world.service.rows("SELECT state, failures FROM jobs") == [("queued", 1)]
    assert not world.objects()
    assert not world.service.told(events.RenditionReady)
    assert not list(rendering.scratch_root().iterdir())
    world.service.execute("UPDATE jobs SET run_after = now()")
    world.service.do_jobs()
    assert len(world.service.told(events.RenditionReady)) == 1
    assert len(world.objects()) == 2


def test_a_killed_worker_takes_its_children_along_and_another_one_finishes(world: World) -> None:
    world.post(start=1, end=7, preset="landscape")
    with _worker_process() as worker:
        encoder = _encoder(psutil.Process(worker.pid))
        worker.send_signal(signal.SIGKILL)
        worker.wait(10)
        psutil.wait_procs([encoder], timeout=10)
        assert not encoder.is_running() or encoder.status() == psutil.STATUS_ZOMBIE, "an orphan goes on encoding"
    assert world.service.rows("SELECT state FROM renditions") == [("rendering",)]
    assert not world.objects()
    assert not world.service.told(events.RenditionReady)

    world.service.execute("UPDATE jobs SET lease_until = now() - interval '1 second'")
    with database.transaction() as session:
        assert [job.state for job, _ in jobs.lapsed(session)] == [JobState.QUEUED]
    sweeping.sweep_now_and_then()
    assert not list(rendering.scratch_root().iterdir()), "the dead worker's scratch is left behind"
    world.service.do_jobs()
    assert len(world.service.told(events.RenditionReady)) == 1
    assert len(world.objects()) == 2


def test_deleting_a_recording_ends_its_renders_and_removes_its_clips(world: World) -> None:
    done = world.post(start=1, end=3).json()["id"]
    world.service.do_jobs()
    assert len(world.objects()) == 2
    world.post(start=1, end=7, preset="landscape")
    deleter = threading.Thread(
        target=lambda: (_encoder(psutil.Process()), world.delete(world.media_id))  # type: ignore[func-returns-value]
    )
    deleter.start()
    began = time.monotonic()
    world.service.do_jobs()
    deleter.join()
    assert time.monotonic() - began < 30
    assert not world.objects()
    assert world.service.rows("SELECT id FROM clips") == []
    assert {row[0] for row in world.service.rows("SELECT state FROM jobs")} == {"done", "cancelled"}
    assert len(world.service.told(events.RenditionReady)) == 1
    assert world.service.call("GET", f"/v1/clips/{done}", by=OWNER).status_code == 404
    world.service.tell(world.moments((1.0, 4.0)))
    assert len(world.service.told(events.ClipPlanned)) == 2, "a late event must not bring a deleted recording back"
    assert world.post(start=1, end=5).status_code == 404


def test_what_was_set_aside_is_seen_and_done_after_all(world: World) -> None:
    clip_id = world.post(start=1, end=3).json()["id"]
    world.service.execute("UPDATE jobs SET state = 'running', interruptions = 2, lease_until = now() - interval '1 s'")
    world.service.worker._reap()
    listed = world.service.call("GET", "/internal/jobs").json()["items"]
    assert [(job["state"], job["problem_code"], job["retryable"]) for job in listed] == [
        ("quarantined", "interrupted", True)
    ]
    assert world.service.call("GET", f"/v1/clips/{clip_id}", by=OWNER).json()["status"] == "failed"
    again = world.service.call("POST", f"/internal/jobs/{listed[0]['id']}/retry")
    assert again.status_code == 200, again.text
    assert world.service.call("GET", f"/v1/clips/{clip_id}", by=OWNER).json()["status"] == "queued"
    assert world.service.do_jobs() == 1
    assert world.service.call("GET", f"/v1/clips/{clip_id}", by=OWNER).json()["status"] == "ready"
    assert world.service.call("POST", f"/internal/jobs/{listed[0]['id']}/retry").status_code == 404
    assert world.service.call("GET", "/internal/jobs", params={"state": "done"}).json()["items"][0]["attempt"] == 1
    assert world.service.call("GET", "/internal/jobs", issuer="catalog").status_code == 403


def test_deleting_one_clip_leaves_the_others(world: World) -> None:
    gone, kept = (UUID(world.post(start=1, end=end).json()["id"]) for end in (3, 4))
    world.delete(gone)
    assert world.service.rows("SELECT id FROM clips") == [(kept,)]
    assert world.service.do_jobs() == 1


def test_sweeping_takes_what_nobody_refers_to_and_nothing_else(world: World) -> None:
    world.post(start=1, end=3)
    world.service.do_jobs()
    fresh = storage.new_key("renditions", new_id(), ".mp4")
    old = f"posters/{new_id()}/018f0000-0000-7000-8000-000000000000.jpg"
    for key in (fresh, old):
        storage.store().put(key, [b"left behind"], "video/mp4")
    (key,) = world.service.rows("SELECT object_key FROM renditions")[0]
    aged = key.rsplit("/", 1)[0] + "/018f0000-0000-7000-8000-000000000001.mp4"
    with storage.store().local(key) as path:
        storage.store().put_file(aged, path, "video/mp4")
    world.service.execute("UPDATE renditions SET object_key = %s", aged)
    assert old in {key for report in sweeping.sweep(600, apply=True) for key in report.orphans}
    assert old in world.objects(), "reported first"
    sweeping.sweep(600, apply=True)
    assert fresh in world.objects()
    assert aged in world.objects()
    assert old not in world.objects()


def _encoder(parent: psutil.Process, seconds: float = 60) -> psutil.Process:
    """Wait until the picture is being encoded; gives the ffmpeg that does it."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        for child in parent.children(recursive=True):
            try:
                if "libx264" in child.cmdline() and child.cpu_times().user > 0.3 and "ffmpeg" in child.name():
                    return child
            except psutil.Error:
                continue
        threading.Event().wait(0.02)
    raise AssertionError("nothing was encoded")


def _kill(process: psutil.Process) -> None:
    os.kill(process.pid, signal.SIGKILL)


@contextmanager
def _worker_process() -> Iterator[subprocess.Popen[bytes]]:
    """The service's own worker, as a process."""
    with subprocess.Popen([sys.executable, "-m", "libs.web", "worker", "render"], cwd=ROOT) as process:
        yield process
        if process.poll() is None:
            process.kill()


def test_the_service_itself_loads_none_of_the_heavy_runtimes() -> None:
    look = (
        "import sys, services.render.app; print([m for m in ('numpy', 'av', 'PIL', 'fontTools') if m in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", look], cwd=ROOT, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
