"""Originals that the platform's rules keep no longer: the bytes go, and nobody takes that for a loss."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import pytest

from libs import storage
from libs.bus import Delivery
from libs.contracts import events
from libs.database import new_id
from libs.storage import StorageUnavailable
from services.ingest.operations import retention
from tests.factories.services import UnderTest

ME = new_id()
NOTHING = {"orphans": [], "removed": [], "missing": []}


@pytest.fixture
def ingest(start: Callable[..., UnderTest]) -> UnderTest:
    return start("ingest", CLIPSTEAD_DISK_RESERVE="0")


def received(ingest: UnderTest, path: Path, days_ago: int = 0) -> UUID:
    reply = ingest.call("POST", "/v1/media", by=ME, files={"file": (path.name, path.read_bytes(), "audio/wav")})
    ingest.do_jobs()
    media_id = UUID(reply.json()["id"])
    ingest.execute(
        "UPDATE originals SET created_at = clock_timestamp() - %s * interval '1 day' WHERE media_id = %s",
        days_ago,
        media_id,
    )
    return media_id


def rule(ingest: UnderTest, originals: int | None) -> None:
    ingest.tell(events.RetentionChanged(originals=originals, renditions=1, imports=1))


def stored() -> list[str]:
    return list(storage.store().keys("originals/"))


def asked(ingest: UnderTest, media_id: UUID) -> dict[str, object]:
    reply = ingest.call("GET", f"/internal/originals/{media_id}", issuer="render")
    assert reply.status_code == 200
    found: dict[str, object] = reply.json()
    return found


def sweep(ingest: UnderTest) -> dict[str, list[str]]:
    (report,) = ingest.call("POST", "/internal/sweep", json={"grace": 0, "apply": True}).json()
    return {name: report[name] for name in NOTHING}


def test_without_a_rule_an_original_stays_for_ever(ingest: UnderTest, tone: Path) -> None:
    received(ingest, tone, days_ago=30_000)
    retention.drop_originals()
    rule(ingest, None)
    retention.drop_originals()
    assert len(stored()) == 1
    assert ingest.told(events.OriginalDropped) == []


def test_the_bytes_go_when_they_are_old_enough_and_the_recording_stays(ingest: UnderTest, tone: Path) -> None:
    old, young = received(ingest, tone, days_ago=8), received(ingest, tone, days_ago=6)
    (key,) = (key for key in stored() if str(old) in key)
    rule(ingest, 7)
    retention.drop_originals()
    retention.drop_originals()
    assert ingest.told(events.OriginalDropped) == [events.OriginalDropped(media_id=old, owner_id=ME, object_key=key)]
    assert [str(young) in left for left in stored()] == [True]
    assert asked(ingest, old)["dropped_at"] is not None
    assert asked(ingest, old)["title"] == "tone"
    assert asked(ingest, young)["dropped_at"] is None
    assert ingest.rows("SELECT state FROM recordings WHERE id = %s", old) == [("received",)]
    assert sweep(ingest) == NOTHING, "what was dropped on purpose is no loss"


def test_a_rule_that_came_late_does_not_undo_a_newer_one(ingest: UnderTest) -> None:
    handler = ingest.module.service.actors.handlers["retention.changed"]
    first, second = new_id(), new_id()

    def deliver(days: int, event_id: UUID) -> None:
        event = events.RetentionChanged(originals=days, renditions=None, imports=None)
        handler(event, Delivery(UUID(int=event_id.int ^ 1), "retention.changed", event_id))

    deliver(7, second)
    deliver(30, first)
    deliver(7, second)
    assert ingest.rows("SELECT days FROM retention") == [(7,)]


def test_bytes_that_cannot_be_reached_are_swept_up_later(
    ingest: UnderTest, tone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    received(ingest, tone, days_ago=8)
    (key,) = stored()
    rule(ingest, 7)

    def away(_: str) -> None:
        raise StorageUnavailable("the store is away")

    with monkeypatch.context() as store_away:
        store_away.setattr(storage.store(), "delete", away)
        retention.drop_originals()
    assert len(ingest.told(events.OriginalDropped)) == 1
    assert stored() == [key]
    assert sweep(ingest) == {"orphans": [key], "removed": [], "missing": []}
    assert sweep(ingest)["removed"] == [key]
    assert stored() == []


def test_workers_that_do_it_at_once_tell_of_each_once(
    ingest: UnderTest, tone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    every = {received(ingest, tone, days_ago=8) for _ in range(7)}
    rule(ingest, 7)
    with ThreadPoolExecutor(3) as workers:
        for work in [workers.submit(retention.drop_originals) for _ in range(3)]:
            work.result(timeout=30)
    retention.drop_originals()
    told = [event.media_id for event in ingest.told(events.OriginalDropped)]
    assert sorted(told) == sorted(every)
    assert stored() == []


def test_a_recording_without_its_original_can_still_be_deleted(ingest: UnderTest, tone: Path) -> None:
    media_id = received(ingest, tone, days_ago=8)
    rule(ingest, 7)
    retention.drop_originals()
    ingest.tell(events.MediaDeleted(media_id=media_id, owner_id=ME))
    assert ingest.rows("SELECT count(*) FROM originals") == [(0,)]
    assert ingest.call("GET", f"/internal/originals/{media_id}", issuer="render").status_code == 404
