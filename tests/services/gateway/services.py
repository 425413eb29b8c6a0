"""Tiny services for the gateway to stand in front of: real HTTP, real service tokens, and a memory of what they saw."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from libs.contracts.subscriptions import SERVICES
from libs.web.access import target_of
from libs.web.tokens import HEADER, BadToken, Principal, Token, Verifier

CHUNK = bytes(range(256)) * 256  # 64 KiB


@dataclass
class Seen:
    """One request as a service saw it."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    principal: Principal

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name.lower()), None)


@dataclass
class Service:
    """A service: answers a few special paths of its kind, and echoes on all others."""

    name: str
    keys: Path
    url: str = ""
    seen: list[Seen] = field(default_factory=list)
    tokens: list[Token] = field(default_factory=list)
    system: dict[str, Any] = field(default_factory=lambda: {"version": "1", "engine": "real"})
    openapi: dict[str, Any] = field(default_factory=dict)
    left: threading.Event = field(default_factory=threading.Event)  # a client went away in the middle
    go_on: threading.Event = field(default_factory=threading.Event)  # lets a slow reply continue
    received: int = 0  # bytes of the body that is coming in

    def __post_init__(self) -> None:
        self._verifier = Verifier(self.name, self.keys)
        self.app = Starlette(
            routes=[
                Route("/openapi.json", self._openapi),
                Route("/internal/system", self._system),
                *self.routes(),
                Route("/{path:path}", self.echo, methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]),
            ]
        )

    def routes(self) -> list[Route]:
        return []

    def forget(self) -> None:
        self.seen.clear()
        self.tokens.clear()
        self.left.clear()
        self.go_on.clear()
        self.received = 0

    def note(self, request: Request) -> Seen:
        """Remember a request, its service token verified as libs.web would. Raises BadToken."""
        headers = [(key.decode(), value.decode("latin-1")) for key, value in request.scope["headers"]]
        query = request.url.query
        seen = Seen(
            request.method,
            request.scope["raw_path"].decode() + (f"?{query}" if query else ""),
            headers,
            self._verify(request),
        )
        self.seen.append(seen)
        return seen

    def _verify(self, request: Request) -> Principal:
        token = self._verifier.verify(request.headers.get(HEADER, ""), request.method, target_of(request.scope))
        self.tokens.append(token)
        return token.principal

    async def echo(self, request: Request) -> Response:
        """Say how large the body was and what it hashes to."""
        try:
            seen = self.note(request)
        except BadToken as error:
            return JSONResponse({"code": "bad_service_token", "detail": str(error)}, 401)
        digest, self.received = hashlib.sha256(), 0
        try:
            async for chunk in request.stream():
                digest.update(chunk)
                self.received += len(chunk)
        except ClientDisconnect:
            self.left.set()
            raise
        body = {"service": self.name, "target": seen.target, "size": self.received, "sha256": digest.hexdigest()}
        return JSONResponse(body, headers={"Set-Cookie": "evil=1", "X-Session-Token": "never", "X-Own": "kept"})

    async def wait(self) -> None:
        await asyncio.to_thread(self.go_on.wait, 30)

    async def _openapi(self, _: Request) -> Response:
        return JSONResponse(self.openapi)

    async def _system(self, request: Request) -> Response:
        self.note(request)
        return JSONResponse(self.system)


class Auth(Service):
    """People whose password is their name."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.identities: dict[str, dict[str, Any]] = {}
        self.questions: list[dict[str, Any]] = []
        self.acts: list[dict[str, Any]] = []
        self.asked = 0
        self.broken = False

    def routes(self) -> list[Route]:
        return [
            Route("/internal/resolve", self.resolve, methods=["POST"]),
            Route("/internal/acts", self.record_act, methods=["POST"]),
            Route("/v1/auth/sign-in", self.sign_in, methods=["POST"]),
            Route("/v1/auth/sign-up", self.sign_in, methods=["POST"]),
            Route("/v1/auth/verify", self.verify, methods=["POST"]),
            Route("/v1/auth/sign-out", self.sign_out, methods=["POST"]),
        ]

    def admit(
        self, credential: str, scopes: tuple[str, ...] = ("upload", "read", "write"), email: str = "", **more: Any
    ) -> UUID:
        """Make a person with this session token or API key; the user's id. ``email``: whom a delegate's key acts for."""
        user = uuid4()
        self.identities[credential + email] = {
            "user_id": str(user),
            "session_id": None if credential.startswith("csk_") or "@" in credential else str(uuid4()),
            "scopes": scopes,
            "email": "ada@example.org",
            "display_name": "Ada",
        } | more
        return user

    async def resolve(self, request: Request) -> Response:
        self.note(request)
        self.asked += 1
        if self.broken:
            return JSONResponse({}, 500)
        body = await request.json()
        self.questions.append(body)
        given = [body[kind] for kind in ("session_token", "api_key", "dev_email") if kind in body]
        credential, email = "".join(given), body.get("delegated_email", "")
        found = self.identities.get(credential + email)
        if found is None and email and credential in self.identities:
            delegate = "delegate" in self.identities[credential]["scopes"]
            return (
                JSONResponse({"code": "unknown_delegated_user"}, 404)
                if delegate
                else JSONResponse({"code": "missing_scope"}, 403)
            )
        return JSONResponse(found) if found else JSONResponse({"code": "not_found"}, 404)

    async def record_act(self, request: Request) -> Response:
        self.note(request)
        if self.broken:
            return JSONResponse({}, 500)
        self.acts.append(await request.json())
        return Response(status_code=204)

    async def sign_in(self, request: Request) -> Response:
        self.note(request)
        body = await request.json()
        if body["password"] != "right":
            return JSONResponse({"code": "bad_credentials"}, 401)
        token = f"session-{uuid4().hex}"
        user = self.admit(token)
        expires = datetime.now(UTC) + timedelta(days=30)
        headers = {"X-Session-Token": token, "X-Session-Expires": expires.isoformat()}
        return JSONResponse({"user": {"id": str(user)}}, headers=headers)

    async def verify(self, request: Request) -> Response:
        """Answer with a redirection that begins a session, or with one that doesn't."""
        self.note(request)
        body = await request.json()
        headers = {"Location": "/welcome"}
        if body["code"] == "right":
            token = f"session-{uuid4().hex}"
            self.admit(token)
            expires = datetime.now(UTC) + timedelta(days=30)
            headers |= {"X-Session-Token": token, "X-Session-Expires": expires.isoformat()}
        return Response(status_code=303, headers=headers)

    async def sign_out(self, request: Request) -> Response:
        seen = self.note(request)
        ended = str(seen.principal.session_id)
        self.identities = {key: value for key, value in self.identities.items() if value["session_id"] != ended}
        return Response(status_code=204)


