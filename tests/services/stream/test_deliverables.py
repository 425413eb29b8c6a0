"""What the service hears: once each, in any order."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from libs import database
from libs.bus import Delivery
from libs.contracts import events
from services.stream.operations import deliverables
from tests.services.stream.conftest import Stage


def changed(stage: Stage, media_id: UUID, title: str, visibility: Any = "private") -> events.MediaChanged:
    return events.MediaChanged(media_id=media_id, owner_id=stage.owner, title=title, visibility=visibility)


def appearance(stage: Stage, media_id: UUID) -> tuple[Any, ...]:
    [row] = stage.service.rows("SELECT title, visibility, deleted FROM appearances WHERE media_id = %s", media_id)
    return row


def test_hearing_twice_changes_nothing(stage: Stage) -> None:
    told = stage.rendition()
    stage.service.tell(told, times=3)
    assert stage.service.rows("SELECT media_id, rendition_id FROM deliverables") == [(told.clip_id, told.rendition_id)]


def test_a_new_rendering_replaces_the_old_one_and_never_the_other_way(stage: Stage) -> None:
    first = stage.rendition()
    second = stage.rendition(first.clip_id, content=b"anew")
    for told in (second, first):
        stage.service.tell(told)
    assert stage.service.rows("SELECT rendition_id, size FROM deliverables") == [(second.rendition_id, 4)]


def test_a_title_given_early_outlives_the_file_that_comes_late(stage: Stage) -> None:
    clip = database.new_id()
    stage.service.tell(changed(stage, clip, "My own words", "public"))
    stage.service.tell(stage.rendition(clip, title="The machine's words"))
    assert appearance(stage, clip) == ("My own words", "public", False)
    assert stage.play(clip, by=uuid4()).status_code == 200


def test_of_two_changes_the_later_one_stands(stage: Stage) -> None:
    clip = stage.clip()
    earlier, later = database.new_id(), database.new_id()
    deliverables.changed(changed(stage, clip, "later"), Delivery(uuid4(), "media.changed", later))
    deliverables.changed(changed(stage, clip, "earlier"), Delivery(uuid4(), "media.changed", earlier))
    assert appearance(stage, clip)[0] == "later"


@pytest.mark.parametrize("known_before", [True, False])
def test_what_is_deleted_stays_deleted(stage: Stage, known_before: bool) -> None:
    told = stage.rendition()
    if known_before:
        stage.service.tell(told)
    stage.service.tell(events.MediaDeleted(media_id=told.clip_id, owner_id=stage.owner))
    stage.service.tell(stage.rendition(told.clip_id))
    stage.service.tell(changed(stage, told.clip_id, "Back again", "public"))
    assert appearance(stage, told.clip_id) == ("", "private", True)
    assert stage.service.rows("SELECT 1 FROM deliverables") == []
    assert stage.play(told.clip_id, by=stage.owner).status_code == 404


def test_a_recording_that_comes_after_its_end_stays_away(stage: Stage) -> None:
    media_id = database.new_id()
    stage.service.tell(events.MediaDeleted(media_id=media_id, owner_id=stage.owner))
    stage.recording(media_id=media_id)
    assert stage.play(media_id, by=stage.owner).status_code == 404
