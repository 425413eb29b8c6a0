"""Guarantee G9: every creating request may be sent again. The same story for all of them, on real servers."""

from __future__ import annotations

import base64
import importlib
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from gateway.openapi import merge
from gateway.routes import API, ROUTES, Table
from infra.onehost.servers import free_port
from libs.contracts import events
from libs.contracts.media import Original, Wishes
from libs.contracts.subscriptions import SERVICES
from libs.database import new_id
from tests.factories.platform import wait_until
from tests.factories.services import ROOT, Calls, UnderTest

Start = Callable[..., UnderTest]
Request = dict[str, Any]  # what httpx sends: method, url, headers, and a body in one of its ways

SPEECH = Path(__file__).parents[1] / "data" / "speech" / "kennedy.flac"
CROWD = 20

WHY_NOT = {
    "/api/v1/auth/sign-up": "nobody is signed in whose key it could be; the address is taken after the first time (409)",
    "/api/v1/auth/sign-in": "nobody is signed in yet; a session more does no harm, and its token must not be kept",
    "/api/v1/auth/sign-out": "ending a session twice changes nothing",
    **dict.fromkeys(
        (f"/api/v1/media/{{id}}/transcript/{what}" for what in ("edits", "undo", "redo")),
        "If-Match names the version that was looked at, so the second of two is refused",
    ),
    "/api/v1/playback": "a grant is a short-lived address that anybody may ask for again",
    **dict.fromkeys(
        (
            "/api/v1/auth/password/forgotten",
            "/api/v1/auth/verification",
            "/api/v1/auth/address",
        ),
        "another mail, whose code takes the place of the one before",
    ),
    **dict.fromkeys(
        (
            "/api/v1/auth/address/confirm",
            "/api/v1/auth/passkeys",
            "/api/v1/auth/password/reset",
            "/api/v1/auth/sign-in/passkey",
            "/api/v1/auth/sign-in/second",
            "/api/v1/auth/verify",
        ),
        "its code or challenge is good once; and tokens must not be kept",
    ),
    **dict.fromkeys(
        (
            "/api/v1/auth/oidc/{id}/link",
            "/api/v1/auth/passkeys/options",
            "/api/v1/auth/password",
            "/api/v1/auth/prove",
            "/api/v1/auth/recovery-codes",
            "/api/v1/auth/refresh",
            "/api/v1/auth/sign-in/passkey/options",
            "/api/v1/auth/totp",
            "/api/v1/auth/totp/confirm",
        ),
        "a second time gives a secret in place of the first one; and secrets must not be kept",
    ),
    "/api/v1/invitations/look": "it changes nothing",
    "/api/v1/invitations/accept": "whoever is in a group already joins it without using anything up",
    "/api/v1/admin/users/{id}/sign-out": "ending sessions twice changes nothing",
    "/api/v1/auth/sign-out/everywhere": "ending sessions twice changes nothing",
}


@dataclass
class Scene:
    """A running service; requests of two people that create something; and the count of what was created."""

    service: UnderTest
    me: UUID
    them: UUID
    mine: Request
    other: Request  # another request of mine to the same operation
    theirs: Request
    counted: str  # SQL
    scopes: set[str] | None = None  # None: those of a session
    before: int = field(init=False)

    def __post_init__(self) -> None:
        self.before = self._count()

    def _count(self) -> int:
        return int(self.service.rows(f"SELECT count(*) FROM {self.counted}")[0][0])

    @property
    def effects(self) -> int:
        return self._count() - self.before

    def send(
        self, request: Request, key: str | None = "k1", by: UUID | None = None, calls: Calls | None = None
    ) -> httpx.Response:
        keyed = {"Idempotency-Key": key} if key is not None else {}
        sent = request | {"headers": request.get("headers", {}) | keyed}
        return (calls or self.service.call)(
            sent.pop("method"), sent.pop("url"), by=by or self.me, scopes=self.scopes, **sent
        )

    def send_and_leave(self, request: Request, key: str = "k1") -> None:
        """Send a request and break the connection without reading the answer."""
        headers = request.get("headers", {}) | {"Idempotency-Key": key}
        headers |= self.service.call.headers(self.me, self.scopes, method=request["method"], path=request["url"])
        built = self.service.call.http.build_request(**(request | {"headers": headers}))
        body = built.read()
        parts = urlsplit(self.service.url)
        lines = "".join(f"{name}: {value}\r\n" for name, value in built.headers.items())
        with socket.create_connection((parts.hostname or "", parts.port or 0)) as line:
            line.sendall(f"{built.method} {built.url.raw_path.decode()} HTTP/1.1\r\n{lines}\r\n".encode() + body)
            wait_until(lambda: self.effects == 1, 15)


