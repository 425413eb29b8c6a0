"""What people see while a recording goes through the pipeline, well and ill, in order and out of it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from libs.contracts import events
from libs.database import new_id
from tests.factories.services import UnderTest
from tests.services.catalog.conftest import DURATION, SIZE, Story, in_order, stage


def test_a_good_recording_step_by_step(catalog: UnderTest, story: Story) -> None:
    expected = [
        (story.announced(), "receiving"),
        (story.progress("receive", 400_000), "receiving"),
        (story.progress("receive", SIZE), "checking"),
        (story.received(), "transcribing"),
        (story.transcribing(60), "transcribing"),
        (story.transcribed(), "finding"),
        (story.finding(), "finding"),
        (story.found(), "rendering"),
        (story.planned(0), "rendering"),
        (story.planned(1), "rendering"),
        (story.rendering(0, 10), "rendering"),
        (story.rendered(0), "rendering"),
        (story.rendered(1), "ready"),
    ]
    versions = []
    for event, status in expected:
        story.tell(catalog, event)
        view = story.view(catalog)
        assert view["status"] == status, event
        versions.append(view["version"])
    assert versions == sorted(set(versions))
    assert [one["state"] for one in view["stages"]] == ["done"] * 5
    assert [one["name"] for one in view["stages"]] == ["receive", "check", "transcribe", "find", "render"]
    assert all(one["started_at"] <= one["finished_at"] for one in view["stages"])
    assert view["clips"] == {"planned": 2, "ready": 2, "failed": 0}
    assert (view["media_type"], view["duration"], view["width"], view["size"]) == ("video", DURATION, 640, SIZE)
    assert view["transcript"]["quality"] == "draft"
    assert (view["moments"], view["chosen_by"], view["problem"]) == (2, "built-in", None)
    assert [span["engine"] for span in stage(view, "render")["engine"]] == ["ffmpeg", "ffmpeg"]
    clip = story.view(catalog, story.clips[0])
    assert (clip["kind"], clip["parent_id"], clip["status"]) == ("clip", str(story.media), "ready")
    assert (clip["start"], clip["end"], clip["score"], clip["preset"]) == (0.0, 20.0, 0.7, "shorts")
    assert clip["files"][0]["height"] == 1920


def test_progress_has_real_denominators(catalog: UnderTest, story: Story) -> None:
    story.tell(catalog, *story.good()[:3])
    receive = stage(story.view(catalog), "receive")
    assert (receive["done"], receive["total"], receive["unit"], receive["state"]) == (400_000, SIZE, "bytes", "running")
    story.tell(catalog, story.received(), story.transcribing(30))
    transcribe = stage(story.view(catalog), "transcribe")
    assert (transcribe["done"], transcribe["total"], transcribe["unit"]) == (30, DURATION, "seconds")
    assert (transcribe["eta"], transcribe["detail"]) == (9.0, "PocketSphinx")
    story.tell(catalog, story.transcribed(), story.found(), story.planned(0), story.planned(1), story.rendered(0))
    story.tell(catalog, story.rendering(1, 5))
    render = stage(story.view(catalog), "render")
    assert (render["done"], render["total"], render["unit"], render["eta"]) == (1.25, 2, "clips", 4.0)


DONE, FAILED, SKIPPED = "done", "failed", "skipped"


@dataclass(frozen=True)
class Failure:
    """How a recording comes to nothing: what is told, the status, stage and code that people see, all stages' states."""

    told: Callable[[Story], list[events.Event]]
    status: str
    stage: str
    code: str
    states: list[str]


FAILURES = {
    "broken upload": Failure(
        lambda story: [story.announced(), story.rejected("receive")],
        "rejected",
        "receive",
        "unsupported_media",
        [FAILED, SKIPPED, SKIPPED, SKIPPED, SKIPPED],
    ),
    "a text": Failure(
        lambda story: [story.announced(), story.progress("receive", SIZE), story.rejected()],
        "rejected",
        "check",
        "unsupported_media",
        [DONE, FAILED, SKIPPED, SKIPPED, SKIPPED],
    ),
    "no sound": Failure(
        lambda story: [story.announced(), story.received(), story.untranscribed()],
        "failed",
        "transcribe",
        "no_audio",
        [DONE, DONE, FAILED, SKIPPED, SKIPPED],
    ),
    "no speech": Failure(
        lambda story: [
            *(story.announced(), story.received(), story.transcribed(0)),
            story.found(0, "no_speech", "Nobody speaks."),
        ],
        "failed",
        "find",
        "no_speech",
        [DONE, DONE, DONE, FAILED, SKIPPED],
    ),
    "no clip": Failure(
        lambda story: [*story.good()[:13], story.unrendered(0), story.unrendered(1)],
        "failed",
        "render",
        "encode_failed",
        [DONE, DONE, DONE, DONE, FAILED],
    ),
}


