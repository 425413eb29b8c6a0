"""The route table: everything that the outside can ask for, and nothing else.

A path that is not here does not exist. ``{id}`` stands for one plain segment, ``{path}`` at the end for any number of them.
The service sees the path without ``/api``. ``tests/services/gateway/test_contract.py`` compares this table with what the
services offer.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

API = "/api"
VIEWER = "clipstead_viewer"  # by which stream counts somebody who comes back once
OIDC = "clipstead_oidc"  # by which auth knows the browser again that it sent to an identity provider
OWN = "gateway"  # the service of routes that the gateway answers itself

_OPEN_ENDED = "{path}"  # the last segment of a route that stands for any number of them

# What a segment may be made of: ids, tokens and nothing that a server further on could read as path syntax.
_PLAIN = re.compile(r"[A-Za-z0-9._~-]{1,200}")


class Who(Enum):
    """Whom a route serves."""

    SOMEBODY = "somebody"  # a session or an API key is needed
    ANYBODY = "anybody"  # acts for the caller if there is one; the service decides what anonymous people see
    NOBODY = "nobody"  # credentials are neither read nor passed on


class Body(Enum):
    """What a route takes as its body."""

    JSON = "json"  # small, application/json
    FORM = "form"  # multipart/form-data of any size
    PICTURE = "picture"  # image/jpeg, image/png or image/webp; the service says how much
    BYTES = "bytes"  # application/offset+octet-stream of any size (tus)


class Reply(Enum):
    """How a route answers: decides how long the gateway waits."""

    PLAIN = "plain"
    CHECKED = "checked"  # only after a recording was looked at
    FEED = "feed"  # server-sent events, without end


@dataclass(frozen=True, slots=True)
class Route:
    """One public path of one service."""

    methods: frozenset[str]
    path: str
    service: str
    scope: str | None = None  # what the caller must be allowed to do
    who: Who = Who.SOMEBODY
    address_limit: str = "address"  # the rate limit that counts by client address
    user_limit: str = "user"  # the one that counts by person
    email_limit: str | None = None  # the one that counts by the e-mail address in its body
    search_limit: str | None = None  # the one that counts requests with a query q, by person or else by address
    body: Body = Body.JSON
    reply: Reply = Reply.PLAIN
    opens: bool = False  # the reply may begin a session
    closes: bool = False  # the reply ends the caller's session
    cookie: str | None = None  # a cookie of the service's own that crosses, in both directions, also as __Host-<name>

    @property
    def upstream_path(self) -> str:
        """The path as the service knows it."""
        return self.path.removeprefix(API)


def _at(methods: str, path: str, service: str, scope: str | None = None, **flags: object) -> Route:
    return Route(frozenset(methods.split()), path, service, scope, **flags)  # type: ignore[arg-type]


# fmt: off
ROUTES: tuple[Route, ...] = (
    # the gateway itself
    _at("GET",         "/api/v1/session",                     OWN, who=Who.ANYBODY),
    _at("GET",         "/api/v1/system",                      OWN, who=Who.ANYBODY),
    _at("GET",         "/api/v1/openapi.json",                OWN, who=Who.NOBODY),
    _at("GET",         "/api/docs",                           OWN, who=Who.NOBODY),
    _at("GET",         "/api/docs/{file}",                    OWN, who=Who.NOBODY),

    # people
    _at("POST",        "/api/v1/auth/sign-up",                "auth", who=Who.NOBODY, address_limit="sign_up", opens=True),
    _at("POST",        "/api/v1/auth/sign-in",                "auth", who=Who.NOBODY, address_limit="sign_in",
        email_limit="email", opens=True),
    _at("POST",        "/api/v1/auth/sign-out",               "auth", who=Who.ANYBODY, closes=True),
    _at("POST",        "/api/v1/auth/sign-out/everywhere",    "auth", "write", closes=True),
    _at("POST",        "/api/v1/auth/refresh",                "auth", opens=True),
    _at("POST",        "/api/v1/auth/prove",                  "auth", address_limit="sign_in", opens=True),
    _at("GET DELETE",  "/api/v1/auth/sessions",               "auth", "read"),
    _at("DELETE",      "/api/v1/auth/sessions/{id}",          "auth", "write"),
    _at("POST",        "/api/v1/auth/password",               "auth", "write", address_limit="sign_in", opens=True),
    _at("POST",        "/api/v1/auth/password/forgotten",     "auth", who=Who.NOBODY, address_limit="sign_in",
        email_limit="email"),
    _at("POST",        "/api/v1/auth/password/reset",         "auth", who=Who.NOBODY, address_limit="sign_in"),
    _at("POST",        "/api/v1/auth/verification",           "auth", "write"),
    _at("POST",        "/api/v1/auth/verify",                 "auth", who=Who.ANYBODY, address_limit="sign_in", opens=True),
    _at("POST",        "/api/v1/auth/address",                "auth", "write", address_limit="sign_in"),
    _at("POST",        "/api/v1/auth/address/confirm",        "auth", "write", opens=True),
    _at("POST",        "/api/v1/auth/sign-in/second",         "auth", who=Who.NOBODY, address_limit="sign_in", opens=True),
    _at("POST",        "/api/v1/auth/sign-in/passkey/options", "auth", who=Who.NOBODY, address_limit="sign_in"),
    _at("POST",        "/api/v1/auth/sign-in/passkey",        "auth", who=Who.NOBODY, address_limit="sign_in", opens=True),
    _at("GET",         "/api/v1/auth/factors",                "auth", "read"),
    _at("POST",        "/api/v1/auth/totp",                   "auth", "write"),
    _at("POST",        "/api/v1/auth/totp/confirm",           "auth", "write", address_limit="sign_in", opens=True),
    _at("DELETE",      "/api/v1/auth/totp",                   "auth", "write", address_limit="sign_in"),
    _at("POST",        "/api/v1/auth/recovery-codes",         "auth", "write"),
    _at("POST",        "/api/v1/auth/passkeys/options",       "auth", "write"),
    _at("POST",        "/api/v1/auth/passkeys",               "auth", "write", opens=True),
    _at("PATCH DELETE", "/api/v1/auth/passkeys/{id}",         "auth", "write"),
    _at("GET",         "/api/v1/auth/oidc",                   "auth", who=Who.NOBODY),
    _at("GET",         "/api/v1/auth/oidc/{id}/begin",        "auth", who=Who.NOBODY, address_limit="sign_in", cookie=OIDC),
    _at("POST",        "/api/v1/auth/oidc/{id}/link",         "auth", "write", address_limit="sign_in", cookie=OIDC),
    _at("GET",         "/api/v1/auth/oidc/{id}/callback",     "auth", who=Who.ANYBODY, address_limit="sign_in", cookie=OIDC,
        opens=True),
    _at("GET",         "/api/v1/auth/identities",             "auth", "read"),
    _at("DELETE",      "/api/v1/auth/identities/{id}",        "auth", "write"),
    _at("GET",         "/api/v1/auth/me",                     "auth", "read"),
    _at("PATCH",       "/api/v1/auth/me",                     "auth", "write"),
    _at("DELETE",      "/api/v1/auth/me",                     "auth", "write", closes=True),
    _at("GET",         "/api/v1/auth/me/export",              "auth", "read", user_limit="export", reply=Reply.CHECKED),
    _at("PUT",         "/api/v1/auth/me/avatar",              "auth", "write", body=Body.PICTURE),
    _at("DELETE",      "/api/v1/auth/me/avatar",              "auth", "write"),
    _at("GET",         "/api/v1/auth/avatars/{id}",           "auth", "read"),
    _at("GET",         "/api/v1/auth/api-keys",               "auth", "read"),
    _at("POST",        "/api/v1/auth/api-keys",               "auth", "write"),
    _at("DELETE",      "/api/v1/auth/api-keys/{id}",          "auth", "write"),

    # groups
    _at("GET",         "/api/v1/groups",                      "auth", "read"),
    _at("POST",        "/api/v1/groups",                      "auth", "write"),
    _at("GET",         "/api/v1/groups/{id}",                 "auth", "read"),
    _at("PATCH DELETE", "/api/v1/groups/{id}",                "auth", "write"),
    _at("GET",         "/api/v1/groups/{id}/members",         "auth", "read"),
    _at("PATCH DELETE", "/api/v1/groups/{id}/members/{id}",   "auth", "write"),
    _at("GET POST",    "/api/v1/groups/{id}/invitations",     "auth", "write"),
    _at("DELETE",      "/api/v1/groups/{id}/invitations/{id}", "auth", "write"),
    _at("POST",        "/api/v1/invitations/look",            "auth", who=Who.ANYBODY, address_limit="sign_in"),
    _at("POST",        "/api/v1/invitations/accept",          "auth", "write", address_limit="sign_in"),

    # recordings on their way in
    _at("OPTIONS",     "/api/v1/uploads",                     "ingest", who=Who.NOBODY),
    _at("POST",        "/api/v1/uploads",                     "ingest", "upload", body=Body.BYTES),
    _at("OPTIONS",     "/api/v1/uploads/{id}",                "ingest", who=Who.NOBODY),
    _at("HEAD DELETE", "/api/v1/uploads/{id}",                "ingest", "upload"),
    _at("PATCH",       "/api/v1/uploads/{id}",                "ingest", "upload", body=Body.BYTES, reply=Reply.CHECKED),
    _at("POST",        "/api/v1/media",                       "ingest", "upload", body=Body.FORM, reply=Reply.CHECKED),
    _at("POST",        "/api/v1/imports",                     "ingest", "upload", user_limit="import"),
    _at("GET",         "/api/v1/imports/{id}",                "ingest", "read"),
    _at("DELETE",      "/api/v1/imports/{id}",                "ingest", "upload"),

    # what was said, and what is worth sharing
    _at("GET",         "/api/v1/media/{id}/transcript",       "transcription", "read"),
    _at("GET",         "/api/v1/media/{id}/transcript.vtt",   "transcription", "read"),
    _at("GET",         "/api/v1/media/{id}/transcript.srt",   "transcription", "read"),
    _at("GET",         "/api/v1/media/{id}/transcript.ttml",  "transcription", "read"),
    _at("GET",         "/api/v1/media/{id}/transcript.ass",   "transcription", "read"),
    _at("GET",         "/api/v1/media/{id}/transcript.txt",   "transcription", "read"),
    _at("GET",         "/api/v1/media/{id}/transcript.md",    "transcription", "read"),
    _at("GET",         "/api/v1/media/{id}/transcript.words.json", "transcription", "read"),
    _at("GET",         "/api/v1/transcripts/search",          "transcription", "read"),
    _at("POST",        "/api/v1/media/{id}/transcript/edits", "transcription", "write"),
    _at("GET",         "/api/v1/media/{id}/transcript/edits", "transcription", "read"),
    _at("POST",        "/api/v1/media/{id}/transcript/undo",  "transcription", "write"),
    _at("POST",        "/api/v1/media/{id}/transcript/redo",  "transcription", "write"),
    _at("GET",         "/api/v1/media/{id}/moments",          "highlight", "read"),
    _at("POST",        "/api/v1/media/{id}/moments",          "highlight", "write"),

    # clips
    _at("GET",         "/api/v1/presets",                     "render", "read"),
    _at("GET",         "/api/v1/clips",                       "render", "read"),
    _at("POST",        "/api/v1/clips",                       "render", "write"),
    _at("GET",         "/api/v1/clips/{id}",                  "render", "read"),
    _at("POST",        "/api/v1/clips/{id}/retry",            "render", "write"),

    # the library
    _at("GET",         "/api/v1/events",                      "catalog", "read", reply=Reply.FEED),
    _at("GET",         "/api/v1/library",                     "catalog", "read", who=Who.ANYBODY, search_limit="search"),
    _at("GET",         "/api/v1/library/{id}",                "catalog", "read", who=Who.ANYBODY),
    _at("PATCH DELETE", "/api/v1/library/{id}",               "catalog", "write"),
    _at("PUT DELETE",  "/api/v1/library/{id}/like",           "catalog", "write"),
    _at("GET",         "/api/v1/library/{id}/events",         "catalog", "read", who=Who.ANYBODY, reply=Reply.FEED),

    # what administrators rule
    _at("GET PUT",     "/api/v1/admin/retention",             "catalog", "admin"),
    _at("GET",         "/api/v1/admin/users",                 "auth", "admin"),
    _at("GET PATCH DELETE", "/api/v1/admin/users/{id}",       "auth", "admin"),
    _at("POST",        "/api/v1/admin/users/{id}/sign-out",   "auth", "admin"),
    _at("DELETE",      "/api/v1/admin/users/{id}/factors",    "auth", "admin"),
    _at("GET PUT",     "/api/v1/admin/accounts",              "auth", "admin"),
    _at("GET POST",    "/api/v1/admin/invitations",           "auth", "admin"),
    _at("DELETE",      "/api/v1/admin/invitations/{id}",      "auth", "admin"),
    _at("GET",         "/api/v1/admin/mails",                 "auth", "admin"),
    _at("GET",         "/api/v1/admin/mails/{id}",            "auth", "admin"),
    _at("GET",         "/api/v1/admin/audit",                 "auth", "admin"),

    # playing and sharing
    _at("POST",        "/api/v1/playback",                    "stream", "read", who=Who.ANYBODY),
    _at("GET",         "/api/v1/shares",                      "stream", "read"),
    _at("POST",        "/api/v1/shares",                      "stream", "write"),
    _at("DELETE",      "/api/v1/shares/{id}",                 "stream", "write"),

    # pages and bytes behind unguessable links
    _at("GET HEAD",    "/s/{path}",  "stream", who=Who.NOBODY, address_limit="delivery", cookie=VIEWER),
    _at("GET HEAD",    "/p/{path}",  "stream", who=Who.NOBODY, address_limit="delivery"),
)
# fmt: on


@dataclass(frozen=True, slots=True)
class Found:
    """What the table says about a request: a route, or (None) the methods that the path does have."""

    route: Route | None
    allowed: frozenset[str]


class Table:
    """Finds the route of a request. Earlier routes win."""

    def __init__(self, routes: Iterable[Route] = ROUTES) -> None:
        self.routes = tuple(routes)
        self._by_length: dict[int, list[tuple[tuple[str, ...], Route]]] = defaultdict(list)
        self._open_ended: list[tuple[tuple[str, ...], Route]] = []
        for route in self.routes:
            segments = _segments(route.path)
            if segments[-1] == _OPEN_ENDED:
                self._open_ended.append((segments[:-1], route))
            else:
                self._by_length[len(segments)].append((segments, route))

    def find(self, method: str, path: str) -> Found:
        """Find a request's route. ``path`` is as it came, still percent-encoded, and has passed ``paths.refuse``."""
        segments = _segments(path)
        fitting = [route for pattern, route in self._by_length[len(segments)] if _fits(pattern, segments)]
        fitting += [
            route
            for pattern, route in self._open_ended
            if len(segments) > len(pattern) and _fits(pattern, segments[: len(pattern)]) and all(map(_plain, segments))
        ]
        allowed = frozenset[str]().union(*(route.methods for route in fitting))
        return Found(next((route for route in fitting if method in route.methods), None), allowed)

    def offers(self, service: str, method: str, template: str) -> Route | None:
        """Find the route that leads to an operation of a service's own OpenAPI document, whatever its parameters' names."""
        shape = _shape(template)
        for route in self.routes:
            if route.service == service and method in route.methods and _covers(_shape(route.upstream_path), shape):
                return route
        return None


def _segments(path: str) -> tuple[str, ...]:
    return tuple(path.removeprefix("/").split("/"))


def _fits(pattern: tuple[str, ...], segments: tuple[str, ...]) -> bool:
    return all(
        _plain(given) if wanted.startswith("{") else given == wanted
        for wanted, given in zip(pattern, segments, strict=True)
    )


def _plain(segment: str) -> bool:
    return _PLAIN.fullmatch(segment) is not None


def _shape(path: str) -> tuple[str, ...]:
    return tuple("{}" if segment.startswith("{") and segment != _OPEN_ENDED else segment for segment in _segments(path))


def _covers(pattern: tuple[str, ...], shape: tuple[str, ...]) -> bool:
    if pattern[-1] == _OPEN_ENDED:
        return len(shape) >= len(pattern) and shape[: len(pattern) - 1] == pattern[:-1]
    return pattern == shape
