"""What the gateway itself answers, for the OpenAPI document: refusals by route, the headers of every answer, its own paths.

A path that exists and does not know a verb answers 405; that is no answer of any operation, and so it stands nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.csrf import SAFE
from gateway.routes import OWN, Body, Route, Who

__all__ = [
    "HEADERS",
    "OWN_PATHS",
    "PROBLEM",
    "PROBLEMS",
    "REFUSALS",
    "component",
    "headers_of",
    "refusals",
    "schemes",
    "security",
]

Document = dict[str, Any]

PROBLEM: Document = {
    "type": "object",
    "description": "What went wrong (RFC 9457), in a sentence to act on.",
    "required": ["type", "title", "status", "detail", "code", "correlation_id"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "description": "Stable, and the last part of the type."},
        "correlation_id": {"type": "string", "description": "By which the logs know this request."},
        "service": {"type": "string", "description": "The part of the platform that is away or slow."},
        "errors": {
            "type": "array",
            "description": "Of a request that can't be understood: each field that is wrong.",
            "items": {
                "type": "object",
                "required": ["where", "what"],
                "properties": {"where": {"type": "string"}, "what": {"type": "string"}},
            },
        },
    },
}
PROBLEMS: Document = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}

# By the names that components have.
HEADERS: Document = {
    "RateLimit": {
        "description": "How the caller stands with each limit: requests left (r), seconds until it changes (t).",
        "schema": {"type": "string", "examples": ['"address";r=1799;t=1']},
    },
    "RateLimit-Policy": {
        "description": "The limits that it was counted against: so many requests (q) in so many seconds (w).",
        "schema": {"type": "string", "examples": ['"address";q=1800;w=60']},
    },
    "X-Correlation-Id": {"description": "By which the logs know this request.", "schema": {"type": "string"}},
    "Retry-After": {
        "description": "Seconds after which it is worth another try.",
        "schema": {"type": "integer", "minimum": 1},
    },
}
COUNTED = ("RateLimit", "RateLimit-Policy", "X-Correlation-Id")  # headers of every answer

# What any request may be answered with, by status: the name of the component, and what it means.
REFUSALS: dict[str, tuple[str, str]] = {
    "400": ("BadRequest", "The path, the query, a header or a body where none belongs breaks a rule of HTTP."),
    "401": ("Unauthenticated", "Nobody is signed in, or the API key is unknown (bad_credential)."),
    "403": (
        "Forbidden",
        "The scope is missing (missing_scope), the CSRF token is (csrf_token), or another site's page sent it (cross_site).",
    ),
    "404": ("NotFound", "There is none, or it is somebody else's: nobody can tell which."),
    "408": ("SlowBody", "The rest of the body did not come."),
    "413": ("TooLarge", "The body is larger than this takes."),
    "415": ("UnsupportedMedia", "The body has another Content-Type than this takes, or a Content-Encoding."),
    "422": ("Malformed", "The request can't be understood; errors tells each field."),
    "429": ("TooManyRequests", "Too many requests, or too many attempts that failed (slow_down)."),
    "431": ("HeadersTooLarge", "All headers together are larger than this takes."),
    "500": ("Internal", "Something went wrong on our side."),
    "502": ("BrokenReply", "A part of the platform broke off."),
    "503": ("Unavailable", "A part of the platform is starting, busy or down."),
    "504": ("UpstreamTimeout", "A part of the platform took too long."),
}
_WAITING = ("429", "503")  # that say when to come back


def refusals(route: Route, method: str, path: str) -> Iterator[str]:
    """The statuses with which the gateway, or what all services share, may refuse a request to an operation."""
    yield from ("400", "415", "429", "431", "500")
    knows = route.who is not Who.NOBODY
    if knows:
        yield from ("401", "403")
    if knows or "{" in path:
        yield "404"  # also of somebody who is acted for
    if method not in SAFE:
        yield from ("403", "408")
        if route.body is Body.JSON:
            yield "413"
    if knows or route.service != OWN:
        yield from ("502", "503", "504")


def component(status: str) -> Document:
    """The shared answer of a status."""
    _, description = REFUSALS[status]
    names = (*COUNTED, "Retry-After") if status in _WAITING else COUNTED
    headers = headers_of(names)
    if status == "503":
        headers["Retry-After"] = HEADERS["Retry-After"] | {"required": True}
    return {"description": description, "headers": headers, "content": PROBLEMS}


def headers_of(names: tuple[str, ...] = COUNTED) -> Document:
    """References to headers, by name."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def schemes(cookie: str) -> Document:
    """The ways to say who one is. ``cookie``: the name of the session's."""
    return {
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": cookie,
            "description": "What sign-in sets.",
        },
        "csrf": {
            "type": "apiKey",
            "in": "header",
            "name": "X-CSRF-Token",
            "description": "The session's token from GET /api/v1/session, on every request that changes something.",
        },
        "api_key": {"type": "http", "scheme": "bearer", "description": "An API key, csk_…"},
        "on_behalf": {
            "type": "apiKey",
            "in": "header",
            "name": "X-Delegated-User-Email",
            "description": "The e-mail address of the person whom a key with the scope “delegate” acts for.",
        },
    }


