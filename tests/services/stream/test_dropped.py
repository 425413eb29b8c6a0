"""What the platform's rules took away can't be played, says so, and plays again once it is there again."""

from __future__ import annotations

from libs.contracts import events
from libs.contracts.media import Preset
from tests.services.stream.conftest import BYTES, Stage


def drop_clip(stage: Stage, told: events.RenditionReady) -> None:
    stage.service.tell(
        events.RenditionDropped(
            clip_id=told.clip_id,
            media_id=told.media_id,
            owner_id=stage.owner,
            rendition_id=told.rendition_id,
            preset=Preset.SHORTS,
            object_key=told.object_key,
        ),
        times=2,
    )


def test_an_original_that_was_dropped_answers_so(stage: Stage) -> None:
    media_id = stage.recording()
    shared, granted = stage.shared(media_id), stage.granted(media_id)
    (key,) = stage.service.rows("SELECT object_key FROM deliverables")[0]
    stage.service.tell(events.OriginalDropped(media_id=media_id, owner_id=stage.owner, object_key=key))
    for answer in (stage.play(media_id, by=stage.owner), stage.share(media_id)):
        assert (answer.status_code, answer.json()["code"]) == (410, "original_dropped")
        assert "rules" in answer.json()["detail"]
    assert stage.get(shared).status_code == 410
    assert {stage.get(path).status_code for path in (f"{shared}/media", f"{shared}/poster.jpg", granted)} == {404}
    stranger = stage.play(media_id, by=media_id)
    assert stranger.status_code == 404, "nobody else learns of it"
    listed = stage.service.call("GET", f"/v1/shares?media_id={media_id}", by=stage.owner)
    assert len(listed.json()["items"]) == 1


def test_a_dropped_clip_plays_again_by_the_same_link_once_it_is_rendered_again(stage: Stage) -> None:
    told = stage.rendition()
    stage.service.tell(told)
    shared = stage.shared(told.clip_id)
    drop_clip(stage, told)
    answer = stage.play(told.clip_id, by=stage.owner)
    assert (answer.status_code, answer.json()["code"]) == (410, "rendition_dropped")
    assert stage.get(shared).status_code == 410
    anew = stage.rendition(clip_id=told.clip_id).model_copy(update={"rendition_id": told.rendition_id})
    stage.service.tell(anew)
    assert stage.play(told.clip_id, by=stage.owner).status_code == 200
    assert stage.get(f"{shared}/media").content == BYTES
    drop_clip(stage, told)  # late: a newer file has taken its place
    assert stage.play(told.clip_id, by=stage.owner).status_code == 200