def an_original(media_id: UUID, owner: UUID) -> Original:
    return Original(
        media_id=media_id,
        owner_id=owner,
        title="A talk",
        object_key=f"originals/{media_id}/x.mp4",
        size=10,
        sha256="0" * 64,
        container="mov",
        mime="video/mp4",
        duration=60.0,
        has_audio=True,
        has_video=True,
        width=1920,
        height=1080,
        fps=25.0,
    )


def post(url: str, **how: Any) -> Request:
    return {"method": "POST", "url": url, **how}


def uploads(start: Start) -> Scene:
    def announced(title: str) -> Request:
        metadata = f"filename {base64.b64encode(b'a.mp4').decode()},title {base64.b64encode(title.encode()).decode()}"
        headers = {"Tus-Resumable": "1.0.0", "Upload-Length": "1000", "Upload-Metadata": metadata}
        return post("/v1/uploads", headers=headers)

    service = start("ingest", CLIPSTEAD_DISK_RESERVE="0", CLIPSTEAD_DATABASE_POOL="25")
    mine, other = announced("One"), announced("Two")
    return Scene(service, new_id(), new_id(), mine, other, mine, "recordings")


def forms(start: Start) -> Scene:
    data = SPEECH.read_bytes()
    service = start("ingest", CLIPSTEAD_DISK_RESERVE="0", CLIPSTEAD_DATABASE_POOL="25")
    mine = post("/v1/media", files={"file": ("a.flac", data)}, data={"title": "One"})
    other = post("/v1/media", files={"file": ("a.flac", data[:-1])}, data={"title": "One"})
    return Scene(service, new_id(), new_id(), mine, other, mine, "recordings")


def imports(start: Start) -> Scene:
    service = start("ingest", CLIPSTEAD_DISK_RESERVE="0", CLIPSTEAD_DATABASE_POOL="25")
    mine = post("/v1/imports", json={"url": "https://example.com/a.mp4", "wishes": {"count": 1}})
    other = post("/v1/imports", json={"url": "https://example.com/a.mp4", "wishes": {"count": 2}})
    return Scene(service, new_id(), new_id(), mine, other, mine, "recordings")


def clips(start: Start) -> Scene:
    service = start("render", CLIPSTEAD_DATABASE_POOL="25")
    me, them = new_id(), new_id()

    def wanted(owner: UUID, media_id: UUID, end: float) -> Request:
        known = an_original(media_id, owner).model_dump(mode="json")
        service.peers["ingest"].answers[f"/internal/originals/{media_id}"] = known
        return post("/v1/clips", json={"media_id": str(media_id), "start": 1, "end": end})

    media_id = new_id()
    mine, other, theirs = wanted(me, media_id, 9), wanted(me, media_id, 12), wanted(them, new_id(), 9)
    return Scene(service, me, them, mine, other, theirs, "jobs")


