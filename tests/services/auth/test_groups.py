"""Circles of friends: made, shared, left and handed over; and the invitations that lead into them."""

from __future__ import annotations

import re
from collections.abc import Callable
from uuid import UUID

import httpx
import pytest

from libs.contracts.events import GroupChanged, MemberLeft
from libs.database import new_id
from tests.factories.services import UnderTest
from tests.services.auth.people import PASSWORD, Person, audited, mails, resolve, sign_up


@pytest.fixture
def auth(start: Callable[..., UnderTest]) -> UnderTest:
    return start("auth")


def made(by: Person, name: str = "Sunday climbers") -> str:
    answer = by.call("POST", "/v1/groups", json={"name": name})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def invited(by: Person, group: str, **more: object) -> str:
    """The secret of a new invitation."""
    answer = by.call("POST", f"/v1/groups/{group}/invitations", json=more)
    assert answer.status_code == 201, answer.text
    return token_of(answer.json()["url"])


def token_of(text: str) -> str:
    found = re.search(r"/join#token=([A-Za-z0-9_-]+)", text)
    assert found is not None, text
    return found[1]


def accept(who: Person, token: str) -> httpx.Response:
    return who.call("POST", "/v1/invitations/accept", json={"token": token})


def joined(auth: UnderTest, owner: Person, group: str, name: str) -> Person:
    person = sign_up(auth, name)
    assert accept(person, invited(owner, group)).status_code == 200
    return person


def roles(by: Person, group: str) -> dict[str, str]:
    items = by.call("GET", f"/v1/groups/{group}/members").json()["items"]
    return {one["display_name"]: one["role"] for one in items}


def groups_of(auth: UnderTest, person: Person) -> list[str]:
    return list(resolve(auth, person.token).json()["groups"])


def test_a_group_is_made_and_its_members_come_by_link(auth: UnderTest) -> None:
    anna = sign_up(auth)
    group = made(anna)
    bert = sign_up(auth, "bert")
    token = invited(anna, group)

    offer = bert.call("POST", "/v1/invitations/look", json={"token": token}).json()
    assert (offer["group"]["name"], offer["invited_by"], offer["member"]) == ("Sunday climbers", "anna", False)
    answer = accept(bert, token)
    assert (answer.status_code, answer.json()["role"], answer.json()["members"]) == (200, "member", 2)
    assert roles(bert, group) == {"anna": "owner", "bert": "member"}
    assert groups_of(auth, bert) == [group]
    assert [one["id"] for one in bert.call("GET", "/v1/groups").json()["items"]] == [group]
    # It was for one, and is used up.
    assert accept(sign_up(auth, "carl"), token).status_code == 404
    assert bert.call("POST", "/v1/invitations/look", json={"token": token}).status_code == 404
    assert audited(auth, "invitation.used") == [("bert@example.org", "ok")]


def test_accepting_again_uses_nothing_up(auth: UnderTest) -> None:
    anna, bert = sign_up(auth), sign_up(auth, "bert")
    group = made(anna)
    token = invited(anna, group, most_uses=2)
    for _ in range(3):
        assert accept(bert, token).status_code == 200
    assert accept(sign_up(auth, "carl"), token).status_code == 200
    assert accept(sign_up(auth, "dora"), token).status_code == 404


def test_a_mailed_invitation_is_good_for_its_address_alone_and_proves_it(auth: UnderTest) -> None:
    anna, eve = sign_up(auth), sign_up(auth, "eve")
    group = made(anna)
    invited(anna, group, email="Bert@Example.org")
    [mail] = mails(auth, "bert@example.org")
    assert mail["Subject"] == "anna invites you to Sunday climbers on Clipstead"
    token = token_of(mail.get_body(("plain",)).get_content())
    refused = accept(eve, token)
    assert (refused.status_code, refused.json()["code"]) == (403, "invitation_for_another")

    bert = sign_up(auth, "bert", invitation=token)
    assert groups_of(auth, bert) == [group]
    assert bert.call("GET", "/v1/auth/me").json()["user"]["email_verified"] is True
    assert eve.call("GET", "/v1/auth/me").json()["user"]["email_verified"] is False


