"""Share links and playback grants: who gets them, what they open, and when they stop."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import httpx
import pytest

from libs.contracts import events
from libs.database import new_id
from services.stream.links import Kind, Link
from services.stream.operations.access import url_of
from services.stream.operations.tidying import tidy
from tests.services.stream.conftest import BYTES, POSTER, Stage


def test_the_story_of_a_share(stage: Stage) -> None:
    clip = stage.clip()
    made = stage.share(clip)
    assert made.status_code == 201
    share = made.json()
    assert share["url"].startswith("https://clips.example.org/s/")
    assert share["media_id"] == str(clip)
    assert share["views"] == 0
    assert share["revoked_at"] is None

    path = stage.path(share["url"])
    assert stage.get(path).status_code == 200
    played = stage.get(f"{path}/media")
    assert played.content == BYTES
    assert stage.get(f"{path}/poster.jpg").content == POSTER

    listed = stage.service.call("GET", f"/v1/shares?media_id={clip}", by=stage.owner).json()
    assert listed["next_cursor"] is None
    assert [item["url"] for item in listed["items"]] == [share["url"]]
    assert listed["items"][0]["views"] == 1

    for _ in range(2):  # doing it again changes nothing
        assert stage.service.call("DELETE", f"/v1/shares/{share['id']}", by=stage.owner).status_code == 204
    ended = stage.get(path)
    assert ended.status_code == 410
    assert "This link has ended" in ended.text
    assert stage.get(f"{path}/media").status_code == 404
    assert stage.get(f"{path}/poster.jpg").status_code == 404
    [listed_again] = stage.service.call("GET", f"/v1/shares?media_id={clip}", by=stage.owner).json()["items"]
    assert listed_again["revoked_at"] is not None


def test_revoking_one_link_leaves_the_others(stage: Stage) -> None:
    clip = stage.clip()
    kept, revoked = stage.share(clip).json(), stage.share(clip).json()
    stage.service.call("DELETE", f"/v1/shares/{revoked['id']}", by=stage.owner)
    assert stage.get(stage.path(kept["url"])).status_code == 200
    assert stage.get(stage.path(revoked["url"])).status_code == 410


@pytest.mark.parametrize("sent", [{"expires_in": 59}, {"expires_in": 31_536_001}, {"expires_in": -1}, {"views": 7}])
def test_what_is_refused(stage: Stage, sent: dict[str, int]) -> None:
    assert stage.share(stage.clip(), **sent).status_code == 422


def test_a_share_ends_when_it_says(stage: Stage) -> None:
    share = stage.share(stage.clip(), expires_in=60).json()
    path = stage.path(share["url"])
    assert stage.get(path).status_code == 200
    stage.service.execute("UPDATE shares SET expires_at = clock_timestamp() - interval '1 second'")
    assert stage.get(path).status_code == 410
    assert stage.get(f"{path}/media").status_code == 404


def test_the_end_that_was_signed_holds_whatever_the_table_says(stage: Stage) -> None:
    clip = stage.clip()
    share = stage.share(clip).json()
    over = Link(Kind.SHARE, clip, UUID(share["id"]), datetime.now(UTC) - timedelta(seconds=2))
    assert stage.get(stage.path(url_of(over))).status_code == 410


def test_what_is_not_yours_does_not_exist(stage: Stage) -> None:
    clip, stranger = stage.clip(), uuid4()
    share = stage.share(clip).json()
    foreign = [
        stage.share(clip, by=stranger),
        stage.play(clip, by=stranger),
        stage.play(clip, by=None),
        stage.service.call("GET", f"/v1/shares?media_id={clip}", by=stranger),
        stage.service.call("DELETE", f"/v1/shares/{share['id']}", by=stranger),
    ]
    missing = [
        stage.share(uuid4()),
        stage.play(uuid4(), by=stage.owner),
        stage.play(uuid4(), by=None),
        stage.service.call("GET", f"/v1/shares?media_id={uuid4()}", by=stage.owner),
        stage.service.call("DELETE", f"/v1/shares/{uuid4()}", by=stage.owner),
    ]
    for one, other in zip(foreign, missing, strict=True):
        assert one.status_code == other.status_code == 404
        assert {**one.json(), "correlation_id": ""} == {**other.json(), "correlation_id": ""}
    assert stage.get(stage.path(share["url"])).status_code == 200


def test_keys_do_what_their_scopes_say(stage: Stage) -> None:
    clip, call = stage.clip(), stage.service.call
    body = {"media_id": str(clip)}
    assert call("POST", "/v1/shares", by=stage.owner, scopes={"read", "upload"}, json=body).status_code == 403
    assert call("POST", "/v1/playback", by=stage.owner, scopes={"upload"}, json=body).status_code == 403
    assert call("GET", f"/v1/shares?media_id={clip}", by=stage.owner, scopes={"upload"}).status_code == 403
    assert call("POST", "/v1/shares", json=body).status_code == 401


def test_a_token_of_one_thing_never_opens_another(stage: Stage) -> None:
    """The public addresses of two clips, mixed in every way, open nothing."""
    one, other = stage.shared(stage.clip("One")), stage.shared(stage.clip("Other"))
    grant = stage.granted(stage.clip("Third"))
    token, second, third = one[3:], other[3:], grant[3:]
    mixtures = [token[:n] + second[n:] for n in range(4, 76, 4)] + [third, token[:-1], token + "A", token[::-1]]
    for mixed in mixtures:
        if mixed not in (token, second):
            assert stage.get(f"/s/{mixed}").status_code == 404, mixed
            assert stage.get(f"/s/{mixed}/media").status_code == 404
    for wrong in (token, second):
        assert stage.get(f"/p/{wrong}").status_code == 404


def test_denial_sounds_the_same_whatever_the_reason(stage: Stage) -> None:
    clip = stage.clip()
    revoked = stage.share(clip).json()
    stage.service.call("DELETE", f"/v1/shares/{revoked['id']}", by=stage.owner)
    grant = stage.granted(clip)
    stage.service.execute("UPDATE grants SET expires_at = clock_timestamp()")
    paths = ["/s/nonsense/media", f"/s/{'A' * 76}/media", f"{stage.path(revoked['url'])}/media", grant, "/p/nonsense"]
    answers = [stage.get(path) for path in paths]
    assert {answer.status_code for answer in answers} == {404}
    assert {answer.headers["Content-Type"] for answer in answers} == {"application/problem+json"}
    assert len({str({**answer.json(), "correlation_id": ""}) for answer in answers}) == 1


def test_a_grant_plays_for_a_while(stage: Stage) -> None:
    recording = stage.recording()
    reply = stage.play(recording, by=stage.owner)
    assert reply.status_code == 200
    playback = reply.json()
    assert playback["url"].startswith("https://clips.example.org/p/")
    assert playback["poster_url"] is None
    facts = {name: playback[name] for name in ("mime", "width", "height", "duration")}
    assert facts == {"mime": "video/mp4", "width": 1920, "height": 1080, "duration": 61.4}
    path = stage.path(playback["url"])
    assert stage.get(path).content == BYTES
    assert stage.get(f"{path}/poster.jpg").status_code == 404
    stage.service.execute("UPDATE grants SET expires_at = clock_timestamp()")
    assert stage.get(path).status_code == 404


def test_a_clip_has_a_poster(stage: Stage) -> None:
    playback = stage.play(stage.clip(), by=stage.owner).json()
    poster = stage.get(stage.path(playback["poster_url"]))
    assert (poster.content, poster.headers["Content-Type"]) == (POSTER, "image/jpeg")


def test_what_is_public_plays_for_everybody_until_it_is_not(stage: Stage) -> None:
    clip = stage.clip()

    def show(visibility: str) -> None:
        stage.service.tell(
            events.MediaChanged(media_id=clip, owner_id=stage.owner, title="T", visibility=visibility)  # type: ignore[arg-type]
        )

    show("public")
    paths = [stage.path(stage.play(clip, by=who).json()["url"]) for who in (uuid4(), None)]
    mine = stage.granted(clip)
    assert [stage.get(path).status_code for path in paths] == [200, 200]
    show("unlisted")
    assert [stage.get(path).status_code for path in paths] == [404, 404]
    assert stage.get(mine).status_code == 200
    assert stage.play(clip, by=None).status_code == 404


def test_what_is_deleted_opens_no_more(stage: Stage) -> None:
    clip = stage.clip()
    share, grant = stage.shared(clip), stage.granted(clip)
    stage.service.tell(events.MediaDeleted(media_id=clip, owner_id=stage.owner))
    assert stage.get(share).status_code == 410
    assert stage.get(f"{share}/media").status_code == 404
    assert stage.get(grant).status_code == 404
    assert stage.share(clip).status_code == 404
    assert stage.service.rows("SELECT 1 FROM shares") == []


def test_many_links_come_in_pages(stage: Stage) -> None:
    clip = stage.clip()
    made = [stage.share(clip).json()["id"] for _ in range(5)]
    seen, cursor = [], ""
    while True:
        page = stage.service.call("GET", f"/v1/shares?media_id={clip}&limit=2{cursor}", by=stage.owner).json()
        seen += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == made[::-1]
    assert stage.service.call("GET", f"/v1/shares?media_id={clip}&limit=101", by=stage.owner).status_code == 422


def test_what_is_over_is_tidied_away(stage: Stage) -> None:
    clip = stage.clip()
    stage.granted(clip)
    stage.get(f"{stage.shared(clip)}/media")
    tidy()
    assert len(stage.service.rows("SELECT 1 FROM grants, plays")) == 1
    for table in ("grants", "plays"):
        stage.service.execute(f"UPDATE {table} SET expires_at = clock_timestamp() - interval '1 second'")
    tidy()
    assert stage.service.rows("SELECT id FROM grants") + stage.service.rows("SELECT share_id FROM plays") == []


def test_what_was_refused_is_not_remembered(stage: Stage) -> None:
    media_id = new_id()

    def share() -> httpx.Response:
        body, key = {"media_id": str(media_id)}, {"Idempotency-Key": "k"}
        return stage.service.call("POST", "/v1/shares", by=stage.owner, json=body, headers=key)

    assert share().status_code == 404
    stage.recording(media_id=media_id)  # which the service hears of a moment later
    made = share()
    assert made.status_code == 201
    assert share().json() == made.json()


def test_the_database_holds_no_link(stage: Stage) -> None:
    body, key = {"media_id": str(stage.recording())}, {"Idempotency-Key": "k"}
    url = stage.service.call("POST", "/v1/shares", by=stage.owner, json=body, headers=key).json()["url"]
    [(kept,)] = stage.service.rows("SELECT row_to_json(idempotency_keys)::text FROM idempotency_keys")
    [(answer,)] = stage.service.rows("SELECT answer FROM idempotency_keys")
    assert url.rpartition("/")[2].encode() not in answer
    assert "idempotency" not in kept
