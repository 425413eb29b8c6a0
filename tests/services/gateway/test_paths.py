"""Paths that two servers could read differently are nobody's."""

from __future__ import annotations

import pytest

from gateway.paths import refuse
from tests.services.gateway import raw
from tests.services.gateway.services import Service

CONFUSING = [
    "/api/..%2finternal/resolve",
    "/api/%2e%2e/internal/resolve",
    "/api/v1/../../internal/resolve",
    "/api/v1/library/..",
    "/api/v1/library/.",
    "/api/v1/library/./x",
    "/api/v1/library/..;/x",
    "//internal/resolve",
    "/api//internal/resolve",
    "/api/v1/library/a%2Fb",
    "/api/v1/library/a%5cb",
    "/api/v1/library/a\\b",
    "/api/v1/library/a%252fb",
    "/api/v1/library/%00",
    "/api/v1/library/a%0d%0aX-User-Id:%201",
    "/api/v1/library/a%7f",
    "/api/v1/library/%c0%ae%c0%ae",
    "/api/v1/library/%zz",
    "/s/..%2f..%2finternal/system",
    "/p/%2e%2e/x",
    "/assets/..%2f..%2fetc/passwd",
]


@pytest.mark.parametrize("path", CONFUSING)
def test_confusing_paths_reach_no_service(path: str, address: str, services: dict[str, Service]) -> None:
    reply = raw.get(address, path)

    assert reply.status == 400
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["code"] == "bad_request"
    assert not any(service.seen for service in services.values())


@pytest.mark.parametrize(
    "path",
    ["/api", "/api/", "/api/v1", "/api/v1/nothing", "/api/internal/resolve", "/api/v1/library/a/b", "/api/v1/library/"],
)
def test_unknown_paths_below_the_api_are_problems(path: str, address: str) -> None:
    reply = raw.get(address, path)

    assert (reply.status, reply.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("path", ["/internal/resolve", "/internal/system", "/v1/library", "/metrics", "/health/other"])
def test_what_only_services_may_ask_is_not_there(path: str, address: str, services: dict[str, Service]) -> None:
    assert raw.get(address, path).status == 404
    assert not any(service.seen for service in services.values())


@pytest.mark.parametrize("segment", ["a%20b", "a;b", "a:b", "a@b", "%c3%a9", "x" * 201])
def test_a_parameter_is_one_plain_word(segment: str, address: str, services: dict[str, Service]) -> None:
    assert raw.get(address, f"/api/v1/library/{segment}").status == 404
    assert not services["catalog"].seen


def test_a_path_that_exists_names_its_verbs(address: str) -> None:
    reply = raw.ask(
        address, b"PUT /api/v1/clips HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    )

    assert reply.status == 405
    assert reply.headers["allow"] == "GET, POST"


def test_plain_paths_and_queries_pass() -> None:
    assert refuse(b"/api/v1/library/0190-abc~x.y_z", b"q=caf%C3%A9%20%2F&sort=-created_at") is None
    assert refuse(b"/", b"") is None
    assert refuse(b"/caf%C3%A9/...") is None


@pytest.mark.parametrize(
    ("path", "query"), [(b"", b""), (b"*", b""), (b"/x", b"a b"), (b"/x", b"\xff"), (b"/" + b"a" * 5000, b"")]
)
def test_broken_addresses_are_refused(path: bytes, query: bytes) -> None:
    assert refuse(path, query) is not None


def test_enormous_headers_are_refused(address: str) -> None:
    reply = raw.get(address, "/api/v1/session", "X-Long: " + "a" * 40_000)

    assert reply.status == 431
