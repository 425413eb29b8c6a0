"""Originals that nothing refers to any longer, and recordings whose bytes are gone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from libs import storage
from libs.contracts import events
from libs.database import new_id
from libs.storage import StorageUnavailable
from tests.factories.services import UnderTest

ME = new_id()


@pytest.fixture
def ingest(start: Callable[..., UnderTest]) -> UnderTest:
    return start("ingest", CLIPSTEAD_DISK_RESERVE="0")


def received(ingest: UnderTest, path: Path) -> UUID:
    reply = ingest.call("POST", "/v1/media", by=ME, files={"file": (path.name, path.read_bytes(), "audio/wav")})
    ingest.do_jobs()
    assert len(list(storage.store().keys("originals/"))) == 1
    return UUID(reply.json()["id"])


def sweep(ingest: UnderTest, *, apply: bool = True) -> dict[str, list[str]]:
    answer = ingest.call("POST", "/internal/sweep", json={"grace": 0, "apply": apply})
    assert answer.status_code == 200, answer.text
    (report,) = answer.json()
    return {name: report[name] for name in ("orphans", "removed", "missing")}


def test_nothing_is_wrong_where_nothing_is(ingest: UnderTest, tone: Path) -> None:
    received(ingest, tone)
    for _ in range(2):
        assert sweep(ingest) == {"orphans": [], "removed": [], "missing": []}


def test_bytes_that_outlived_their_recording_go_with_the_second_look(ingest: UnderTest, tone: Path) -> None:
    media_id = received(ingest, tone)
    ingest.execute(
        "DELETE FROM recordings WHERE id = %s", media_id
    )  # as if it had been killed before it reached the store
    (key,) = storage.store().keys("originals/")
    assert sweep(ingest) == {"orphans": [key], "removed": [], "missing": []}
    assert sweep(ingest) == {"orphans": [key], "removed": [key], "missing": []}
    assert list(storage.store().keys("originals/")) == []


def test_a_recording_whose_bytes_are_gone_is_told(ingest: UnderTest, tone: Path) -> None:
    received(ingest, tone)
    (key,) = storage.store().keys("originals/")
    storage.store().delete(key)
    assert sweep(ingest)["missing"] == [key]
    assert ingest.rows("SELECT count(*) FROM originals") == [(1,)]


def test_a_store_that_is_away_holds_up_no_deletion(
    ingest: UnderTest, tone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    media_id = received(ingest, tone)
    store = storage.store()

    class Away:
        """The store, but that nothing can be deleted from it."""

        def delete(self, key: str) -> None:
            raise StorageUnavailable(key)

        def __getattr__(self, name: str) -> object:
            return getattr(store, name)

    with monkeypatch.context() as patch:
        patch.setattr(storage._Runtime, "store", Away())
        ingest.tell(events.MediaDeleted(media_id=media_id, owner_id=ME))
    assert ingest.rows("SELECT count(*) FROM recordings") == [(0,)]
    sweep(ingest)
    assert len(sweep(ingest)["removed"]) == 1


def test_only_the_gateway_may_ask(ingest: UnderTest) -> None:
    answer = ingest.call("POST", "/internal/sweep", issuer="render", json={"grace": 0, "apply": True})
    assert answer.status_code == 403


def test_a_check_that_ended_badly_says_that_retrying_is_no_use(ingest: UnderTest, tone: Path) -> None:
    ingest.call("POST", "/v1/media", by=ME, files={"file": (tone.name, tone.read_bytes(), "audio/wav")})
    ingest.execute("UPDATE jobs SET state = 'running', interruptions = 2, lease_until = now() - interval '1 s'")
    ingest.worker._reap()
    (job,) = ingest.call("GET", "/internal/jobs").json()["items"]
    assert (job["state"], job["retryable"]) == ("quarantined", False)
    refused = ingest.call("POST", f"/internal/jobs/{job['id']}/retry")
    assert (refused.status_code, refused.json()["code"]) == (409, "not_retryable")
    assert ingest.rows("SELECT state FROM jobs") == [("quarantined",)]