def security(route: Route, method: str) -> list[Document]:
    """The ways to call an operation, each with what it needs."""
    scopes = [route.scope] if route.scope else []
    session: Document = {"session": []} if method in SAFE else {"session": [], "csrf": []}
    key: Document = {"api_key": scopes}
    ways = [session, key, {**key, "on_behalf": []}]
    return {Who.NOBODY: [], Who.ANYBODY: [{}, *ways], Who.SOMEBODY: ways}[route.who]


def _own(summary: str, operation_id: str, content: Document, description: str) -> Document:
    return {
        "summary": summary,
        "operationId": operation_id,
        "responses": {"200": {"description": description, "content": content}},
    }


_FILE: Document = {"schema": {"type": "string"}}

# The gateway's own routes by their paths; who may call them, and how they refuse, is added as for the services'.
OWN_PATHS: dict[str, Document] = {
    "/api/v1/session": _own(
        "Who is signed in, and the CSRF token of the session",
        "session",
        {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["user", "csrf_token"],
                    "properties": {
                        "user": {
                            "type": ["object", "null"],
                            "required": ["id", "email", "display_name", "scopes"],
                            "properties": {
                                "id": {"type": "string", "format": "uuid"},
                                "email": {"type": "string"},
                                "display_name": {"type": "string"},
                                "scopes": {"type": "array", "items": {"type": "string"}},
                            },
                        },
                        "csrf_token": {
                            "type": ["string", "null"],
                            "description": "Goes into X-CSRF-Token of every request that changes something.",
                        },
                    },
                }
            }
        },
        "The caller, or null for both where nobody is signed in.",
    ),
    "/api/v1/system": _own(
        "What runs, and what was chosen: engines, models, fallbacks",
        "system",
        {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["version", "services"],
                    "properties": {
                        "version": {"type": "string"},
                        "services": {
                            "type": "object",
                            "additionalProperties": {
                                "type": "object",
                                "required": ["status"],
                                "properties": {"status": {"enum": ["ok", "down"]}},
                            },
                        },
                    },
                }
            }
        },
        "Each service's status, and to people who are signed in also its facts.",
    ),
    "/api/v1/openapi.json": _own(
        "This document", "openapi", {"application/json": {"schema": {"type": "object"}}}, "OpenAPI 3.1."
    ),
    "/api/docs": _own("The documentation page", "docs", {"text/html": _FILE}, "The page."),
    "/api/docs/{file}": {
        **_own(
            "A file of the documentation page", "docs_file", {"text/css": _FILE, "text/javascript": _FILE}, "The file."
        ),
        "parameters": [{"name": "file", "in": "path", "required": True, "schema": {"type": "string"}}],
    },
}