def retries(start: Start) -> Scene:
    scene = clips(start)
    service = scene.service
    made = [
        scene.send(request, None, by).json()["id"]
        for request, by in ((scene.mine, scene.me), (scene.other, scene.me), (scene.theirs, scene.them))
    ]
    service.execute("UPDATE renditions SET state = 'failed', problem_code = 'x', problem_detail = 'y'")
    service.execute("UPDATE jobs SET state = 'failed'")
    mine, other, theirs = (post(f"/v1/clips/{clip}/retry") for clip in made)
    counted = "outbox WHERE topic = 'rendition.progress'"
    return Scene(service, scene.me, scene.them, mine, other, theirs, counted)


def moments(start: Start) -> Scene:
    service = start("highlight", CLIPSTEAD_OLLAMA_HOST="", CLIPSTEAD_DATABASE_POOL="25")
    me, them = new_id(), new_id()

    def transcribed(owner: UUID) -> str:
        media_id = new_id()
        told = events.TranscriptReady(
            media_id=media_id,
            owner_id=owner,
            transcript_engine="x",
            model="x",
            quality="draft",
            language="en",
            words=9,
            speakers=1,
            wishes=Wishes(),
        )
        service.tell(told)
        return f"/v1/media/{media_id}/moments"

    path = transcribed(me)
    mine, other = post(path, json={"count": 4}), post(path, json={"count": 5})
    return Scene(service, me, them, mine, other, post(transcribed(them), json={"count": 4}), "jobs")


def shares(start: Start) -> Scene:
    service = start("stream", CLIPSTEAD_LINK_SECRET="l" * 40, CLIPSTEAD_DATABASE_POOL="25")
    me, them = new_id(), new_id()

    def received(owner: UUID) -> str:
        original = an_original(new_id(), owner)
        told = events.MediaReceived(media_id=original.media_id, owner_id=owner, original=original, wishes=Wishes())
        service.tell(told)
        return str(original.media_id)

    media_id = received(me)
    mine = post("/v1/shares", json={"media_id": media_id})
    other = post("/v1/shares", json={"media_id": media_id, "expires_in": 3600})
    return Scene(service, me, them, mine, other, post("/v1/shares", json={"media_id": received(them)}), "shares")


def person(service: UnderTest, name: str) -> UUID:
    account = {"email": f"{name}@example.org", "password": "correct horse battery"}
    return UUID(service.call("POST", "/v1/auth/sign-up", json=account).json()["user"]["id"])


def groups(start: Start) -> Scene:
    service = start("auth", CLIPSTEAD_DATABASE_POOL="25")
    mine, other = post("/v1/groups", json={"name": "Climbers"}), post("/v1/groups", json={"name": "Divers"})
    return Scene(service, person(service, "anna"), person(service, "ben"), mine, other, mine, "groups")


def group_invitations(start: Start) -> Scene:
    scene = groups(start)
    mine, theirs = (
        f"/v1/groups/{scene.send(scene.mine, None, by).json()['id']}/invitations" for by in (scene.me, scene.them)
    )
    one, other = post(mine, json={"days": 1}), post(mine, json={"days": 2})
    return Scene(scene.service, scene.me, scene.them, one, other, post(theirs, json={"days": 1}), "invitations")


def server_invitations(start: Start) -> Scene:
    service = start("auth", CLIPSTEAD_DATABASE_POOL="25")
    me, them = person(service, "anna"), person(service, "ben")
    mine, other = (post("/v1/admin/invitations", json={"days": days}) for days in (1, 2))
    return Scene(service, me, them, mine, other, mine, "invitations", {"read", "write", "admin"})


def api_keys(start: Start) -> Scene:
    service = start("auth", CLIPSTEAD_DATABASE_POOL="25")
    mine = post("/v1/auth/api-keys", json={"name": "ShareX", "scopes": ["upload"]})
    other = post("/v1/auth/api-keys", json={"name": "ShareX", "scopes": ["upload", "read"]})
    return Scene(service, person(service, "anna"), person(service, "ben"), mine, other, mine, "api_keys")


