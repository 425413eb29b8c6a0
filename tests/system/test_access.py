"""Who may do what: every operation of the API's document, asked by everybody, each answer as it has to be.

What is somebody else's and what does not exist are the same 404. The table below names each operation once; one that it does
not name fails the test. And two circles on one server see nothing of each other, through any of it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.factories.platform import UNLIMITED, Person, Platform, running_platform, wait_until

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

ADMIN = "admin@example.org"
PEOPLE = ("owner", "other", "member", "ex-member", "moderator", "admin")
EVERYBODY = ("anonymous", *PEOPLE, "upload key", "delegation key", "share-link visitor")
OWNERS = ("owner", "upload key", "delegation key")  # all of them act for the owner, as far as they may
FINE = frozenset({200, 201, 202, 204, 303})


class Kind(Enum):
    """To whom an operation, and what it is about, is open."""

    ANYBODY = "to everybody"
    SELF = "to everybody who is signed in, for themselves"
    OWNED = "to whose it is"
    SHOWN = "to whose it is, and to the group that they show it"
    CIRCLE = "to the members of a group"
    SEEN = "to the members of a group, and to administrators"
    STAFF = "to those who run a group"
    RULERS = "to administrators"
    LINK = "to whoever has the link"


@dataclass(frozen=True)
class Op:
    """An operation: to whom it is open, the scope that it takes, a request that works, and what it is then answered with."""

    kind: Kind
    scope: str | None = None
    json: Any = None
    ok: frozenset[int] = FINE
    params: dict[str, str] | None = None
    headers: dict[str, str] | None = None
    content: bytes | None = None
    fresh: str = ""  # what the operation uses up, and is therefore made anew each time
    in_browser: bool = False  # API keys have no session that it could be about


def any_of(*statuses: int) -> frozenset[int]:
    return frozenset(statuses)


TUS = {"Tus-Resumable": "1.0.0"}
CODE = "c" * 24
MEDIA = {"media_id": "{media_id}"}
RULES = {"sign_up": "open", "verify_email": False, "admins_need_second_factor": False}
KEPT = {"originals": None, "renditions": None, "imports": None}
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c4944415408d763f8cfc000000301010018dd8db00000"
    "000049454e44ae426082"
)
REFUSED = any_of(401, 409, 422)  # of one's own doing: there is nothing to confirm, say
ALL, SELF, OWN, SHOWN, CIRCLE, SEEN, STAFF, RULE, LINK = (
    Kind.ANYBODY,
    Kind.SELF,
    Kind.OWNED,
    Kind.SHOWN,
    Kind.CIRCLE,
    Kind.SEEN,
    Kind.STAFF,
    Kind.RULERS,
    Kind.LINK,
)

OPERATIONS: dict[str, Op] = {
    "GET /api/docs": Op(ALL),
    "GET /api/docs/{file}": Op(ALL),
    "GET /api/v1/openapi.json": Op(ALL),
    "GET /api/v1/session": Op(ALL),
    "GET /api/v1/system": Op(ALL),
    "GET /api/v1/presets": Op(SELF, "read"),
    "OPTIONS /api/v1/uploads": Op(ALL),
    "OPTIONS /api/v1/uploads/{upload_id}": Op(ALL),
    "GET /s/static/{name}": Op(ALL),
    "HEAD /s/static/{name}": Op(ALL),
    "POST /api/v1/auth/sign-up": Op(ALL, json={"email": "owner", "password": "correct horse battery"}, ok=any_of(409)),
    "POST /api/v1/auth/sign-in": Op(ALL, json={"email": "somebody", "password": "x" * 12}, ok=any_of(401)),
    "POST /api/v1/auth/sign-in/second": Op(ALL, json={"challenge": CODE, "totp": "123456"}, ok=any_of(422)),
    "POST /api/v1/auth/sign-in/passkey": Op(
        ALL, json={"challenge": CODE, "credential": {"rawId": "AA"}}, ok=any_of(422)
    ),
    "POST /api/v1/auth/sign-in/passkey/options": Op(ALL),
    "POST /api/v1/auth/password/forgotten": Op(ALL, json={"email": "nobody@example.org"}),
    "POST /api/v1/auth/password/reset": Op(ALL, json={"code": CODE, "password": "three blind mice"}, ok=any_of(422)),
    "POST /api/v1/auth/verify": Op(ALL, json={"code": CODE}, ok=any_of(422)),
    "POST /api/v1/invitations/look": Op(ALL, json={"token": "{invitation}"}),
    "GET /api/v1/auth/oidc": Op(ALL),
    "GET /api/v1/auth/oidc/{provider}/begin": Op(ALL, ok=any_of(404)),  # none is set up
    "GET /api/v1/auth/oidc/{provider}/callback": Op(ALL, ok=any_of(400)),
    "POST /api/v1/auth/oidc/{provider}/link": Op(
        SELF, "write", ok=any_of(403), in_browser=True
    ),  # nobody proved an address
    # oneself
    "POST /api/v1/auth/sign-out": Op(ALL, fresh="session", ok=any_of(204, 409)),
    "POST /api/v1/auth/sign-out/everywhere": Op(SELF, "write", fresh="sessions"),
    "POST /api/v1/auth/refresh": Op(SELF, fresh="session", in_browser=True),
    "POST /api/v1/auth/prove": Op(SELF, json={"password": "no"}, ok=any_of(401), in_browser=True),
    "GET /api/v1/auth/sessions": Op(SELF, "read"),
    "DELETE /api/v1/auth/sessions": Op(SELF, "write", fresh="session", ok=any_of(200)),
    "DELETE /api/v1/auth/sessions/{session_id}": Op(OWN, "write", fresh="session_id"),
    "POST /api/v1/auth/password": Op(
        SELF, "write", json={"current": "no", "new": "three blind mice"}, ok=REFUSED, in_browser=True
    ),
    "POST /api/v1/auth/verification": Op(SELF, "write"),
    "POST /api/v1/auth/address": Op(
        SELF, "write", json={"email": "x@example.org", "password": "no"}, ok=REFUSED, in_browser=True
    ),
    "POST /api/v1/auth/address/confirm": Op(SELF, "write", json={"code": CODE}, ok=REFUSED),
    "GET /api/v1/auth/factors": Op(SELF, "read"),
    "POST /api/v1/auth/totp": Op(SELF, "write", in_browser=True),
    "POST /api/v1/auth/totp/confirm": Op(
        SELF, "write", json={"code": "000000"}, ok=any_of(404, 409, 422), in_browser=True
    ),
    "DELETE /api/v1/auth/totp": Op(SELF, "write", json={"code": "000000"}, ok=any_of(404, 409, 422), in_browser=True),
    "POST /api/v1/auth/recovery-codes": Op(SELF, "write", ok=REFUSED, in_browser=True),
    "POST /api/v1/auth/passkeys/options": Op(SELF, "write", in_browser=True),
    "POST /api/v1/auth/passkeys": Op(
        SELF,
        "write",
        json={"challenge": CODE, "credential": {"rawId": "AA"}, "name": "x"},
        ok=REFUSED,
        in_browser=True,
    ),
    "PATCH /api/v1/auth/passkeys/{passkey_id}": Op(
        OWN, "write", json={"name": "x"}, fresh="passkey_id", in_browser=True
    ),
    "DELETE /api/v1/auth/passkeys/{passkey_id}": Op(OWN, "write", fresh="passkey_id", in_browser=True),
    "GET /api/v1/auth/identities": Op(SELF, "read"),
    "DELETE /api/v1/auth/identities/{identity_id}": Op(OWN, "write", fresh="identity_id", in_browser=True),
    "GET /api/v1/auth/me": Op(SELF, "read"),
    "PATCH /api/v1/auth/me": Op(SELF, "write", json={"language": "en"}),
    "DELETE /api/v1/auth/me": Op(SELF, "write", json={"password": "no"}, ok=REFUSED, in_browser=True),
    "GET /api/v1/auth/me/export": Op(SELF, "read"),
    "PUT /api/v1/auth/me/avatar": Op(SELF, "write", content=PNG, headers={"Content-Type": "image/png"}),
    "DELETE /api/v1/auth/me/avatar": Op(SELF, "write", fresh="own picture"),
    "GET /api/v1/auth/avatars/{user_id}": Op(SEEN, "read", fresh="picture"),
    "GET /api/v1/auth/api-keys": Op(SELF, "write"),
    "POST /api/v1/auth/api-keys": Op(SELF, "write", json={"name": "x", "scopes": ["read"]}),
    "DELETE /api/v1/auth/api-keys/{key_id}": Op(OWN, "write", fresh="key_id"),
    # groups
    "GET /api/v1/groups": Op(SELF, "read"),
    "POST /api/v1/groups": Op(SELF, "write", json={"name": "Mine"}),
    "GET /api/v1/groups/{group_id}": Op(CIRCLE, "read"),
    "PATCH /api/v1/groups/{group_id}": Op(STAFF, "write", json={"description": "x"}),
    "DELETE /api/v1/groups/{group_id}": Op(STAFF, "write", fresh="group_id"),
    "GET /api/v1/groups/{group_id}/members": Op(CIRCLE, "read"),
    "PATCH /api/v1/groups/{group_id}/members/{user_id}": Op(STAFF, "write", json={"role": "member"}),
    "DELETE /api/v1/groups/{group_id}/members/{user_id}": Op(STAFF, "write", fresh="members"),
    "GET /api/v1/groups/{group_id}/invitations": Op(STAFF, "write"),
    "POST /api/v1/groups/{group_id}/invitations": Op(STAFF, "write", json={}),
    "DELETE /api/v1/groups/{group_id}/invitations/{invitation_id}": Op(STAFF, "write", fresh="invitation_id"),
    "POST /api/v1/invitations/accept": Op(SELF, "write", json={"token": "{server_invitation}"}, ok=any_of(409)),
    # recordings on their way in
    "POST /api/v1/uploads": Op(SELF, "upload", headers=TUS | {"Upload-Length": "10"}),
    "HEAD /api/v1/uploads/{upload_id}": Op(OWN, "upload", headers=TUS),
    "PATCH /api/v1/uploads/{upload_id}": Op(
        OWN,
        "upload",
        content=b"",
        headers=TUS | {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"},
    ),
    "DELETE /api/v1/uploads/{upload_id}": Op(OWN, "upload", headers=TUS, fresh="upload_id"),
    "POST /api/v1/media": Op(
        SELF,
        "upload",
        content=b'--b\r\nContent-Disposition: form-data; name="title"\r\n\r\nx\r\n--b--\r\n',
        headers={"Content-Type": "multipart/form-data; boundary=b"},
        ok=any_of(422),
    ),
    "POST /api/v1/imports": Op(SELF, "upload", json={"url": "http://127.0.0.1/x"}, ok=any_of(422)),
    "GET /api/v1/imports/{import_id}": Op(OWN, "read", fresh="import_id"),
    "DELETE /api/v1/imports/{import_id}": Op(OWN, "upload", fresh="import_id"),
    # words, moments, clips
    "GET /api/v1/media/{media_id}/transcript": Op(OWN, "read"),
    **{
        f"GET /api/v1/media/{{media_id}}/transcript.{suffix}": Op(OWN, "read")
        for suffix in ("vtt", "srt", "ttml", "ass", "txt", "md", "words.json")
    },
    "GET /api/v1/media/{media_id}/transcript/edits": Op(OWN, "read"),
    "GET /api/v1/transcripts/search": Op(SELF, "read", params={"q": "bees"}),
    "POST /api/v1/media/{media_id}/transcript/edits": Op(
        OWN, "write", json={"kind": "review", "reviewed": True}, headers={"If-Match": "*"}
    ),
    **{
        f"POST /api/v1/media/{{media_id}}/transcript/{step}": Op(
            OWN, "write", headers={"If-Match": "*"}, ok=any_of(409)
        )
        for step in ("undo", "redo")
    },
    "GET /api/v1/media/{media_id}/moments": Op(OWN, "read"),
    "POST /api/v1/media/{media_id}/moments": Op(OWN, "write", json={"count": 1}),
    "GET /api/v1/clips": Op(SELF, "read"),
    "POST /api/v1/clips": Op(OWN, "write", json=MEDIA | {"start": 0, "end": 5, "preset": "shorts"}),
    "GET /api/v1/clips/{clip_id}": Op(OWN, "read"),
    "POST /api/v1/clips/{clip_id}/retry": Op(OWN, "write", ok=any_of(202, 409)),
    # the library
    "GET /api/v1/events": Op(SELF, "read"),
    "GET /api/v1/library": Op(SELF, "read"),
    "GET /api/v1/library/{media_id}": Op(SHOWN, "read"),
    "GET /api/v1/library/{media_id}/events": Op(SHOWN, "read"),
    "PATCH /api/v1/library/{media_id}": Op(OWN, "write", json={"title": "A talk"}, headers={"If-Match": "*"}),
    "DELETE /api/v1/library/{media_id}": Op(OWN, "write", fresh="media_id"),
    "PUT /api/v1/library/{media_id}/like": Op(SHOWN, "write"),
    "DELETE /api/v1/library/{media_id}/like": Op(SHOWN, "write"),
    # playing and sharing
    "POST /api/v1/playback": Op(SHOWN, "read", json=MEDIA),
    "GET /api/v1/shares": Op(OWN, "read", params=MEDIA),
    "POST /api/v1/shares": Op(OWN, "write", json=MEDIA),
    "DELETE /api/v1/shares/{share_id}": Op(OWN, "write", fresh="share_id"),
    "GET /s/{token}": Op(LINK),
    "HEAD /s/{token}": Op(LINK),
    "GET /s/{token}/media": Op(LINK),
    "HEAD /s/{token}/media": Op(LINK),
    "GET /s/{token}/poster.jpg": Op(LINK),
    "HEAD /s/{token}/poster.jpg": Op(LINK),
    "GET /p/{token}": Op(LINK, fresh="grant"),
    "HEAD /p/{token}": Op(LINK, fresh="grant"),
    "GET /p/{token}/poster.jpg": Op(LINK, fresh="grant"),
    "HEAD /p/{token}/poster.jpg": Op(LINK, fresh="grant"),
    # administration
    "GET /api/v1/admin/users": Op(RULE, "admin"),
    "GET /api/v1/admin/users/{user_id}": Op(RULE, "admin"),
    "PATCH /api/v1/admin/users/{user_id}": Op(RULE, "admin", json={"disabled": False}),
    "DELETE /api/v1/admin/users/{user_id}": Op(RULE, "admin", fresh="user_id"),
    "POST /api/v1/admin/users/{user_id}/sign-out": Op(RULE, "admin", fresh="user_id"),
    "DELETE /api/v1/admin/users/{user_id}/factors": Op(RULE, "admin", fresh="user_id"),
    "GET /api/v1/admin/accounts": Op(RULE, "admin"),
    "PUT /api/v1/admin/accounts": Op(RULE, "admin", json=RULES),
    "GET /api/v1/admin/invitations": Op(RULE, "admin"),
    "POST /api/v1/admin/invitations": Op(RULE, "admin", json={}),
    "DELETE /api/v1/admin/invitations/{invitation_id}": Op(RULE, "admin", fresh="server_invitation_id"),
    "GET /api/v1/admin/mails": Op(RULE, "admin"),
    "GET /api/v1/admin/mails/{mail_id}": Op(RULE, "admin", fresh="mail_id"),
    "GET /api/v1/admin/audit": Op(RULE, "admin"),
    "GET /api/v1/admin/retention": Op(RULE, "admin"),
    "PUT /api/v1/admin/retention": Op(RULE, "admin", json=KEPT),
}


@dataclass
class Visitor:
    """Somebody at the API: with a cookie, a key, or nothing."""

    url: str
    scopes: frozenset[str]
    http: httpx.Client
    email: str = ""
    password: str = ""

    def renew(self) -> None:
        """Sign in (again)."""
        self.http.cookies.clear()
        self.http.headers.pop("X-CSRF-Token", None)
        body = {"email": self.email, "password": self.password}
        self.http.post("/api/v1/auth/sign-in", json=body).raise_for_status()
        self.http.headers["X-CSRF-Token"] = self.http.get("/api/v1/session").json()["csrf_token"]

    @property
    def id(self) -> str:
        return str(self.http.get("/api/v1/session").json()["user"]["id"])

    def post(self, path: str, **body: Any) -> Any:
        answer = self.http.post(f"/api/v1{path}", json=body)
        assert answer.is_success, (path, answer.text)
        return answer.json() if answer.content else None


def client(url: str, **headers: str) -> httpx.Client:
    return httpx.Client(base_url=url, timeout=60, trust_env=False, headers=headers)


def person(url: str, email: str = "") -> Visitor:
    """Somebody who signs up."""
    who = Visitor(
        url,
        frozenset({"upload", "read", "write"}),
        client(url),
        email or f"{secrets.token_hex(6)}@example.org",
        secrets.token_urlsafe(16),
    )
    made = who.http.post("/api/v1/auth/sign-up", json={"email": who.email, "password": who.password})
    assert made.status_code == 201, made.text
    who.renew()
    return who


@dataclass
class Scene:
    """A platform with a circle of friends, and everybody who may or may not see what the owner shows it."""

    platform: Platform
    visitors: dict[str, Visitor]
    names: dict[str, str]
    speech: bytes
    clients: list[httpx.Client] = field(default_factory=list)

    @property
    def owner(self) -> Visitor:
        return self.visitors["owner"]

    def fresh(self, what: str, by: Visitor) -> dict[str, str]:
        """Make what an operation is about, or uses up; its name in the path."""
        makers: dict[str, Callable[[], dict[str, str]]] = {
            "session_id": lambda: {"session_id": self._another_session()},
            "key_id": lambda: {"key_id": self.owner.post("/auth/api-keys", name="spare", scopes=["read"])["id"]},
            "group_id": lambda: {"group_id": self._group_of_owner()},
            "invitation_id": lambda: {
                "invitation_id": self.owner.post(f"/groups/{self.names['group_id']}/invitations")["id"]
            },
            "members": lambda: {"user_id": self._another_member()},
            "upload_id": lambda: {"upload_id": self._upload()},
            "media_id": lambda: {"media_id": self._recording()},
            "import_id": lambda: {"import_id": self._import()},
            "share_id": lambda: {"share_id": self.owner.post("/shares", media_id=self.names["media_id"])["id"]},
            "user_id": lambda: {"user_id": person(self.platform.url).id},
            "server_invitation_id": lambda: {"invitation_id": self.visitors["admin"].post("/admin/invitations")["id"]},
            "mail_id": lambda: {
                "mail_id": self.visitors["admin"].http.get("/api/v1/admin/mails").json()["items"][0]["id"]
            },
            "grant": lambda: {
                "token": self.owner.post("/playback", media_id=self.names["clip_id"])["url"].rpartition("/")[2]
            },
            "picture": lambda: self._picture(self.owner) or {"user_id": self.owner.id},
            "own picture": lambda: self._picture(by),
        }
        return makers[what]() if what in makers else {}

    def _another_session(self) -> str:
        other = Visitor(
            self.platform.url, frozenset(), client(self.platform.url), self.owner.email, self.owner.password
        )
        other.renew()
        listed = other.http.get("/api/v1/auth/sessions").json()["items"]
        other.http.close()
        return next(str(one["id"]) for one in listed if one["current"])

    def _group_of_owner(self) -> str:
        group = str(self.owner.post("/groups", name="For a moment")["id"])
        self._joins(self.visitors["member"], group)
        return group

    def _joins(self, who: Visitor, group: str) -> None:
        url = self.owner.post(f"/groups/{group}/invitations")["url"]
        who.post("/invitations/accept", token=url.rpartition("=")[2])

    def _another_member(self) -> str:
        who = person(self.platform.url)
        self._joins(who, self.names["group_id"])
        return who.id

    def _upload(self) -> str:
        headers = TUS | {"Upload-Length": "10"}
        made = self.owner.http.post("/api/v1/uploads", headers=headers)
        assert made.status_code == 201, made.text
        return made.headers["Location"].rpartition("/")[2]

    def _recording(self) -> str:
        made = self._upload()
        wait_until(lambda: self.owner.http.get(f"/api/v1/library/{made}").is_success, 30)
        self.show(made)
        return made

    def _import(self) -> str:
        made = self.owner.http.post("/api/v1/imports", json={"url": "https://example.invalid/a.mp4"})
        assert made.is_success, made.text
        return str(made.json()["id"])

    @staticmethod
    def _picture(who: Visitor) -> dict[str, str]:
        headers = {"Content-Type": "image/png"}
        who.http.put("/api/v1/auth/me/avatar", content=PNG, headers=headers).raise_for_status()
        return {}

    def show(self, media_id: str) -> None:
        """Show something to the circle."""
        edit = {"visibility": "group", "group_id": self.names["group_id"]}
        headers = {"If-Match": "*"}
        self.owner.http.patch(f"/api/v1/library/{media_id}", json=edit, headers=headers).raise_for_status()

    def ask(self, who: Visitor, operation: str, names: dict[str, str]) -> httpx.Response:
        """Send an operation's request with these names in it."""
        method, _, path = operation.partition(" ")
        op = OPERATIONS[operation]
        request: dict[str, Any] = {"headers": op.headers or {}}
        if op.json is not None:
            request["json"] = filled(op.json, names)
        if op.content is not None:
            request["content"] = op.content
        if op.params is not None:
            request["params"] = filled(op.params, names)
        with who.http.stream(method, filled(path, names), **request) as answer:
            if not answer.headers.get("content-type", "").startswith("text/event-stream"):
                answer.read()
        return answer


