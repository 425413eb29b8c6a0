"""Orphans are found both ways, reported first, and removed only when a second look finds them still."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from libs import storage
from libs.database import new_id
from libs.storage.sweeping import Sweeper

KINDS = ("originals", "posters")


class Rows:
    """What a service's table would say."""

    def __init__(self) -> None:
        self.keys: set[str] = set()

    def known(self, keys: list[str]) -> set[str]:
        return self.keys & set(keys)

    def referred(self, kind: str) -> set[str]:
        return {key for key in self.keys if key.startswith(kind)}


@pytest.fixture
def rows() -> Rows:
    return Rows()


@pytest.fixture
def sweeper(rows: Rows, tmp_path: Path) -> Sweeper:
    storage.configure(tmp_path.as_uri(), tmp_path)
    return Sweeper(KINDS, known=rows.known, referred=rows.referred)


def put(kind: str = "originals") -> str:
    key = storage.new_key(kind, new_id(), ".wav")
    storage.store().put(key, [b"bytes"], "audio/wav")
    return key


def test_an_orphan_is_reported_first_and_removed_by_the_second_look(sweeper: Sweeper, rows: Rows) -> None:
    kept, orphan = put(), put()
    rows.keys.add(kept)
    first = sweeper.sweep(0, apply=True)[0]
    assert (first.orphans, first.removed, first.missing) == ([orphan], [], [])
    assert set(storage.store().keys()) == {kept, orphan}
    assert sweeper.sweep(0, apply=True)[0].removed == [orphan]
    assert set(storage.store().keys()) == {kept}


def test_a_look_without_leave_removes_nothing_however_often(sweeper: Sweeper) -> None:
    orphan = put("posters")
    for _ in range(3):
        assert [report.removed for report in sweeper.sweep(0, apply=False)] == [[], []]
    assert set(storage.store().keys()) == {orphan}


def test_what_is_young_may_belong_to_a_transaction_under_way(sweeper: Sweeper) -> None:
    put()
    for _ in range(2):
        assert sweeper.sweep(60, apply=True)[0].orphans == []
    assert len(list(storage.store().keys())) == 1


def test_age_is_told_by_the_key_itself(sweeper: Sweeper) -> None:
    hour_ago = uuid.UUID(int=(new_id().int >> 80) - 3_600_000 << 80 | 7 << 76 | 2 << 62)
    key = f"originals/{new_id()}/{hour_ago}.wav"
    storage.store().put(key, [b"bytes"], "audio/wav")
    assert sweeper.sweep(3000, apply=True)[0].orphans == [key]
    assert sweeper.sweep(4000, apply=True)[0].orphans == []


def test_an_orphan_that_got_its_row_meanwhile_stays(sweeper: Sweeper, rows: Rows) -> None:
    key = put()
    assert sweeper.sweep(0, apply=True)[0].orphans == [key]
    rows.keys.add(key)
    report = sweeper.sweep(0, apply=True)[0]
    assert (report.orphans, report.removed) == ([], [])
    assert set(storage.store().keys()) == {key}


def test_a_row_without_its_object_is_told_and_left_alone(sweeper: Sweeper, rows: Rows) -> None:
    lost = storage.new_key("posters", new_id(), ".jpg")
    rows.keys.add(lost)
    for _ in range(2):
        assert sweeper.sweep(0, apply=True)[1].missing == [lost]
    assert rows.keys == {lost}


def test_kinds_of_others_are_not_looked_at(sweeper: Sweeper) -> None:
    put("avatars")
    for _ in range(2):
        assert [report.orphans for report in sweeper.sweep(0, apply=True)] == [[], []]
    assert len(list(storage.store().keys())) == 1