SCENES = (
    uploads,
    forms,
    imports,
    clips,
    retries,
    moments,
    shares,
    api_keys,
    groups,
    group_invitations,
    server_invitations,
)


@pytest.fixture(params=SCENES, ids=lambda scene: scene.__name__)
def scene(request: pytest.FixtureRequest, start: Start) -> Scene:
    made: Scene = request.param(start)
    return made


def test_the_same_request_again_gets_the_same_answer_and_has_no_second_effect(scene: Scene) -> None:
    first = scene.send(scene.mine)
    assert first.is_success, first.text
    assert "Idempotent-Replayed" not in first.headers
    again = scene.send(scene.mine)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers.get("Location") == first.headers.get("Location")
    assert again.headers.get("Content-Type") == first.headers.get("Content-Type")
    assert scene.effects == 1


def test_another_request_under_the_same_key_is_refused(scene: Scene) -> None:
    assert scene.send(scene.mine).is_success
    other = scene.send(scene.other)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    assert other.headers["Content-Type"] == "application/problem+json"
    assert scene.effects == 1
    assert scene.send(scene.other, "k2").is_success
    assert scene.effects == 2


def test_twenty_at_once_have_one_effect(scene: Scene) -> None:
    with ThreadPoolExecutor(CROWD) as crowd:
        replies = list(crowd.map(lambda _: scene.send(scene.mine), range(CROWD)))
    assert scene.effects == 1
    answered = [reply for reply in replies if reply.is_success]
    told_to_wait = [reply for reply in replies if not reply.is_success]
    assert {reply.json()["code"] for reply in told_to_wait} <= {"idempotency_in_progress"}
    assert len({(reply.status_code, reply.content, reply.headers.get("Location")) for reply in answered}) == 1
    assert len([reply for reply in answered if "Idempotent-Replayed" not in reply.headers]) == 1


def test_somebody_elses_key_of_the_same_name_is_another_one(scene: Scene) -> None:
    mine, theirs = scene.send(scene.mine), scene.send(scene.theirs, by=scene.them)
    assert mine.is_success
    assert theirs.status_code == mine.status_code
    assert "Idempotent-Replayed" not in theirs.headers
    assert scene.effects == 2


def test_after_a_day_the_key_is_new(scene: Scene) -> None:
    assert scene.send(scene.mine).is_success
    scene.service.execute("UPDATE idempotency_keys SET created_at = created_at - interval '23 hours 59 minutes'")
    assert scene.send(scene.mine).headers["Idempotent-Replayed"] == "true"
    scene.service.execute("UPDATE idempotency_keys SET created_at = created_at - interval '1 minute'")
    other = scene.send(scene.other)
    assert other.is_success, other.text
    assert "Idempotent-Replayed" not in other.headers
    assert scene.effects == 2
    assert scene.send(scene.other).headers["Idempotent-Replayed"] == "true"


def test_an_answer_that_got_lost_is_given_again(scene: Scene) -> None:
    scene.send_and_leave(scene.mine)
    again = scene.send(scene.mine)
    assert again.is_success, again.text
    assert again.headers["Idempotent-Replayed"] == "true"
    assert scene.effects == 1


DYING = """
import os, signal, sys
from sqlalchemy import Engine, event
from sqlalchemy.orm import Session
from libs.web import __main__ as main

remembering = False

@event.listens_for(Engine, "before_cursor_execute")
def look(connection, cursor, statement, *_):
    global remembering
    remembering = remembering or statement.startswith("UPDATE idempotency_keys")

@event.listens_for(Session, sys.argv.pop())
def die(session):
    if remembering:
        os.kill(os.getpid(), signal.SIGKILL)

main.main()
"""