def filled(given: Any, names: dict[str, str]) -> Any:
    """Put names into a path or a body."""
    if isinstance(given, dict):
        return {key: filled(value, names) for key, value in given.items()}
    if not isinstance(given, str):
        return given
    for name, value in names.items():
        given = given.replace("{" + name + "}", value)
    if given == "somebody":  # another one each time: who fails often has to wait
        return f"{secrets.token_hex(6)}@example.org"
    return names["email"] if given == "owner" else given


@pytest.fixture(scope="module")
def scene(short_speech: bytes) -> Iterator[Scene]:
    with (
        TemporaryDirectory(prefix="clipstead-") as folder,
        running_platform(
            Path(folder) / "home",
            CLIPSTEAD_ADMIN_BOOTSTRAP_EMAIL=ADMIN,
            CLIPSTEAD_GROUPS_EACH="1000",
            CLIPSTEAD_API_KEYS_EACH="1000",
            **UNLIMITED,
        ) as platform,
    ):
        made = staged(platform, short_speech)
        yield made
        for visitor in made.visitors.values():
            visitor.http.close()


def staged(platform: Platform, speech: bytes) -> Scene:
    """Bring everybody and everything onto the platform."""
    url = platform.url
    visitors = {name: person(url, ADMIN if name == "admin" else "") for name in PEOPLE}
    visitors["admin"].scopes |= {"admin"}
    ruler, owner = visitors["admin"], visitors["owner"]
    moderator = visitors["moderator"]
    role = ruler.http.patch(f"/api/v1/admin/users/{moderator.id}", json={"role": "moderator"})
    assert role.json()["role"] == "moderator"
    moderator.renew()

    uploader = owner.post("/auth/api-keys", name="ShareX", scopes=["upload"])["key"]
    delegate = ruler.post("/auth/api-keys", name="archive", scopes=["delegate", "upload", "read", "write"])["key"]
    visitors |= {
        "anonymous": Visitor(url, frozenset(), client(url)),
        "share-link visitor": Visitor(url, frozenset(), client(url)),
        "upload key": Visitor(url, frozenset({"upload"}), client(url, Authorization=f"Bearer {uploader}")),
        "delegation key": Visitor(
            url,
            frozenset({"upload", "read", "write"}),
            client(url, **{"Authorization": f"Bearer {delegate}", "X-Delegated-User-Email": owner.email}),
        ),
    }
    scene = Scene(platform, visitors, {}, speech)
    group = str(owner.post("/groups", name="Sunday climbers")["id"])
    scene.names["group_id"] = group
    for name in ("member", "ex-member"):
        scene._joins(visitors[name], group)
    left = visitors["ex-member"]
    assert left.http.delete(f"/api/v1/groups/{group}/members/{left.id}").status_code == 204

    uploaded = Person.__new__(Person)  # whose cookie it is matters, not how they signed up
    uploaded.http, uploaded.email = owner.http, owner.email
    media_id = uploaded.upload("talk.flac", speech, count=1, min_duration=4)
    assert uploaded.until_ended(media_id)["status"] == "ready"
    (clip,) = uploaded.clips(media_id)
    scene.show(media_id)
    share: dict[str, Any] = {}

    def shared() -> bool:
        answer = owner.http.post("/api/v1/shares", json={"media_id": clip["id"]})
        share.update(answer.json())
        return answer.status_code == 201

    wait_until(shared, 30)
    invitation = owner.post(f"/groups/{group}/invitations", most_uses=100)["url"].rpartition("=")[2]
    onto_server = ruler.post("/admin/invitations", most_uses=100)["url"].rpartition("=")[2]
    scene.names |= {
        "media_id": media_id,
        "clip_id": str(clip["id"]),
        "upload_id": scene._upload(),
        "user_id": visitors["member"].id,
        "share_id": share["id"],
        "token": share["url"].rpartition("/")[2],
        "invitation": invitation,
        "server_invitation": onto_server,
        "email": owner.email,
        "name": "share.css",
        "file": "docs.css",
        "provider": "club",
        "text": clip["title"],
    }
    # What the library knows, the others know a moment later.
    wait_until(lambda: visitors["member"].http.post("/api/v1/playback", json={"media_id": media_id}).is_success, 30)
    return scene


