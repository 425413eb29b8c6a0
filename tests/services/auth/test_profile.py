"""What people say about themselves, their picture, everything about them, and leaving."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from libs.contracts.events import UserChanged, UserDeleted
from tests.factories.services import UnderTest
from tests.services.auth.people import PASSWORD, audited, mails, resolve, sign_in, sign_up, signed_in


@pytest.fixture
def auth(start: Callable[..., UnderTest]) -> UnderTest:
    return start("auth")


def test_people_change_what_others_see_of_them(auth: UnderTest) -> None:
    anna = sign_up(auth)
    changed = anna.call(
        "PATCH", "/v1/auth/me", json={"display_name": "Anna Å.", "language": "nb", "year_of_birth": 1984}
    ).json()["user"]
    assert (changed["display_name"], changed["language"], changed["year_of_birth"]) == ("Anna Å.", "nb", 1984)
    assert auth.told(UserChanged)[-1] == UserChanged(user_id=anna.id, display_name="Anna Å.")
    anna.call("PATCH", "/v1/auth/me", json={"consent_version": "2026-1"})
    assert auth.rows("SELECT consent_version, consented_at IS NOT NULL FROM users") == [("2026-1", True)]
    anna.call("PATCH", "/v1/auth/me", json={"consent_version": None})
    assert auth.rows("SELECT consent_version, consented_at FROM users") == [(None, None)]


@pytest.mark.parametrize(
    "change",
    [
        {"role": "admin"},
        {"email": "x@example.org"},
        {"language": "Klingon please"},
        {"year_of_birth": 1066},
        {"display_name": "a\u202eb"},
        {"display_name": ""},
    ],
    ids=str,
)
def test_what_is_not_changed_so(auth: UnderTest, change: dict[str, Any]) -> None:
    anna = sign_up(auth)
    assert anna.call("PATCH", "/v1/auth/me", json=change).status_code == 422
    assert auth.rows("SELECT role, email FROM users") == [("user", anna.email)]


def picture(width: int, height: int, kind: str = "JPEG", **more: Any) -> bytes:
    written = io.BytesIO()
    Image.new("RGB", (width, height), (200, 60, 30)).save(written, kind, **more)
    return written.getvalue()


def put(person: Any, content: bytes, mime: str = "image/jpeg") -> Any:
    return person.call("PUT", "/v1/auth/me/avatar", content=content, headers={"Content-Type": mime})


def test_a_picture_is_encoded_anew_and_carries_nothing_along(auth: UnderTest) -> None:
    anna = sign_up(auth)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    exif[0x010E] = "SECRET PLACE"
    url = put(anna, picture(1600, 900, exif=exif)).json()["url"]
    got = anna.call("GET", url.removeprefix("/api"))
    assert (got.status_code, got.headers["Content-Type"]) == (200, "image/webp")
    with Image.open(io.BytesIO(got.content)) as kept:
        assert kept.size == (236, 420)
        assert not kept.getexif()
    assert b"SECRET" not in got.content
    again = anna.call("GET", url.removeprefix("/api"), headers={"If-None-Match": got.headers["ETag"]})
    assert again.status_code == 304
    assert anna.call("DELETE", "/v1/auth/me/avatar").status_code == 204
    assert anna.call("GET", url.removeprefix("/api")).status_code == 404


def bomb() -> bytes:
    """A PNG of 50 000 x 50 000 pixels in a few kilobytes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", 50_000, 50_000, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b"\0" * 100_000))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "unsupported_picture"),
        (b"GIF89a" + b"\0" * 100, "unsupported_picture"),
        (picture(40, 40)[:200], "unsupported_picture"),
        (bomb(), "picture_too_large"),
        (b"", "unsupported_picture"),
    ],
    ids=["svg", "gif", "cut off", "bomb", "empty"],
)
def test_what_is_no_picture(auth: UnderTest, content: bytes, code: str) -> None:
    anna = sign_up(auth)
    refused = put(anna, content, "image/png")
    assert (refused.status_code, refused.json()["code"]) == (422, code)
    assert put(anna, b"\xff\xd8" + b"\0" * (5 << 20)).status_code == 413
    assert auth.rows("SELECT 1 FROM avatars") == []