@pytest.mark.parametrize("kind", FAILURES)
def test_failures_name_the_stage_and_the_reason(catalog: UnderTest, story: Story, kind: str) -> None:
    failure = FAILURES[kind]
    story.tell(catalog, *failure.told(story))
    view = story.view(catalog)
    assert view["status"] == failure.status
    assert (view["problem"]["stage"], view["problem"]["code"]) == (failure.stage, failure.code)
    assert view["problem"]["detail"].endswith(".")
    assert [one["state"] for one in view["stages"]] == failure.states


def test_one_failed_clip_does_not_spoil_the_recording(catalog: UnderTest, story: Story) -> None:
    story.tell(catalog, *story.good()[:13], story.rendered(0), story.unrendered(1))
    view = story.view(catalog)
    assert (view["status"], view["problem"]) == ("ready", None)
    assert view["clips"] == {"planned": 2, "ready": 1, "failed": 1}
    assert "1 of 2 clips failed" in stage(view, "render")["detail"]
    story.tell(catalog, story.rendering(1, 5))  # retried
    assert story.view(catalog)["status"] == "rendering"
    assert story.view(catalog, story.clips[1])["status"] == "rendering"
    story.tell(catalog, story.rendered(1))
    assert story.view(catalog)["clips"]["ready"] == 2


def test_stragglers_do_not_reopen_what_is_done_but_a_new_search_does(catalog: UnderTest, story: Story) -> None:
    story.tell(catalog, *story.good())
    story.tell(catalog, story.transcribing(110), story.rendering(0, 3))
    assert story.view(catalog)["status"] == "ready"
    story.tell(catalog, story.finding())
    assert story.view(catalog)["status"] == "finding"
    story.tell(catalog, story.found())
    assert story.view(catalog)["status"] == "ready"


def test_clips_cut_by_hand_are_not_part_of_the_pipeline(catalog: UnderTest, story: Story) -> None:
    story.clips.append(new_id())
    story.renditions.append(new_id())
    story.tell(catalog, *story.good(), story.planned(2, score=None), story.unrendered(2))
    view = story.view(catalog)
    assert view["status"] == "ready"
    assert view["clips"] == {"planned": 3, "ready": 2, "failed": 1}


def test_a_moment_that_was_cut_by_hand_before_is_not_waited_for(catalog: UnderTest, story: Story) -> None:
    story.tell(catalog, story.announced(), story.received(), story.transcribed())
    story.tell(catalog, story.planned(0, score=None), story.rendered(0), story.found(count=1))
    assert story.view(catalog)["status"] == "ready"
    story.tell(catalog, story.found(count=2), story.planned(1))
    assert story.view(catalog)["status"] == "rendering"
    story.tell(catalog, story.rendered(1))
    assert story.view(catalog)["status"] == "ready"


def _timeless(view: dict[str, Any]) -> dict[str, Any]:
    """A view without what depends on when things arrived."""
    stages = [{**one, "started_at": None, "finished_at": None} for one in view["stages"]]
    return {**view, "stages": stages, "version": 0, "created_at": "", "updated_at": ""}


def _retold(story: Story, kind: str) -> list[events.Event]:
    good = story.good()
    return {
        "good": good,
        "retried": [*good[:13], story.rendered(0), story.unrendered(1), story.rendering(1, 4), story.rendered(1)],
        "failing": [*good[:13], story.unrendered(0), story.unrendered(1)],
        "again": [*good, story.finding(), story.found(), story.transcribing(119)],
        "mute": [*good[:8], story.untranscribed()],
    }[kind]


@pytest.mark.parametrize("kind", ["good", "retried", "failing", "again", "mute"])
def test_any_order_and_any_repetition_end_in_the_same_view(catalog: UnderTest, kind: str) -> None:
    order = random.Random(kind)
    story = Story()
    told = in_order(_retold(story, kind))
    for one in told:
        one.to(catalog)
    ids = [story.media, *(clip for clip in story.clips if kind != "mute")]
    expected = [_timeless(story.view(catalog, media)) for media in ids]
    for _ in range(6):
        catalog.execute("TRUNCATE media, likes, inbox, tombstones")
        shuffled = [*told, *order.choices(told, k=5)]
        order.shuffle(shuffled)
        for one in shuffled:
            one.to(catalog)
        assert [_timeless(story.view(catalog, media)) for media in ids] == expected


def test_what_nobody_owns_yet_is_nobodys_to_see(catalog: UnderTest, story: Story) -> None:
    story.tell(catalog, story.transcribing(10))
    assert catalog.call("GET", f"/v1/library/{story.media}", by=story.owner).status_code == 404
    story.tell(catalog, story.announced())
    assert story.view(catalog)["title"] == "A talk"


def test_views_are_counted_once_and_are_no_change(catalog: UnderTest, story: Story) -> None:
    story.tell(catalog, story.announced())
    before = story.view(catalog)
    catalog.tell(events.ShareViewed(share_id=new_id(), media_id=story.media), times=3)
    catalog.tell(events.ShareViewed(share_id=new_id(), media_id=story.media))
    assert story.view(catalog) == before | {"views": 2}