def expected(op: Op, who: str, visitor: Visitor) -> str | int:
    """The status that somebody has to get, or what of the operation they get."""
    if op.kind in (Kind.ANYBODY, Kind.LINK):
        lacks = op.scope is not None and visitor.scopes and op.scope not in visitor.scopes
        return 403 if lacks else "ok"
    known = bool(visitor.scopes)
    open_door = op.kind is Kind.SHOWN and op.scope == "read"  # anonymous people come to see what is public
    if not known:
        return 404 if open_door else 401
    if op.scope is not None and op.scope not in visitor.scopes:
        return 403
    if op.in_browser and who in ("upload key", "delegation key"):
        return "no session"
    if op.kind in (Kind.SELF, Kind.RULERS) or who in OWNERS:
        return "ok"
    if who == "admin" and op.kind is Kind.SEEN:
        return "ok"
    if who == "member" and op.kind in (Kind.SHOWN, Kind.CIRCLE, Kind.SEEN):
        return "ok"
    return 403 if who == "member" and op.kind is Kind.STAFF else 404


def same(answer: httpx.Response) -> tuple[int, dict[str, Any]]:
    """What somebody can tell from a refusal."""
    body = answer.json() if answer.content else {}
    body.pop("correlation_id", None)
    return answer.status_code, body