def test_invitations_end_by_time_by_hand_and_with_who_gave_them(auth: UnderTest) -> None:
    anna = sign_up(auth)
    group = made(anna)
    bert = joined(auth, anna, group, "bert")
    carl = sign_up(auth, "carl")
    anna.call("PATCH", f"/v1/groups/{group}/members/{bert.id}", json={"role": "moderator"})
    late, taken_back, berts = invited(anna, group), invited(anna, group), invited(bert, group)

    listed = anna.call("GET", f"/v1/groups/{group}/invitations").json()["items"]
    assert [one["created_by_name"] for one in listed] == ["bert", "anna", "anna"]
    assert not any("url" in one for one in listed)
    path = f"/v1/groups/{group}/invitations/{listed[1]['id']}"
    assert [anna.call("DELETE", path).status_code for _ in range(2)] == [204, 204]
    assert bert.call("DELETE", f"/v1/groups/{group}/members/{bert.id}").status_code == 204
    auth.execute("UPDATE invitations SET expires_at = now() - interval '1 second' WHERE id = %s", listed[2]["id"])
    assert [accept(carl, token).status_code for token in (late, taken_back, berts)] == [404, 404, 404]


def test_to_others_there_is_no_such_group(auth: UnderTest) -> None:
    anna, eve = sign_up(auth), sign_up(auth, "eve")
    group, nothing = made(anna), str(new_id())
    asked = [
        ("GET", "", None),
        ("PATCH", "", {"name": "x"}),
        ("DELETE", "", None),
        ("GET", "/members", None),
        ("PATCH", f"/members/{anna.id}", {"role": "member"}),
        ("DELETE", f"/members/{anna.id}", None),
        ("DELETE", f"/members/{eve.id}", None),
        ("GET", "/invitations", None),
        ("POST", "/invitations", {}),
        ("DELETE", f"/invitations/{new_id()}", None),
    ]
    for method, path, body in asked:
        foreign, missing = (
            eve.call(method, f"/v1/groups/{one}{path}", **({} if body is None else {"json": body})).json()
            for one in (group, nothing)
        )
        assert foreign.pop("correlation_id") != missing.pop("correlation_id")
        assert foreign == missing
        assert foreign["status"] == 404
    assert eve.call("GET", "/v1/groups").json() == {"items": []}


def test_roles_decide_what_members_do(auth: UnderTest) -> None:
    anna = sign_up(auth)
    group = made(anna)
    bert, carl, dora = (joined(auth, anna, group, name) for name in ("bert", "carl", "dora"))
    path = f"/v1/groups/{group}"
    for method, more, body in (
        ("PATCH", "", {"name": "x"}),
        ("DELETE", "", None),
        ("POST", "/invitations", {}),
        ("DELETE", f"/members/{dora.id}", None),
        ("PATCH", f"/members/{dora.id}", {"role": "moderator"}),
    ):
        refused = carl.call(method, path + more, **({} if body is None else {"json": body}))
        assert (refused.status_code, refused.json()["code"]) == (403, "group_role_needed"), more

    anna.call("PATCH", f"{path}/members/{bert.id}", json={"role": "moderator"})
    assert bert.call("PATCH", path, json={"name": "Climbers", "description": "On Sundays"}).json()["name"] == "Climbers"
    assert bert.call("DELETE", f"{path}/members/{dora.id}").status_code == 204
    assert bert.call("PATCH", f"{path}/members/{carl.id}", json={"role": "moderator"}).status_code == 403
    assert bert.call("DELETE", f"{path}/members/{anna.id}").status_code == 403
    assert bert.call("DELETE", path).status_code == 403
    anna.call("PATCH", f"{path}/members/{carl.id}", json={"role": "moderator"})
    assert bert.call("DELETE", f"{path}/members/{carl.id}").status_code == 403
    assert groups_of(auth, dora) == []
    assert [(event.group_id, event.user_id) for event in auth.told(MemberLeft)] == [(UUID(group), dora.id)]


