"""Who may call: FastAPI dependencies for service tokens."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Annotated, Any, cast

from fastapi import Depends, Request

from libs.telemetry import log
from libs.web.problems import Forbidden, Unauthenticated
from libs.web.replays import Replays
from libs.web.tokens import HEADER, BadToken, Principal, Verifier

__all__ = ["Caller", "Internal", "OptionalCaller", "authenticate", "target_of"]

GATEWAY = "gateway"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})  # of which a second time changes nothing
PEOPLES = "/v1/"  # paths that people reach through the gateway; services ask each other below /internal/


async def authenticate(request: Request) -> None:
    """Check the service token of every request, but those to paths that the service declared public."""
    public: tuple[str, ...] = request.app.state.public
    token = request.headers.get(HEADER)
    if token is None and request.url.path.startswith(public):
        request.state.principal = Principal(service="")
        return
    try:
        principal = await _checked(request, token or "")
    except BadToken as error:
        log.warning("request without a valid service token", extra={"reason": str(error), "path": request.url.path})
        raise Unauthenticated("A service token is needed here.", code="bad_service_token") from error
    # The gateway alone knows who is signed in: another service's key must not speak for people at their doors.
    if principal.service != GATEWAY and request.url.path.startswith(PEOPLES):
        log.warning("a service spoke for a person", extra={"from": principal.service, "path": request.url.path})
        raise Forbidden(f"{principal.service} has no business here.")
    request.state.principal = principal


async def _checked(request: Request, text: str) -> Principal:
    """Who sent this very request, body and all. Raises BadToken."""
    verifier: Verifier = request.app.state.verifier
    replays: Replays = request.app.state.replays
    token = verifier.verify(text, request.method, target_of(request.scope))
    if not token.streams and not token.covers(await request.body()):
        raise BadToken("made for another body")
    if request.method not in SAFE and not await replays.first(token):
        raise BadToken("used before")
    return token.principal


def target_of(scope: MutableMapping[str, Any]) -> str:
    """Path and query of an ASGI request as they came over the wire."""
    path: bytes = scope["raw_path"]
    query: bytes = scope["query_string"]
    return (path + b"?" + query if query else path).decode("latin-1")


def _principal(request: Request) -> Principal:
    return cast("Principal", request.state.principal)


def _person(request: Request) -> Principal:
    principal = _principal(request)
    _ = principal.user_id  # raises where nobody is signed in
    return principal


Caller = Annotated[Principal, Depends(_person)]
"""A signed-in person; 401 otherwise."""

OptionalCaller = Annotated[Principal, Depends(_principal)]
"""A person, or nobody (``acting`` is None)."""


class Internal:
    """A dependency for ``/internal`` routes: only these services may call, in their own name."""

    def __init__(self, *services: str) -> None:
        self._services = frozenset(services)

    def __call__(self, request: Request) -> Principal:
        """Return the caller, or refuse with 403."""
        principal = _principal(request)
        if principal.service not in self._services:
            raise Forbidden(f"{principal.service} has no business here.")
        return principal