def test_the_table_names_every_operation(scene: Scene) -> None:
    document = httpx.get(f"{scene.platform.url}/api/v1/openapi.json", trust_env=False).json()
    assert document["x-missing"] == []
    offered = {
        f"{method.upper()} {path}"
        for path, item in document["paths"].items()
        for method in item
        if method in ("get", "put", "post", "patch", "delete", "head", "options")
    }
    assert offered == set(OPERATIONS)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_everybody_gets_what_is_theirs(scene: Scene, operation: str) -> None:
    """T28."""
    op = OPERATIONS[operation]
    for who in EVERYBODY:
        visitor = scene.visitors[who]
        names = dict(scene.names)
        wanted = expected(op, who, visitor)
        if op.fresh == "grant" or (op.fresh and (wanted in ("ok", 404, 403) or op.kind in (Kind.CIRCLE, Kind.STAFF))):
            made = scene.fresh(op.fresh, visitor if wanted == "ok" else scene.owner)
            names |= made
        for name in ("passkey_id", "identity_id", "session_id", "invitation_id", "mail_id", "key_id", "import_id"):
            names.setdefault(name, str(uuid4()))
        answer = scene.ask(visitor, operation, names)
        told = f"{who}: {operation} is open {op.kind.value}; answered {answer.status_code}"
        if answer.headers.get("content-type", "") == "application/problem+json" and answer.is_closed:
            told += f" {answer.text}" if answer.num_bytes_downloaded else ""
        if wanted == "no session":
            assert answer.status_code in (401, 403, 404, 409, 422), told
            assert answer.json()["code"] not in ("unauthenticated", "missing_scope"), told
        elif wanted == "ok" and op.fresh in ("passkey_id", "identity_id"):
            assert answer.status_code in (403, 404), told  # nobody has one here; own tests do
        elif wanted == "ok":
            assert answer.status_code in op.ok, told
        else:
            assert answer.status_code == wanted, told
        if wanted == 404:
            assert not answer.content or same(answer) == same(scene.ask(visitor, operation, absent(names))), told
        if op.fresh in ("session", "sessions") and wanted == "ok":
            (visitor if visitor.password else scene.owner).renew()