def test_the_owner_stays_until_the_group_is_handed_over(auth: UnderTest) -> None:
    anna = sign_up(auth)
    group = made(anna)
    bert = joined(auth, anna, group, "bert")
    path = f"/v1/groups/{group}/members"
    for method, body in (("DELETE", None), ("PATCH", {"role": "member"})):
        refused = anna.call(method, f"{path}/{anna.id}", **({} if body is None else {"json": body}))
        assert (refused.status_code, refused.json()["code"]) == (409, "owner_stays")

    assert anna.call("PATCH", f"{path}/{bert.id}", json={"role": "owner"}).json()["role"] == "owner"
    assert roles(bert, group) == {"bert": "owner", "anna": "moderator"}
    assert anna.call("DELETE", f"{path}/{anna.id}").status_code == 204
    assert groups_of(auth, anna) == []
    assert audited(auth, "group.handed_over") == [("anna@example.org", "ok")]


def test_a_dissolved_group_is_gone_for_everybody(auth: UnderTest) -> None:
    anna = sign_up(auth)
    group = made(anna)
    bert = joined(auth, anna, group, "bert")
    token = invited(anna, group)
    assert anna.call("DELETE", f"/v1/groups/{group}").status_code == 204
    assert bert.call("GET", f"/v1/groups/{group}").status_code == 404
    assert accept(bert, token).status_code == 404
    assert groups_of(auth, bert) == []
    assert [event.deleted for event in auth.told(GroupChanged)] == [False, True]


def test_a_group_outlives_its_owner(auth: UnderTest) -> None:
    from services.auth.operations import leaving

    anna = sign_up(auth)
    group, alone = made(anna), made(anna, "Only me")
    joined(auth, anna, group, "bert")
    carl = joined(auth, anna, group, "carl")
    anna.call("PATCH", f"/v1/groups/{group}/members/{carl.id}", json={"role": "moderator"})
    assert anna.call("DELETE", "/v1/auth/me", json={"password": PASSWORD}).status_code == 202
    auth.execute("UPDATE users SET delete_after = now() - interval '1 second' WHERE id = %s", anna.id)
    leaving.remove_due()
    assert roles(carl, group) == {"carl": "owner", "bert": "member"}
    assert auth.rows("SELECT count(*) FROM groups WHERE id = %s", alone) == [(0,)]


def test_what_is_typed_is_checked(auth: UnderTest) -> None:
    anna = sign_up(auth)
    group = made(anna)
    for body in ({"name": ""}, {"name": "x" * 81}, {"name": "x", "owner_id": str(anna.id)}, {"name": "a\u202eb"}):
        assert anna.call("POST", "/v1/groups", json=body).status_code == 422
    for more in ({"days": 0}, {"days": 31}, {"most_uses": 101}, {"email": "no"}, {"email": "a@b.org", "most_uses": 2}):
        assert anna.call("POST", f"/v1/groups/{group}/invitations", json=more).status_code == 422
    assert anna.call("PATCH", f"/v1/groups/{group}/members/{anna.id}", json={"role": "king"}).status_code == 422


def test_there_is_an_end_to_how_many(start: Callable[..., UnderTest]) -> None:
    auth = start("auth", CLIPSTEAD_GROUPS_EACH="2", CLIPSTEAD_GROUP_MEMBERS="2")
    anna = sign_up(auth)
    group = made(anna)
    made(anna)
    too_many = anna.call("POST", "/v1/groups", json={"name": "third"})
    assert (too_many.status_code, too_many.json()["code"]) == (409, "too_many_groups")
    joined(auth, anna, group, "bert")
    full = accept(sign_up(auth, "carl"), invited(anna, group))
    assert (full.status_code, full.json()["code"]) == (409, "group_full")
