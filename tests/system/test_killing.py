"""Killing anything while a recording is on its way still ends with its clips."""

from __future__ import annotations

import contextlib
import itertools
from pathlib import Path

import httpx
import psutil
import pytest

from tests.factories.platform import Platform, running_platform, wait_until

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]


def test_killing_any_process_loses_nothing(home: Path, short_speech: bytes) -> None:
    """Kill one process after the other, each when the one before is back, with a recording under way all the time."""
    with running_platform(home) as platform:
        person = platform.person()
        under_way = [person.upload("talk.flac", short_speech, count=1, min_duration=4)]
        names = [entry["name"] for entry in platform.status()["processes"] if entry["state"] == "ready"]
        assert len(names) >= 16
        for number, name in enumerate(names):
            kill(platform, name)
            if number % 4 == 3 and name != "gateway":
                under_way.append(_upload_again(person, short_speech))
        for media_id in under_way:
            view = person.until_ended(media_id)
            assert view["status"] == "ready", view["problem"]
            assert [clip["status"] for clip in person.clips(media_id)] == ["ready"]


def _upload_again(person: object, speech: bytes) -> str:
    """Upload, trying again while a part is just coming back (a person would press the button once more)."""
    last: Exception | None = None
    for _ in itertools.repeat(None, 20):
        try:
            return str(person.upload("talk.flac", speech, count=1, min_duration=4))  # type: ignore[attr-defined]
        except (AssertionError, httpx.HTTPError) as problem:
            last = problem
            wait_until(lambda: person.http.get("/health/ready").is_success, 30)  # type: ignore[attr-defined]
    raise AssertionError from last


def kill(platform: Platform, name: str) -> None:
    """SIGKILL one process and wait until the supervisor has another in its place."""
    victim = platform.process(name)
    victim.kill()

    def back() -> bool:
        entry = next(entry for entry in platform.status()["processes"] if entry["name"] == name)
        return entry["state"] == "ready" and entry["identity"]["pid"] != victim.pid

    wait_until(back, 60, lambda: str(platform.status()))


def test_worker_killed_in_the_middle_of_rendering(platform: Platform, short_speech: bytes) -> None:
    person = platform.person()
    media_id = person.upload("talk.flac", short_speech, count=1, min_duration=4)

    def rendering() -> bool:
        with contextlib.suppress(httpx.HTTPStatusError):  # the library may not have heard of it yet
            stages = person.media(media_id)["stages"]
            return any(stage["name"] == "render" and stage["state"] == "running" for stage in stages)
        return False

    wait_until(rendering, 120)
    worker = platform.process("render-worker")
    children = worker.children(recursive=True)
    worker.kill()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert alive == [], "its ffmpeg lived on"
    view = person.until_ended(media_id)
    assert view["status"] == "ready", view["problem"]
    clips = person.clips(media_id)
    assert [clip["status"] for clip in clips] == ["ready"]
    assert len(clips[0]["files"]) == 1
