"""The library: pages, edits, deletion, and who may see what."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from libs.contracts import events
from libs.contracts.media import Origin
from libs.database import new_id
from tests.factories.services import UnderTest
from tests.services.catalog.conftest import Story


def _announce(catalog: UnderTest, owner: UUID, title: str) -> UUID:
    media = new_id()
    origin = Origin(kind="import", url="https://example.org/secret-talk")
    catalog.tell(events.MediaAnnounced(media_id=media, owner_id=owner, title=title, origin=origin))
    return media


def _pages(catalog: UnderTest, owner: UUID, between: Any = None, **query: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    cursor = None
    while True:
        params = query | ({"cursor": cursor} if cursor else {})
        reply = catalog.call("GET", "/v1/library", by=owner, params=params)
        assert reply.status_code == 200, reply.text
        items += reply.json()["items"]
        cursor = reply.json()["next_cursor"]
        if cursor is None:
            return items
        if between is not None:
            between()


@pytest.mark.parametrize("sort", ["created_at", "-created_at", "title", "-title", "duration", "-updated_at"])
def test_pages_neither_repeat_nor_skip_while_others_insert(catalog: UnderTest, sort: str) -> None:
    owner = new_id()
    there = {str(_announce(catalog, owner, f"Talk {at % 3}")) for at in range(11)}
    seen = [
        item["id"] for item in _pages(catalog, owner, lambda: _announce(catalog, owner, "Talk 1"), sort=sort, limit=2)
    ]
    assert len(seen) == len(set(seen))
    assert there <= set(seen)


def test_the_order_is_the_one_asked_for(catalog: UnderTest) -> None:
    owner = new_id()
    for title in ("beta", "Alpha", "gamma"):
        _announce(catalog, owner, title)
    assert [item["title"] for item in _pages(catalog, owner, sort="title", limit=1)] == ["Alpha", "beta", "gamma"]
    assert [item["title"] for item in _pages(catalog, owner, sort="-title")] == ["gamma", "beta", "Alpha"]
    assert [item["title"] for item in _pages(catalog, owner)] == ["gamma", "Alpha", "beta"]


def test_filters_and_totals(catalog: UnderTest, story: Story) -> None:
    story.tell(catalog, *story.good())
    _announce(catalog, story.owner, "100% proof_read")
    _announce(catalog, new_id(), "Somebody else's")

    def total(**query: Any) -> int:
        reply = catalog.call("GET", "/v1/library", by=story.owner, params={"limit": 1, **query})
        return int(reply.json()["total"])

    assert total() == 4
    assert total(kind="clip") == 2
    assert total(kind="recording") == 2
    assert total(parent_id=str(story.media)) == 2
    assert total(status="ready") == 3
    assert total(q="MOMENT 1") == 1
    assert total(q="0% p") == 1
    assert total(q="%") == 1
    assert total(q="proof?read") == 0


@pytest.mark.parametrize(
    "query", [{"limit": 0}, {"limit": 101}, {"limit": 5000}, {"sort": "owner_id"}, {"cursor": "x"}, {"cursor": "WzFd"}]
)
def test_what_makes_no_sense_is_refused(catalog: UnderTest, query: dict[str, Any]) -> None:
    reply = catalog.call("GET", "/v1/library", by=new_id(), params=query)
    assert reply.status_code == 422
    assert reply.headers["content-type"] == "application/problem+json"


def test_a_cursor_of_another_order_is_refused(catalog: UnderTest) -> None:
    owner = new_id()
    for at in range(3):
        _announce(catalog, owner, f"Talk {at}")
    cursor = catalog.call("GET", "/v1/library", by=owner, params={"limit": 1}).json()["next_cursor"]
    reply = catalog.call("GET", "/v1/library", by=owner, params={"limit": 1, "cursor": cursor, "sort": "title"})
    assert reply.status_code == 422


# editing ----------------------------------------------------------------------------------------------------------------


def test_an_edit_names_the_version_it_saw(catalog: UnderTest, story: Story) -> None:
    story.tell(catalog, story.announced())
    path = f"/v1/library/{story.media}"
    seen = catalog.call("GET", path, by=story.owner)
    etag = seen.headers["etag"]
    assert etag == f'"{seen.json()["version"]}"'
    assert catalog.call("PATCH", path, by=story.owner, json={"title": "Mine"}).status_code == 428
    done = catalog.call("PATCH", path, by=story.owner, json={"title": " My\n talk "}, headers={"If-Match": etag})
    assert (done.status_code, done.json()["title"]) == (200, "My talk")
    again = catalog.call("PATCH", path, by=story.owner, json={"title": "Late"}, headers={"If-Match": etag})
    assert (again.status_code, again.json()["code"]) == (412, "changed_meanwhile")
    for strange in ('"abc"', '"1", "2"', ""):
        refused = catalog.call("PATCH", path, by=story.owner, json={"title": "x"}, headers={"If-Match": strange})
        assert refused.status_code == 412
    assert (
        catalog.call("PATCH", path, by=story.owner, json={"title": "Any"}, headers={"If-Match": "*"}).status_code == 200
    )
    assert [(told.title, told.visibility) for told in catalog.told(events.MediaChanged)] == [
        ("My talk", "private"),
        ("Any", "private"),
    ]


def test_the_owners_title_outlives_the_pipelines(catalog: UnderTest, story: Story) -> None:
    story.tell(catalog, story.announced())
    path = f"/v1/library/{story.media}"
    catalog.call("PATCH", path, by=story.owner, json={"title": "Mine"}, headers={"If-Match": "*"})
    story.tell(catalog, story.received())
    assert story.view(catalog)["title"] == "Mine"


@pytest.mark.parametrize(
    "edits",
    [{"owner_id": str(new_id())}, {"status": "ready"}, {"title": ""}, {"title": "x" * 201}, {"visibility": "all"}],
)
def test_edits_out_of_bounds_are_refused(catalog: UnderTest, story: Story, edits: dict[str, str]) -> None:
    story.tell(catalog, story.announced())
    reply = catalog.call("PATCH", f"/v1/library/{story.media}", by=story.owner, json=edits, headers={"If-Match": "*"})
    assert reply.status_code == 422


# who may see and do what --------------------------------------------------------------------------------------------------


def test_a_foreign_and_a_missing_one_look_the_same(catalog: UnderTest, story: Story) -> None:
    story.tell(catalog, story.announced())
    stranger = new_id()

    def answer(method: str, path: str) -> dict[str, Any]:
        body: dict[str, Any] = {"json": {"title": "x"}, "headers": {"If-Match": "*"}} if method == "PATCH" else {}
        reply = catalog.call(method, path, by=stranger, **body)
        assert reply.status_code == 404
        return reply.json() | {"correlation_id": ""}

    for method, tail in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/events")):
        foreign = answer(method, f"/v1/library/{story.media}{tail}")
        assert foreign == answer(method, f"/v1/library/{new_id()}{tail}")
    assert story.view(catalog)["title"] == "A talk"


def test_public_ones_are_everybodys_to_see_and_nobody_elses_to_change(catalog: UnderTest, story: Story) -> None:
    story.tell(catalog, *story.good())
    path = f"/v1/library/{story.media}"

    def public() -> int:
        return int(catalog.call("GET", "/v1/library", params={"scope": "public"}).json()["total"])

    assert public() == 0
    assert catalog.call("GET", path).status_code == 404
    for visibility, listed in (("unlisted", 0), ("public", 1)):
        catalog.call("PATCH", path, by=story.owner, json={"visibility": visibility}, headers={"If-Match": "*"})
        assert public() == listed
        seen = catalog.call("GET", path)
        assert (seen.status_code, seen.json()["origin"]) == (200, None)
    assert story.view(catalog)["origin"]["filename"] == "talk.mp4"
    assert catalog.call("DELETE", path, by=new_id()).status_code == 404
    assert catalog.call("GET", "/v1/library").status_code == 401


def test_a_key_that_may_only_upload_reads_nothing(catalog: UnderTest, story: Story) -> None:
    story.tell(catalog, story.announced())
    by: dict[str, Any] = {"by": story.owner, "scopes": {"upload"}}
    assert catalog.call("GET", "/v1/library", **by).status_code == 403
    assert catalog.call("GET", f"/v1/library/{story.media}", **by).status_code == 404
    assert catalog.call("DELETE", f"/v1/library/{story.media}", **by).status_code == 403


# deleting -----------------------------------------------------------------------------------------------------------------


def test_a_recording_takes_its_clips_along_and_stays_deleted(catalog: UnderTest, story: Story) -> None:
    story.tell(catalog, *story.good())
    assert catalog.call("DELETE", f"/v1/library/{story.media}", by=story.owner).status_code == 204
    told = {(one.media_id, one.parent_id) for one in catalog.told(events.MediaDeleted)}
    assert told == {(story.media, None), *((clip, story.media) for clip in story.clips)}
    assert catalog.call("DELETE", f"/v1/library/{story.media}", by=story.owner).status_code == 404
    story.tell(catalog, *story.good())  # late
    assert catalog.rows("SELECT count(*) FROM media") == [(0,)]


def test_a_recording_is_ready_without_the_clip_that_was_deleted(catalog: UnderTest, story: Story) -> None:
    story.tell(catalog, *story.good())
    assert catalog.call("DELETE", f"/v1/library/{story.clips[0]}", by=story.owner).status_code == 204
    story.tell(catalog, story.rendered(0))  # late
    view = story.view(catalog)
    assert (view["status"], view["clips"]) == ("ready", {"planned": 1, "ready": 1, "failed": 0})
    assert catalog.call("DELETE", f"/v1/library/{story.clips[1]}", by=story.owner).status_code == 204
    assert story.view(catalog)["status"] == "ready"


def test_who_leaves_takes_everything_along(catalog: UnderTest, story: Story) -> None:
    story.tell(catalog, *story.good())
    other = _announce(catalog, new_id(), "Stays")
    catalog.tell(events.UserChanged(user_id=story.owner, display_name="Ada"))
    catalog.tell(events.UserDeleted(user_id=story.owner), times=2)
    assert [row[0] for row in catalog.rows("SELECT id FROM media")] == [other]
    assert len(catalog.told(events.MediaDeleted)) == 3
    assert catalog.rows("SELECT count(*) FROM people") == [(0,)]
