"""What is for a group is for its members, for as long as they are; and nobody sees what somebody who is suspended shared."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

import httpx

from libs.contracts import events
from libs.contracts.media import Origin
from libs.database import new_id
from tests.factories.services import UnderTest

CIRCLE, OTHER = new_id(), new_id()
OWNER, FRIEND, STRANGER = new_id(), new_id(), new_id()


def shared(catalog: UnderTest, owner: UUID = OWNER, title: str = "Talk", **edits: Any) -> UUID:
    media = new_id()
    origin = Origin(kind="upload", filename="talk.wav")
    catalog.tell(events.MediaAnnounced(media_id=media, owner_id=owner, title=title, origin=origin))
    catalog.execute("UPDATE media SET status = 'ready' WHERE id = %s", media)
    answer = edit(catalog, media, owner, **{"visibility": "group", "group_id": str(CIRCLE), **edits})
    assert answer.status_code == 200, answer.text
    return media


def edit(
    catalog: UnderTest, media: UUID, owner: UUID = OWNER, groups: Collection[UUID] = (CIRCLE,), **edits: Any
) -> httpx.Response:
    headers = {"If-Match": "*"}
    return catalog.call("PATCH", f"/v1/library/{media}", by=owner, groups=groups, json=edits, headers=headers)


def seen(catalog: UnderTest, media: UUID, by: UUID | None, groups: Collection[UUID] = ()) -> int:
    return catalog.call("GET", f"/v1/library/{media}", by=by, groups=groups).status_code


def test_members_see_like_and_list_it_and_nobody_else_does(catalog: UnderTest) -> None:
    media = shared(catalog)
    assert seen(catalog, media, FRIEND, {CIRCLE}) == 200
    assert catalog.call("PUT", f"/v1/library/{media}/like", by=FRIEND, groups={CIRCLE}).json()["likes"] == 1
    listed = {"scope": "group", "group_id": str(CIRCLE)}
    page = catalog.call("GET", "/v1/library", by=FRIEND, groups={CIRCLE}, params=listed).json()
    assert ([one["id"] for one in page["items"]], page["total"]) == ([str(media)], 1)
    assert page["items"][0]["origin"] is None

    for by, groups in ((STRANGER, ()), (STRANGER, {OTHER}), (None, ()), (None, {CIRCLE})):
        foreign, missing = (
            catalog.call("GET", f"/v1/library/{one}", by=by, groups=groups).json() for one in (media, new_id())
        )
        del foreign["correlation_id"], missing["correlation_id"]
        assert foreign == missing
        assert foreign["status"] == 404
    assert catalog.call("GET", "/v1/library", by=STRANGER, groups={OTHER}, params=listed).status_code == 404
    assert catalog.call("GET", "/v1/library", params=listed).status_code == 401
    assert catalog.call("PUT", f"/v1/library/{media}/like", by=STRANGER, groups={OTHER}).status_code == 404
    assert catalog.call("GET", "/v1/library", by=STRANGER, params={"scope": "public"}).json()["total"] == 0


def test_a_key_that_may_not_read_sees_none_of_it(catalog: UnderTest) -> None:
    media = shared(catalog)
    answer = catalog.call("GET", f"/v1/library/{media}", by=FRIEND, groups={CIRCLE}, scopes={"upload"})
    assert answer.status_code == 404


def test_one_shares_with_groups_of_ones_own(catalog: UnderTest) -> None:
    media = shared(catalog, visibility="private", group_id=None)
    refused = edit(catalog, media, visibility="group", group_id=str(OTHER))
    assert (refused.status_code, refused.json()["code"]) == (422, "no_such_group")
    for edits in ({"visibility": "group"}, {"visibility": "public", "group_id": str(CIRCLE)}):
        refused = edit(catalog, media, **edits)
        assert (refused.status_code, refused.json()["code"]) == (422, "group_needed")
    assert edit(catalog, media, visibility="group", group_id=str(CIRCLE)).json()["group_id"] == str(CIRCLE)
    told = catalog.told(events.MediaChanged)[-1]
    assert isinstance(told, events.MediaChanged)
    assert (told.visibility, told.group_id) == ("group", CIRCLE)
    assert edit(catalog, media, visibility="public").json()["group_id"] is None
    assert edit(catalog, media, title="Other").json()["visibility"] == "public"
    for query in ({"scope": "group"}, {"scope": "mine", "group_id": str(CIRCLE)}):
        assert catalog.call("GET", "/v1/library", by=OWNER, groups={CIRCLE}, params=query).status_code == 422


def test_whoever_leaves_takes_their_things_along(catalog: UnderTest) -> None:
    mine, theirs = shared(catalog), shared(catalog, FRIEND)
    elsewhere = shared(catalog, visibility="public", group_id=None)
    catalog.tell(events.MemberLeft(group_id=CIRCLE, user_id=OWNER), times=2)
    assert seen(catalog, mine, FRIEND, {CIRCLE}) == 404
    assert seen(catalog, mine, OWNER) == 200
    assert seen(catalog, theirs, STRANGER, {CIRCLE}) == 200
    assert seen(catalog, elsewhere, None) == 200
    told = catalog.told(events.MediaChanged)[-1]
    assert isinstance(told, events.MediaChanged)
    assert (told.media_id, told.visibility, told.group_id) == (mine, "private", None)


def test_a_dissolved_group_shows_nothing(catalog: UnderTest) -> None:
    media = shared(catalog)
    catalog.tell(events.GroupChanged(group_id=CIRCLE, group_name="Renamed"))
    assert seen(catalog, media, FRIEND, {CIRCLE}) == 200
    catalog.tell(events.GroupChanged(group_id=CIRCLE, group_name="Renamed", deleted=True), times=2)
    assert seen(catalog, media, FRIEND, {CIRCLE}) == 404
    assert catalog.call("GET", f"/v1/library/{media}", by=OWNER).json()["visibility"] == "private"


def test_what_somebody_who_is_suspended_shared_is_away_meanwhile(catalog: UnderTest) -> None:
    circle = shared(catalog)
    public, unlisted = (shared(catalog, visibility=kind, group_id=None) for kind in ("public", "unlisted"))
    catalog.tell(events.UserSuspended(user_id=OWNER, suspended=True))
    assert [seen(catalog, one, FRIEND, {CIRCLE}) for one in (circle, public, unlisted)] == [404, 404, 404]
    assert seen(catalog, public, None) == 404
    everything = {"scope": "public"}
    assert catalog.call("GET", "/v1/library", params=everything).json()["total"] == 0
    catalog.tell(events.UserSuspended(user_id=OWNER, suspended=False))
    assert [seen(catalog, one, FRIEND, {CIRCLE}) for one in (circle, public, unlisted)] == [200, 200, 200]
    assert catalog.call("GET", "/v1/library", params=everything).json()["total"] == 1
