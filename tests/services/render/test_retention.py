"""Files that the platform's rules keep no longer: they go, their clips stay, and can be rendered again."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from libs import storage
from libs.contracts import events
from libs.storage import StorageUnavailable
from services.render.operations import retention
from tests.factories.services import UnderTest
from tests.services.render.conftest import OWNER
from tests.services.render.test_service import World

NOTHING: dict[str, list[str]] = {"orphans": [], "removed": [], "missing": []}


@pytest.fixture
def world(start: Callable[..., UnderTest], material: Callable[[str], Path]) -> World:
    return World(start("render", CLIPSTEAD_RENDER_EFFORT="superfast"), material("sound"))


def rendered(world: World, *spans: tuple[float, float], days_ago: int) -> list[str]:
    """Have clips made, some days ago; their ids."""
    ids = [str(world.post(start=start, end=end).json()["id"]) for start, end in spans]
    world.service.do_jobs()
    world.service.execute(
        "UPDATE renditions SET ready_at = clock_timestamp() - %s * interval '1 day' WHERE clip_id = ANY(%s::uuid[])",
        days_ago,
        ids,
    )
    return ids


def rule(world: World, renditions: int | None) -> None:
    world.service.tell(events.RetentionChanged(originals=1, renditions=renditions, imports=1))


def status(world: World, clip: str) -> str:
    return str(world.service.call("GET", f"/v1/clips/{clip}", by=OWNER).json()["status"])


def lose_the_original(world: World) -> None:
    gone = world.original.model_copy(update={"dropped_at": datetime.now(UTC)})
    world.answer("ingest", f"/internal/originals/{world.media_id}", gone)


def sweep(world: World) -> list[dict[str, list[str]]]:
    reports = world.service.call("POST", "/internal/sweep", json={"grace": 0, "apply": True}).json()
    return [{name: report[name] for name in NOTHING} for report in reports]


def test_a_file_goes_when_it_is_old_enough_and_the_retry_brings_it_back(world: World) -> None:
    (clip,) = rendered(world, (1, 3), days_ago=8)
    keys = world.objects()
    rule(world, None)
    retention.drop_renditions()
    rule(world, 9)
    retention.drop_renditions()
    assert world.objects() == keys
    rule(world, 7)
    retention.drop_renditions()
    retention.drop_renditions()
    (told,) = world.service.told(events.RenditionDropped)
    assert (str(told.clip_id), told.media_id, told.object_key in keys) == (clip, world.media_id, True)
    assert world.objects() == set()
    assert sweep(world) == [NOTHING, NOTHING]
    shown = world.service.call("GET", f"/v1/clips/{clip}", by=OWNER).json()
    assert (shown["status"], shown["files"], shown["problem"]) == ("dropped", [], None)

    again = world.service.call("POST", f"/v1/clips/{clip}/retry", by=OWNER)
    assert (again.status_code, again.json()["status"]) == (202, "queued")
    assert world.service.do_jobs() == 1
    assert status(world, clip) == "ready"
    retention.drop_renditions()
    assert status(world, clip) == "ready", "a file is as old as its last rendering"
    first, second = world.service.told(events.RenditionReady)
    assert (first.rendition_id, first.object_key != second.object_key) == (second.rendition_id, True)
    assert world.objects() == {second.object_key, second.poster_key}


def test_asking_twice_at_once_for_a_dropped_file_renders_it_once(world: World) -> None:
    (clip,) = rendered(world, (1, 3), days_ago=8)
    rule(world, 7)
    retention.drop_renditions()
    with ThreadPoolExecutor(4) as crowd:
        asks = [crowd.submit(world.service.call, "POST", f"/v1/clips/{clip}/retry", by=OWNER) for _ in range(4)]
        codes = sorted(ask.result(timeout=30).status_code for ask in asks)
    assert codes == [202, 409, 409, 409]
    assert world.service.do_jobs() == 1


def test_workers_that_do_it_at_once_tell_of_each_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 1)
    clips = rendered(world, (1, 3), (3, 5), (5, 7), days_ago=8)
    rule(world, 7)
    with ThreadPoolExecutor(3) as workers:
        for work in [workers.submit(retention.drop_renditions) for _ in range(3)]:
            work.result(timeout=30)
    retention.drop_renditions()
    assert sorted(str(event.clip_id) for event in world.service.told(events.RenditionDropped)) == sorted(clips)
    assert world.objects() == set()


def test_files_that_cannot_be_reached_are_swept_up_later(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    rendered(world, (1, 3), days_ago=8)
    rule(world, 7)

    def away(_: str) -> None:
        raise StorageUnavailable("the store is away")

    with monkeypatch.context() as store_away:
        store_away.setattr(storage.store(), "delete", away)
        retention.drop_renditions()
    assert len(world.objects()) == 2
    sweep(world)
    sweep(world)
    assert world.objects() == set()


def test_nothing_new_is_cut_from_a_recording_whose_original_is_gone(world: World) -> None:
    lose_the_original(world)
    refused = world.post(start=1, end=3)
    assert (refused.status_code, refused.json()["code"]) == (410, "original_dropped")
    assert "nothing new can be cut" in refused.json()["detail"]
    assert world.service.told() == []
    world.service.tell(world.moments((1.0, 4.0)))
    (failed,) = world.service.told(events.RenditionFailed)
    assert failed.code == "original_dropped"
    again = world.service.call("POST", f"/v1/clips/{failed.clip_id}/retry", by=OWNER).json()
    assert (again["code"], "nothing new can be cut" in again["detail"]) == ("not_retryable", True)


def test_a_dropped_file_whose_original_is_gone_too_says_why_it_cannot_come_back(world: World) -> None:
    (clip,) = rendered(world, (1, 3), days_ago=8)
    rule(world, 7)
    retention.drop_renditions()
    lose_the_original(world)
    assert world.service.call("POST", f"/v1/clips/{clip}/retry", by=OWNER).status_code == 202
    world.service.do_jobs()
    shown = world.service.call("GET", f"/v1/clips/{clip}", by=OWNER).json()
    assert (shown["status"], shown["problem"]["code"]) == ("failed", "original_dropped")
