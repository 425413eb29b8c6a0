"""Media go when their owner said: not before, whoever looks, and once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from libs.contracts import events
from libs.database import new_id
from services.catalog.actors import actors
from services.catalog.operations import retention
from tests.factories.services import UnderTest
from tests.services.catalog.conftest import Story

TOMORROW = datetime.now(UTC) + timedelta(days=1)


def _edit(catalog: UnderTest, story: Story, media: UUID | None = None, **edits: Any) -> Any:
    path = f"/v1/library/{media or story.media}"
    return catalog.call("PATCH", path, by=story.owner, json=edits, headers={"If-Match": "*"})


def _let_it_pass(catalog: UnderTest, *media: UUID) -> None:
    """Move the clock of what was set to expire."""
    catalog.execute("UPDATE media SET expires_at = clock_timestamp() - interval '1 s' WHERE id = ANY(%s)", list(media))


def _left(catalog: UnderTest) -> set[UUID]:
    return {row[0] for row in catalog.rows("SELECT id FROM media")}


def test_its_owner_sets_and_clears_a_time(catalog: UnderTest, story: Story) -> None:
    story.tell(catalog, story.announced())
    assert story.view(catalog)["expires_at"] is None
    before = story.view(catalog)["version"]
    done = _edit(catalog, story, expires_at=TOMORROW.isoformat())
    assert datetime.fromisoformat(done.json()["expires_at"]) == TOMORROW
    assert done.json()["version"] == before + 1
    _edit(catalog, story, title="Something else is edited")
    assert story.view(catalog)["expires_at"] is not None
    assert _edit(catalog, story, expires_at=None).json()["expires_at"] is None
    assert catalog.rows("SELECT expires_at FROM media") == [(None,)]


@pytest.mark.parametrize("when", ["2020-01-01T00:00:00Z", "soon", "2999-01-01T00:00:00", 12.5e20])
def test_a_time_that_is_past_or_none_is_refused(catalog: UnderTest, story: Story, when: Any) -> None:
    story.tell(catalog, story.announced())
    reply = _edit(catalog, story, expires_at=when, title="Not this either")
    assert reply.status_code == 422
    assert (story.view(catalog)["expires_at"], story.view(catalog)["title"]) == (None, "A talk")


def test_nothing_goes_before_its_time(catalog: UnderTest, story: Story) -> None:
    story.tell(catalog, *story.good())
    _edit(catalog, story, expires_at=TOMORROW.isoformat())
    retention.expire()
    assert len(_left(catalog)) == 3
    assert catalog.told(events.MediaDeleted) == []


def test_a_recording_goes_with_its_clips_just_as_if_its_owner_deleted_it(catalog: UnderTest, story: Story) -> None:
    story.tell(catalog, *story.good())
    _edit(catalog, story, expires_at=TOMORROW.isoformat())
    _edit(catalog, story, story.clips[0], expires_at=TOMORROW.isoformat())
    _let_it_pass(catalog, story.media, story.clips[0])
    retention.expire()
    retention.expire()
    assert _left(catalog) == set()
    told = [(one.media_id, one.owner_id, one.parent_id) for one in catalog.told(events.MediaDeleted)]
    assert sorted(told, key=str) == sorted(
        [(story.media, story.owner, None), *((clip, story.owner, story.media) for clip in story.clips)], key=str
    )
    story.tell(catalog, *story.good())  # late
    assert _left(catalog) == set()


def test_a_recording_is_ready_without_its_expired_clip(catalog: UnderTest, story: Story) -> None:
    story.tell(catalog, *story.good())
    _edit(catalog, story, story.clips[1], expires_at=TOMORROW.isoformat())
    _let_it_pass(catalog, story.clips[1])
    retention.expire()
    view = story.view(catalog)
    assert (view["status"], view["clips"]) == ("ready", {"planned": 1, "ready": 1, "failed": 0})


def test_who_changes_their_mind_in_time_keeps_it(catalog: UnderTest, story: Story) -> None:
    """Between the look at what is due and its deletion the owner clears the time: the row decides."""
    story.tell(catalog, story.announced())
    _edit(catalog, story, expires_at=TOMORROW.isoformat())
    _let_it_pass(catalog, story.media)
    with ThreadPoolExecutor(1) as pool, psycopg.connect(catalog.database_url) as owner:
        owner.execute("UPDATE media SET expires_at = NULL WHERE id = %s", (story.media,))
        pool.submit(retention.expire).result(timeout=10)  # waits for nobody
        owner.commit()
    retention.expire()
    assert _left(catalog) == {story.media}


def test_two_workers_share_many_and_tell_of_each_once(
    catalog: UnderTest, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 4)
    many = [Story(owner=story.owner) for _ in range(11)]
    for one in many:
        one.tell(catalog, one.announced(), one.received(), one.planned(0), one.rendered(0))
    _let_it_pass(catalog, *(one.media for one in many[:10]), *(one.clips[0] for one in many))
    with ThreadPoolExecutor(3) as workers:
        for work in [workers.submit(retention.expire) for _ in range(3)]:
            work.result(timeout=30)
    retention.expire()  # what one left to another that was at it
    assert _left(catalog) == {many[10].media}
    told = [one.media_id for one in catalog.told(events.MediaDeleted)]
    assert len(told) == len(set(told)) == 21


def test_a_shell_that_nobody_owns_is_left_alone(catalog: UnderTest, story: Story) -> None:
    story.tell(catalog, story.transcribing(1))
    _let_it_pass(catalog, story.media)
    retention.expire()
    assert _left(catalog) == {story.media}


def test_it_is_looked_for_often_enough_to_be_gone_within_a_minute() -> None:
    periodic = {one.run: one.seconds for one in actors.periodic}
    assert periodic[retention.expire] <= 30


def test_a_stranger_sets_no_time(catalog: UnderTest, story: Story) -> None:
    story.tell(catalog, story.announced())
    reply = catalog.call(
        "PATCH",
        f"/v1/library/{story.media}",
        by=new_id(),
        json={"expires_at": TOMORROW.isoformat()},
        headers={"If-Match": "*"},
    )
    assert reply.status_code == 404
