"""Members play what is for their group, until they leave; grants end with their session; suspended people show nothing."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID, uuid4

import httpx

from libs.contracts import events
from tests.services.stream.conftest import BYTES, Stage

CIRCLE, OTHER = uuid4(), uuid4()
FRIEND, SESSION = uuid4(), uuid4()


def for_the_circle(stage: Stage) -> UUID:
    clip = stage.clip()
    change(stage, clip, "group", CIRCLE)
    return clip


def change(stage: Stage, clip: UUID, visibility: str, group: UUID | None = None) -> None:
    stage.service.tell(
        events.MediaChanged.model_validate(
            {
                "media_id": clip,
                "owner_id": stage.owner,
                "title": "The best bit",
                "visibility": visibility,
                "group_id": group,
            }
        )
    )


def asked(
    stage: Stage, clip: UUID, by: UUID | None = FRIEND, groups: Collection[UUID] = (CIRCLE,), session: UUID = SESSION
) -> httpx.Response:
    return stage.service.call(
        "POST", "/v1/playback", by=by, groups=groups, session_id=session, json={"media_id": str(clip)}
    )


def granted(stage: Stage, clip: UUID, **who: UUID) -> str:
    answer = asked(stage, clip, **who)
    assert answer.status_code < 300, answer.text
    path: str = stage.path(answer.json()["url"])
    assert stage.get(path).content == BYTES
    return path


def test_members_play_it_and_nobody_else(stage: Stage) -> None:
    clip = for_the_circle(stage)
    granted(stage, clip)
    assert asked(stage, clip, groups={OTHER}).status_code == 404
    assert asked(stage, clip, by=uuid4(), groups=()).status_code == 404
    assert asked(stage, clip, by=None).status_code == 404
    made = stage.service.call("POST", "/v1/shares", by=FRIEND, groups={CIRCLE}, json={"media_id": str(clip)})
    assert made.status_code == 404, "sharing on is the owner's alone"


def test_what_was_granted_ends_with_the_membership(stage: Stage) -> None:
    clip = for_the_circle(stage)
    path = granted(stage, clip)
    stage.service.tell(events.MemberLeft(group_id=OTHER, user_id=FRIEND))
    assert stage.get(path).status_code == 200
    stage.service.tell(events.MemberLeft(group_id=CIRCLE, user_id=FRIEND))
    assert stage.get(path).status_code == 404


def test_what_was_granted_ends_when_it_is_for_others(stage: Stage) -> None:
    clip = for_the_circle(stage)
    path = granted(stage, clip)
    change(stage, clip, "group", OTHER)
    assert stage.get(path).status_code == 404
    change(stage, clip, "private")
    assert stage.get(path).status_code == 404


def test_what_was_granted_ends_with_the_session(stage: Stage) -> None:
    clip = for_the_circle(stage)
    path, elsewhere = granted(stage, clip), granted(stage, clip, session=uuid4())
    own = granted(stage, clip, by=stage.owner)
    stage.service.tell(events.SessionsEnded(user_id=FRIEND, session_ids=(SESSION,)))
    assert [stage.get(one).status_code for one in (path, own, elsewhere)] == [404, 404, 200]


def test_links_of_somebody_who_is_suspended_open_nothing_meanwhile(stage: Stage) -> None:
    clip = for_the_circle(stage)
    link = f"{stage.path(stage.share(clip).json()['url'])}/media"
    path, own = granted(stage, clip), granted(stage, clip, by=stage.owner)
    assert stage.get(link).status_code == 200
    stage.service.tell(events.UserSuspended(user_id=stage.owner, suspended=True))
    assert [stage.get(one).status_code for one in (link, path, own)] == [404, 404, 404]
    assert asked(stage, clip).status_code == 404
    stage.service.tell(events.UserSuspended(user_id=stage.owner, suspended=False))
    assert stage.get(link).status_code == 200
    granted(stage, clip)