def absent(names: dict[str, str]) -> dict[str, str]:
    """The same names with ids that nothing has."""
    return {name: str(uuid4()) if name.endswith("_id") else value for name, value in names.items()}


@pytest.mark.parametrize("operation", [name for name, op in OPERATIONS.items() if isinstance(op.json, dict)])
def test_nobody_says_more_than_they_are_asked(scene: Scene, operation: str) -> None:
    """T29: what a body may not hold is refused, and not ignored."""
    op = OPERATIONS[operation]
    who = scene.visitors["admin" if op.kind is Kind.RULERS else "owner"]
    names = {**scene.names, **{name: str(uuid4()) for name in ("passkey_id", "provider") if "{passkey" in operation}}
    method, _, path = operation.partition(" ")
    body = {**filled(op.json, names), "owner_id": str(uuid4()), "status": "ready"}
    answer = who.http.request(method, filled(path, names), json=body, headers=op.headers or {})
    assert (answer.status_code, answer.json()["code"]) == (422, "malformed"), answer.text


def test_reading_changes_nothing_whoever_has_a_browser_read(scene: Scene) -> None:
    """T17: another site may send a browser to any address; nothing is different afterwards."""
    owner = scene.owner

    def state() -> list[str]:
        listed = ("/library", "/auth/api-keys", "/groups", "/clips", f"/shares?media_id={scene.names['media_id']}")
        texts = [owner.http.get(f"/api/v1{path}").text for path in listed]
        one = owner.http.get(f"/api/v1/library/{scene.names['media_id']}")
        return [*texts, one.headers["ETag"], *[str(place["id"]) for place in places()]]

    def places() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = owner.http.get("/api/v1/auth/sessions").json()["items"]
        return found

    before = state()
    foreign = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    owner.http.headers.update(foreign)
    for operation in OPERATIONS:
        if operation.startswith(("GET", "HEAD")) and "/s/{token}" not in operation:
            names = {**scene.names, **{one: str(uuid4()) for one in ("mail_id", "import_id")}}
            scene.ask(owner, operation, names)
    for name in foreign:
        del owner.http.headers[name]
    assert state() == before


