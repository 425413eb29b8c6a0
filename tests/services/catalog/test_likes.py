"""Liking: once each, only what one may see, counted right however many do it at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from libs.contracts import events
from libs.contracts.media import Origin
from libs.database import new_id
from tests.factories.services import UnderTest


def _public(catalog: UnderTest, owner: UUID, visibility: str = "public") -> UUID:
    media = new_id()
    origin = Origin(kind="upload", filename="talk.wav")
    catalog.tell(events.MediaAnnounced(media_id=media, owner_id=owner, title="Talk", origin=origin))
    edited = catalog.call(
        "PATCH", f"/v1/library/{media}", by=owner, json={"visibility": visibility}, headers={"If-Match": "*"}
    )
    assert edited.status_code == 200, edited.text
    return media


def test_liking_twice_is_liking_once(catalog: UnderTest) -> None:
    owner, friend = new_id(), new_id()
    media = _public(catalog, owner)
    for _ in range(2):
        view = catalog.call("PUT", f"/v1/library/{media}/like", by=friend).json()
        assert (view["likes"], view["liked"]) == (1, True)
    assert catalog.call("GET", f"/v1/library/{media}", by=owner).json()["liked"] is False
    own = catalog.call("PUT", f"/v1/library/{media}/like", by=owner).json()
    assert (own["likes"], own["liked"]) == (2, True)
    listed = catalog.call("GET", "/v1/library", by=owner).json()["items"]
    assert [(one["likes"], one["liked"]) for one in listed] == [(2, True)]


def test_unliking_what_was_never_liked_changes_nothing(catalog: UnderTest) -> None:
    owner, friend = new_id(), new_id()
    media = _public(catalog, owner)
    before = catalog.call("GET", f"/v1/library/{media}", by=friend).json()
    assert catalog.call("DELETE", f"/v1/library/{media}/like", by=friend).json() == before


def test_nobody_likes_what_they_may_not_see(catalog: UnderTest) -> None:
    media = _public(catalog, new_id(), "private")
    assert catalog.call("PUT", f"/v1/library/{media}/like", by=new_id()).status_code == 404


def test_many_at_once_are_counted_right(catalog: UnderTest) -> None:
    owner = new_id()
    media = _public(catalog, owner)
    friends = [new_id() for _ in range(12)]
    with ThreadPoolExecutor(6) as pool:
        done = list(pool.map(lambda who: catalog.call("PUT", f"/v1/library/{media}/like", by=who), friends * 2))
    assert {answer.status_code for answer in done} == {200}
    assert catalog.call("GET", f"/v1/library/{media}", by=owner).json()["likes"] == len(friends)


def test_likes_go_with_the_recording(catalog: UnderTest) -> None:
    owner = new_id()
    media = _public(catalog, owner)
    catalog.call("PUT", f"/v1/library/{media}/like", by=owner)
    assert catalog.call("DELETE", f"/v1/library/{media}", by=owner).status_code == 204
    assert catalog.call("PUT", f"/v1/library/{media}/like", by=owner).status_code == 404