def test_the_export_holds_everything_about_one_and_nothing_secret(auth: UnderTest) -> None:
    anna = sign_up(auth)
    key = anna.call("POST", "/v1/auth/api-keys", json={"name": "ShareX", "scopes": ["upload"]}).json()["key"]
    put(anna, picture(60, 60))
    path = f"/internal/export/{anna.id}"
    for name, peer in auth.peers.items():
        peer.answers[path] = {"things": [{"from": name}]}
    answer = anna.call("GET", "/v1/auth/me/export")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/zip")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    assert json.loads(content["auth/account.json"])[0]["email"] == anna.email
    assert json.loads(content["auth/api-keys.json"])[0]["name"] == "ShareX"
    assert json.loads(content["catalog/things.json"]) == [{"from": "catalog"}]
    assert content["auth/avatar.webp"][:4] == b"RIFF"
    everything = b"".join(content.values())
    assert key.rpartition("_")[2].encode() not in everything
    assert b"argon2" not in everything
    assert b"hash" not in everything


def test_half_of_an_export_is_none(auth: UnderTest) -> None:
    anna = sign_up(auth)
    for name, peer in auth.peers.items():
        peer.answers[f"/internal/export/{anna.id}"] = (503, {}) if name == "render" else {}
    assert anna.call("GET", "/v1/auth/me/export").status_code == 503


def test_leaving_takes_effect_at_once_and_for_good_after_the_grace(auth: UnderTest) -> None:
    from services.auth.operations import leaving

    anna = sign_up(auth)
    key = anna.call("POST", "/v1/auth/api-keys", json={"name": "k", "scopes": ["read"]}).json()["key"]
    assert anna.call("DELETE", "/v1/auth/me", json={"password": "not it at all"}).status_code == 401
    assert anna.call("DELETE", "/v1/auth/me", json={"password": PASSWORD}).status_code == 202
    assert resolve(auth, anna.token).status_code == 404
    assert auth.call("POST", "/internal/resolve", json={"api_key": key}).status_code == 404
    assert mails(auth, anna.email)[-1]["Subject"] == "Your account will be deleted"
    leaving.remove_due()
    assert auth.told(UserDeleted) == []

    back = signed_in(auth, anna.email)  # second thoughts
    assert back.call("GET", "/v1/auth/me").json()["user"]["delete_after"] is None
    assert auth.call("POST", "/internal/resolve", json={"api_key": key}).status_code == 200

    assert back.call("DELETE", "/v1/auth/me", json={"password": PASSWORD}).status_code == 202
    auth.execute("UPDATE users SET delete_after = clock_timestamp()")
    leaving.remove_due()
    assert auth.told(UserDeleted) == [UserDeleted(user_id=anna.id)]
    assert sign_in(auth, anna.email).status_code == 401
    for table in ("users", "sessions", "api_keys", "codes", "mails"):
        assert auth.rows(f"SELECT count(*) FROM {table}") == [(0,)], table
    assert audited(auth, "account.deleted") == [(anna.email, "ok")]


def test_leaving_takes_a_proof_that_is_fresh(auth: UnderTest) -> None:
    anna = sign_up(auth)
    auth.execute("UPDATE sessions SET proved_at = proved_at - interval '11 minutes'")
    refused = anna.call("DELETE", "/v1/auth/me", json={"password": PASSWORD})
    assert (refused.status_code, refused.json()["code"]) == (403, "reauthentication_needed")
    assert anna.call("POST", "/v1/auth/prove", json={"password": PASSWORD}).status_code == 200
    assert anna.call("DELETE", "/v1/auth/me", json={"password": PASSWORD}).status_code == 202


def test_a_group_outlives_its_owner_where_somebody_is_left(auth: UnderTest) -> None:
    from services.auth.operations import leaving

    anna, bert, carl = (sign_up(auth, name) for name in ("anna", "bert", "carl"))
    for number, members in enumerate(((anna, "owner", bert, "member", carl, "moderator"), (anna, "owner"))):
        auth.execute(
            "INSERT INTO groups (id, name) VALUES (%s, 'friends')", f"00000000-0000-0000-0000-00000000000{number}"
        )
        for person, role in zip(members[::2], members[1::2], strict=True):
            auth.execute(
                "INSERT INTO memberships (group_id, user_id, role) VALUES (%s, %s, %s)",
                f"00000000-0000-0000-0000-00000000000{number}",
                person.id,
                role,
            )
    auth.execute("UPDATE users SET delete_after = clock_timestamp() WHERE id = %s", anna.id)
    leaving.remove_due()
    assert set(auth.rows("SELECT user_id, role FROM memberships")) == {(bert.id, "member"), (carl.id, "owner")}
    assert auth.rows("SELECT count(*) FROM groups") == [(1,)]