def test_a_planted_session_does_not_survive_signing_in(scene: Scene) -> None:
    """T18: whoever signs in gets another token; the one that the browser had opens nothing, and signing out ends it all."""
    url = scene.platform.url
    who, attacker = person(url), person(url)
    name = next(cookie.name for cookie in attacker.http.cookies.jar)
    planted = attacker.http.cookies[name]
    with client(url) as browser:
        browser.cookies.set(name, planted)
        body = {"email": who.email, "password": who.password}
        headers = {"Sec-Fetch-Site": "same-origin"}
        assert browser.post("/api/v1/auth/sign-in", json=body, headers=headers).status_code == 200
        fresh = next(cookie.value for cookie in browser.cookies.jar if cookie.value != planted)
        assert attacker.http.get("/api/v1/library").status_code == 200, "nobody is signed out by others"
        with client(url, Cookie=f"{name}={fresh}") as signed_in:
            token = signed_in.get("/api/v1/session").json()["csrf_token"]
            assert signed_in.get("/api/v1/library").status_code == 200
            signed_in.post("/api/v1/auth/sign-out", headers={"X-CSRF-Token": token})
            assert signed_in.get("/api/v1/library").status_code == 401


def test_two_circles_see_nothing_of_each_other(scene: Scene) -> None:
    """Whatever the other side lists, searches, counts or is refused, nothing of the circle is in it."""
    theirs = person(scene.platform.url)
    group = str(theirs.post("/groups", name="The others")["id"])
    secrets_of_the_circle = [
        scene.names[name] for name in ("group_id", "media_id", "clip_id", "user_id", "share_id", "email")
    ] + [scene.owner.id, "Sunday climbers"]
    title = scene.owner.http.get(f"/api/v1/library/{scene.names['media_id']}").json()["title"]
    asked = [
        "/groups",
        f"/groups/{group}",
        f"/groups/{group}/members",
        f"/groups/{group}/invitations",
        "/library",
        "/library?scope=public",
        f"/library?scope=group&group_id={group}",
        f"/library?q={title}",
        f"/library?scope=public&q={title}",
        f"/library?parent_id={scene.names['media_id']}",
        "/library?kind=clip&scope=public",
        "/clips",
        "/auth/me",
        "/auth/sessions",
        "/auth/api-keys",
        "/session",
        "/system",
    ]
    for path in asked:
        answer = theirs.http.get(f"/api/v1{path}")
        assert answer.status_code == 200, path
        assert [one for one in secrets_of_the_circle if one in answer.text] == [], path
        if "total" in answer.text and "group_id" not in path:
            assert answer.json()["total"] == 0, path
    with theirs.http.stream("GET", "/api/v1/events") as feed:
        first = next(feed.iter_text())
        assert [one for one in secrets_of_the_circle if one in first] == []
    refused = theirs.http.get(f"/api/v1/library?scope=group&group_id={scene.names['group_id']}")
    assert same(refused) == same(theirs.http.get(f"/api/v1/library?scope=group&group_id={uuid4()}"))
    assert refused.status_code == 404


def test_whoever_is_disabled_is_out_within_five_seconds(scene: Scene) -> None:
    """Session, key, open feed, playback and shares: all of it."""
    url = scene.platform.url
    who = person(url)
    key = who.post("/auth/api-keys", name="x", scopes=["read"])["key"]
    with client(url, Authorization=f"Bearer {key}") as by_key, who.http.stream("GET", "/api/v1/events") as feed:
        told = feed.iter_text()
        assert next(told).startswith("retry:")
        assert by_key.get("/api/v1/library").status_code == 200
        ruler = scene.visitors["admin"]
        user_id = who.id
        assert ruler.http.patch(f"/api/v1/admin/users/{user_id}", json={"disabled": True}).status_code == 200
        wait_until(lambda: by_key.get("/api/v1/library").status_code == 401, 5)
        wait_until(lambda: who.http.get("/api/v1/library").status_code == 401, 5)
        for _ in told:
            pass  # it ends by itself; the test's own time limit says when that took too long
    assert ruler.http.patch(f"/api/v1/admin/users/{user_id}", json={"disabled": False}).status_code == 200
    who.renew()