class Ingest(Service):
    """Takes uploads, as tus does."""

    def routes(self) -> list[Route]:
        return [Route("/v1/uploads", self.create, methods=["POST"])]

    async def create(self, request: Request) -> Response:
        self.note(request)
        headers = {"Location": "/api/v1/uploads/u1", "Tus-Resumable": "1.0.0", "Upload-Offset": "0"}
        return Response(status_code=201, headers=headers)


class Catalog(Service):
    """Tells events, and sometimes takes its time."""

    def routes(self) -> list[Route]:
        return [
            Route("/v1/events", self.events),
            Route("/v1/library/{id}/events", self.events),
            Route("/v1/library/slow", self.slow),
            Route("/v1/library/away", self.away),
            Route("/v1/library/torn", self.torn),
            Route("/v1/library/careless", self.careless),
        ]

    async def events(self, request: Request) -> Response:
        self.note(request)

        async def feed() -> AsyncIterator[bytes]:
            try:
                yield b"event: media\ndata: 1\n\n"
                await self.wait()
                while True:
                    yield b": still here\n\n"
                    await asyncio.sleep(0.05)
            finally:
                self.left.set()

        return StreamingResponse(feed(), media_type="text/event-stream")

    async def slow(self, request: Request) -> Response:
        self.note(request)
        try:
            while not await request.is_disconnected():
                if self.go_on.is_set():
                    return JSONResponse({})
                await asyncio.sleep(0.02)
        finally:
            self.left.set()
        return JSONResponse({})

    async def away(self, request: Request) -> Response:
        self.note(request)
        return RedirectResponse("http://127.0.0.1:1/elsewhere")

    async def careless(self, request: Request) -> Response:
        self.note(request)
        headers = {
            "X-Content-Type-Options": "none",
            "Strict-Transport-Security": "max-age=0",
            "Content-Security-Policy": "default-src 'none'; frame-ancestors *",
        }
        return JSONResponse({}, headers=headers)

    async def torn(self, request: Request) -> Response:
        self.note(request)

        async def half() -> AsyncIterator[bytes]:
            yield CHUNK
            raise ConnectionResetError("the service dies in the middle of its reply")

        return StreamingResponse(half(), headers={"Content-Length": str(2 * len(CHUNK))})


class Stream(Service):
    """Delivers many bytes, or a range of them."""

    def routes(self) -> list[Route]:
        return [Route("/p/{token}", self.deliver, methods=["GET", "HEAD"])]

    async def deliver(self, request: Request) -> Response:
        self.note(request)
        if "range" in request.headers:
            return Response(CHUNK[:10], 206, {"Content-Range": "bytes 0-9/65536", "Accept-Ranges": "bytes"})
        chunks = int(request.query_params["chunks"])

        async def film() -> AsyncIterator[bytes]:
            for _ in range(chunks):
                yield CHUNK

        return StreamingResponse(film(), headers={"Content-Length": str(chunks * len(CHUNK))}, media_type="video/mp4")


def make_services(keys: Path) -> dict[str, Service]:
    """All services, by name. ``keys`` holds the gateway's public key."""
    kinds: dict[str, type[Service]] = {"auth": Auth, "ingest": Ingest, "catalog": Catalog, "stream": Stream}
    return {name: kinds.get(name, Service)(name, keys) for name in SERVICES}