def send_to_one_that_dies(scene: Scene, moment: str) -> None:
    """Send my request to a process of the service's that is killed before or after it commits, and never answers."""
    port = free_port()
    program = [sys.executable, "-c", DYING, "http", scene.service.name, moment]
    environment = os.environ | {"CLIPSTEAD_PORT": str(port)}
    process = subprocess.Popen(program, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
    calls = Calls(f"http://127.0.0.1:{port}", scene.service.name, scene.service.keys)
    try:
        wait_until(lambda: _answers(calls), 60)
        with pytest.raises(httpx.TransportError):
            scene.send(scene.mine, calls=calls)
        assert process.wait(10) == -signal.SIGKILL
    finally:
        calls.close()
        process.kill()
        process.wait()


def _answers(calls: Calls) -> bool:
    try:
        return calls.http.get("/health/live").is_success
    except httpx.TransportError:
        return False


def test_killed_between_commit_and_reply_it_is_answered_by_the_next_process(scene: Scene) -> None:
    send_to_one_that_dies(scene, "after_commit")
    assert scene.effects == 1
    again = scene.send(scene.mine)
    assert again.is_success, again.text
    assert again.headers["Idempotent-Replayed"] == "true"
    assert scene.effects == 1


def test_killed_before_the_commit_nothing_was_done_and_the_key_is_free(start: Start) -> None:
    scene = shares(start)
    send_to_one_that_dies(scene, "before_commit")
    assert scene.effects == 0
    again = scene.send(scene.mine)
    assert again.is_success, again.text
    assert "Idempotent-Replayed" not in again.headers
    assert scene.effects == 1


def test_a_key_is_1_to_255_printable_ascii_characters(scene: Scene) -> None:
    for key in ("k" * 256, "", "tabs\tinside", "k\u00e9y"):
        headers = scene.mine.get("headers", {}) | {"Idempotency-Key": key.encode("latin-1")}
        refused = scene.send(scene.mine | {"headers": headers}, None)
        assert (refused.status_code, refused.json()["code"]) == (422, "malformed")
    assert scene.effects == 0
    assert scene.send(scene.mine, "k" * 255).is_success


def test_without_a_key_every_request_is_one_of_its_own(start: Start) -> None:
    scene = shares(start)
    assert len({scene.send(scene.mine, None).json()["id"] for _ in range(3)}) == 3
    assert scene.service.rows("SELECT count(*) FROM idempotency_keys") == [(0,)]


# which routes ------------------------------------------------------------------------------------------------------------


def documents() -> dict[str, Any]:
    found = {}
    for name in SERVICES:
        app = FastAPI(title=name, version="1")
        for router in importlib.import_module(f"services.{name}.app").service.routers:
            app.include_router(router)
        found[name] = app.openapi()
    return found


def test_every_creating_route_takes_a_key_or_has_a_reason_not_to() -> None:
    paths = merge(documents(), Table(), "1")["paths"]
    posted = {route.path for route in ROUTES if "POST" in route.methods and route.path.startswith(API)}
    taking = {
        re.sub(r"\{\w+\}", "{id}", path)
        for path, item in paths.items()
        for parameter in item.get("post", {}).get("parameters", [])
        if parameter["name"] == "Idempotency-Key"
    }
    assert taking | set(WHY_NOT) == posted
    assert not taking & set(WHY_NOT)
    assert len(taking) == len(SCENES)


def test_the_document_tells_of_the_key_and_of_what_may_come_of_it() -> None:
    operation = merge(documents(), Table(), "1")["paths"]["/api/v1/shares"]["post"]
    [parameter] = [one for one in operation["parameters"] if one["name"] == "Idempotency-Key"]
    assert (parameter["in"], parameter["required"]) == ("header", False)
    assert "24 hours" in parameter["description"]
    assert "idempotency_key_reused" in operation["responses"]["409"]["description"]
    assert "Idempotent-Replayed" in operation["responses"]["201"]["headers"]
    assert "409" not in merge(documents(), Table(), "1")["paths"]["/api/v1/playback"]["post"]["responses"]
