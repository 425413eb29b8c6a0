"""The rules of administrators: who may set them, who is told, what they do to imports, and how what was dropped is shown."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import httpx
import pytest

from libs.contracts import events
from libs.contracts.media import Origin, Preset
from libs.database import new_id
from services.catalog.operations import retention
from tests.factories.services import UnderTest
from tests.services.catalog.conftest import Story, in_order, stage

PATH = "/v1/admin/retention"
ADMIN = {"upload", "read", "write", "admin"}
NONE = {"originals": None, "renditions": None, "imports": None}


def _rule(catalog: UnderTest, scopes: set[str] | None = None, **rules: Any) -> httpx.Response:
    return catalog.call("PUT", PATH, by=new_id(), scopes=scopes or ADMIN, json=NONE | rules)


def _import(catalog: UnderTest, days_ago: int, kind: str = "import") -> UUID:
    media = new_id()
    origin = Origin.model_validate({"kind": kind, "url": "https://example.org/talk"})
    catalog.tell(events.MediaAnnounced(media_id=media, owner_id=new_id(), title="A talk", origin=origin))
    catalog.execute(
        "UPDATE media SET created_at = clock_timestamp() - %s * interval '1 day' WHERE id = %s", days_ago, media
    )
    return media


def _left(catalog: UnderTest) -> set[UUID]:
    return {row[0] for row in catalog.rows("SELECT id FROM media")}


def dropped(story: Story, at: int) -> events.Event:
    return events.RenditionDropped(
        clip_id=story.clips[at],
        media_id=story.media,
        owner_id=story.owner,
        rendition_id=story.renditions[at],
        preset=Preset.SHORTS,
        object_key="clips/x.mp4",
    )


def original_dropped(story: Story) -> events.Event:
    return events.OriginalDropped(media_id=story.media, owner_id=story.owner, object_key="originals/x.mp4")


# the rules ----------------------------------------------------------------------------------------------------------------


def test_everything_is_kept_for_ever_until_an_administrator_says_otherwise(catalog: UnderTest) -> None:
    shown = catalog.call("GET", PATH, by=new_id(), scopes=ADMIN)
    assert (shown.status_code, shown.json()) == (200, NONE | {"changed_at": None})
    ancient = _import(catalog, 30_000)
    retention.drop_imports()
    assert _left(catalog) == {ancient}


def test_rules_are_set_shown_and_told(catalog: UnderTest) -> None:
    done = _rule(catalog, originals=30, imports=7)
    assert (done.status_code, done.json()["originals"], done.json()["renditions"]) == (200, 30, None)
    assert catalog.call("GET", PATH, by=new_id(), scopes=ADMIN).json() == done.json()
    again = _rule(catalog, renditions=365)
    assert again.json()["changed_at"] > done.json()["changed_at"]
    assert catalog.told(events.RetentionChanged) == [
        events.RetentionChanged(originals=30, renditions=None, imports=7),
        events.RetentionChanged(originals=None, renditions=365, imports=None),
    ]


def test_nobody_but_an_administrator_sees_or_sets_them(catalog: UnderTest) -> None:
    for method in ("GET", "PUT"):
        body = {"json": NONE} if method == "PUT" else {}
        assert catalog.call(method, PATH, **body).status_code == 401
        refused = catalog.call(method, PATH, by=new_id(), **body)
        assert (refused.status_code, refused.json()["code"]) == (403, "missing_scope")
    assert catalog.told(events.RetentionChanged) == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"originals": 30},
        NONE | {"imports": 0},
        NONE | {"imports": -1},
        NONE | {"imports": 40_000},
        NONE | {"imports": "7"},
        NONE | {"imports": 1.5},
        NONE | {"imports": True},
        NONE | {"drafts": 3},
    ],
)
def test_rules_that_are_none_are_refused(catalog: UnderTest, body: dict[str, Any]) -> None:
    assert catalog.call("PUT", PATH, by=new_id(), scopes=ADMIN, json=body).status_code == 422
    assert catalog.rows("SELECT * FROM retention") == []


def test_of_many_who_rule_at_once_the_last_one_told_is_the_one_that_stands(catalog: UnderTest) -> None:
    with ThreadPoolExecutor(8) as crowd:
        replies = list(crowd.map(lambda days: _rule(catalog, imports=days), range(1, 17)))
    assert {reply.status_code for reply in replies} == {200}
    by_id = catalog.rows(
        "SELECT body->>'imports' FROM outbox WHERE topic = 'retention.changed' ORDER BY id DESC LIMIT 1"
    )
    assert by_id == catalog.rows("SELECT imports::text FROM retention")


# imports ------------------------------------------------------------------------------------------------------------------


def test_imports_go_with_their_clips_and_uploads_stay(catalog: UnderTest, story: Story) -> None:
    story.tell(catalog, *story.good())  # an upload
    catalog.execute("UPDATE media SET created_at = clock_timestamp() - interval '90 days'")
    old, young = _import(catalog, 8), _import(catalog, 6)
    clip = events.ClipPlanned.model_validate(
        story.planned(0).model_dump() | {"media_id": old, "clip_id": new_id(), "rendition_id": new_id()}
    )
    catalog.tell(clip)
    _rule(catalog, imports=7)
    retention.drop_imports()
    retention.drop_imports()
    assert _left(catalog) == {story.media, *story.clips, young}
    assert {one.media_id for one in catalog.told(events.MediaDeleted)} == {old, clip.clip_id}
    assert len(catalog.told(events.MediaDeleted)) == 2


def test_two_workers_delete_each_import_once(catalog: UnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 3)
    for _ in range(12):
        _import(catalog, 9)
    _rule(catalog, imports=7)
    with ThreadPoolExecutor(2) as workers:
        for work in [workers.submit(retention.drop_imports) for _ in range(2)]:
            work.result(timeout=30)
    retention.drop_imports()
    assert _left(catalog) == set()
    assert len(catalog.told(events.MediaDeleted)) == 12


# what was dropped ---------------------------------------------------------------------------------------------------------


def test_a_recording_says_that_its_original_is_gone_and_stays_all_else(catalog: UnderTest, story: Story) -> None:
    story.tell(catalog, *story.good())
    before = story.view(catalog)
    assert before["original_dropped_at"] is None
    story.tell(catalog, original_dropped(story))
    after = story.view(catalog)
    assert after["original_dropped_at"] is not None
    told = {"original_dropped_at", "version", "updated_at"}
    assert {name: value for name, value in after.items() if name not in told} == {
        name: value for name, value in before.items() if name not in told
    }


def test_a_clip_without_its_file_is_dropped_and_its_recording_no_less_ready(catalog: UnderTest, story: Story) -> None:
    story.tell(catalog, *story.good(), dropped(story, 0))
    clip = story.view(catalog, story.clips[0])
    assert (clip["status"], clip["files"], clip["size"], clip["problem"]) == ("dropped", [], None, None)
    assert clip["duration"] == 20.0
    recording = story.view(catalog)
    assert (recording["status"], stage(recording, "render")["state"]) == ("ready", "done")
    assert recording["clips"] == {"planned": 2, "ready": 1, "failed": 0}
    found = catalog.call("GET", "/v1/library", by=story.owner, params={"status": "dropped"}).json()
    assert [one["id"] for one in found["items"]] == [str(story.clips[0])]


def test_a_dropped_clip_is_rendered_again(catalog: UnderTest, story: Story) -> None:
    story.tell(catalog, *story.good(), dropped(story, 0), story.rendering(0, 0))
    assert story.view(catalog, story.clips[0])["status"] == "rendering"
    story.tell(catalog, story.unrendered(0))
    assert story.view(catalog, story.clips[0])["status"] == "failed"
    story.tell(catalog, story.rendering(0, 0), story.rendered(0))
    clip = story.view(catalog, story.clips[0])
    assert (clip["status"], len(clip["files"])) == ("ready", 1)


@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_arrival_makes_no_difference(catalog: UnderTest, story: Story, seed: int) -> None:
    again = [story.rendering(0, 0), story.rendered(0)]
    told = in_order([*story.good(), dropped(story, 0), dropped(story, 1), original_dropped(story), *again])
    random.Random(seed).shuffle(told)
    for one in [*told, *told[:5]]:
        one.to(catalog)
    assert story.view(catalog)["status"] == "ready"
    assert story.view(catalog)["original_dropped_at"] is not None
    assert story.view(catalog, story.clips[0])["status"] == "ready"
    assert story.view(catalog, story.clips[1])["status"] == "dropped"
