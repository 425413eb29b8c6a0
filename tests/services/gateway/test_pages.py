"""The web app, the health checks, and what runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.services.gateway.services import Auth, Service

Connect = Callable[..., httpx.Client]


@pytest.fixture
def built(connect: Connect, tmp_path: Path) -> httpx.Client:
    dist = tmp_path / "dist"
    (dist / "assets").mkdir(parents=True)
    (dist / "index.html").write_text("<!doctype html><title>Clipstead</title>")
    (dist / "assets" / "index-abc123.js").write_text("console.log(1)")
    (dist / "favicon.svg").write_text("<svg/>")
    return connect()


@pytest.mark.parametrize("path", ["/", "/library", "/recordings/0190-abc", "/index.html"])
def test_every_page_of_the_app_is_its_first_page(built: httpx.Client, path: str) -> None:
    reply = built.get(path)

    assert reply.status_code == 200
    assert "Clipstead" in reply.text
    assert reply.headers["cache-control"] == "no-cache"


def test_hashed_files_may_be_kept_for_ever(built: httpx.Client) -> None:
    assert built.get("/assets/index-abc123.js").headers["cache-control"] == "public, max-age=31536000, immutable"
    assert built.get("/favicon.svg").headers["cache-control"] == "no-cache"


def test_unchanged_files_are_not_sent_again(built: httpx.Client) -> None:
    etag = built.get("/favicon.svg").headers["etag"]

    assert built.get("/favicon.svg", headers={"If-None-Match": etag}).status_code == 304


@pytest.mark.parametrize("path", ["/assets/index-old.js", "/robots.txt", "/assets/"])
def test_a_file_that_is_gone_is_no_page(built: httpx.Client, path: str) -> None:
    assert built.get(path).status_code == 404


def test_pages_are_only_read(built: httpx.Client) -> None:
    reply = built.post("/library")

    assert (reply.status_code, reply.headers["allow"]) == (405, "GET, HEAD")


def test_an_app_that_is_not_built_says_how(connect: Connect) -> None:
    reply = connect().get("/")

    assert reply.status_code == 503
    assert "npm run build" in reply.text


CAREFUL = (
    "/",
    "/library",
    "/assets/gone.js",
    "/api/docs",
    "/api/v1/session",
    "/api/v1/clips",
    "/api/nothing",
    "/api/..%2f",
)


@pytest.mark.parametrize("path", [*CAREFUL, "/health/live", "/metrics", "/p/x?chunks=1", "/s/x"])
def test_browsers_are_told_to_be_careful(connect: Connect, path: str) -> None:
    """OWASP ASVS 5.0, 3.4, on every answer, refusals too."""
    client = connect(public_url="https://clips.example.org")

    headers = client.get(path).headers

    policy = dict(part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";"))
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert "'none'" in (policy.get("object-src"), policy["default-src"])
    assert "unsafe" not in policy.get("script-src", policy["default-src"])
    assert headers["x-content-type-options"] == "nosniff"
    transport = dict(part.strip().partition("=")[::2] for part in headers["strict-transport-security"].split(";"))
    assert int(transport["max-age"]) >= 365 * 86400
    assert "includeSubDomains" in transport
    assert headers["referrer-policy"] in ("no-referrer", "same-origin")
    assert "camera=()" in headers["permissions-policy"]
    if headers.get("content-type", "").startswith("text/"):
        assert "charset=utf-8" in headers["content-type"]


def test_what_is_answered_to_one_person_is_kept_by_nobody(connect: Connect) -> None:
    client = connect(public_url="https://clips.example.org")

    for path in ("/api/v1/session", "/api/v1/clips", "/api/nothing"):
        assert client.get(path).headers["cache-control"] == "no-store"
    assert client.get("/p/x?chunks=1").headers["referrer-policy"] == "no-referrer"


def test_a_service_cannot_take_the_care_back(connect: Connect) -> None:
    """A page may say itself by whom it is embedded; how it came, and what it is, are not its to say."""
    reply = connect(public_url="https://clips.example.org").get("/api/v1/library/careless")

    assert reply.headers.get_list("x-content-type-options") == ["nosniff"]
    [transport] = reply.headers.get_list("strict-transport-security")
    assert transport.startswith("max-age=63072000")
    assert reply.headers["content-security-policy"] == "default-src 'none'; frame-ancestors *"


def test_without_tls_there_is_no_promise_of_it(client: httpx.Client) -> None:
    assert "strict-transport-security" not in client.get("/").headers


def test_health_needs_no_service(connect: Connect) -> None:
    client = connect(service_urls={})

    assert client.get("/health/live").status_code == 200
    assert client.get("/health/ready").status_code == 200


def test_measurements_are_not_public(client: httpx.Client) -> None:
    assert client.get("/metrics").status_code == 404


def test_the_system_tells_everybody_what_runs_and_people_what_it_chose(
    connect: Connect, auth: Auth, services: dict[str, Service]
) -> None:
    auth.admit("csk_someone")
    urls = {name: service.url for name, service in services.items()} | {"highlight": "http://127.0.0.1:1"}
    client = connect(service_urls=urls)

    told = client.get("/api/v1/system").json()
    assert told["version"]
    assert told["services"]["render"] == {"status": "ok"}
    assert told["services"]["highlight"] == {"status": "down"}
    assert set(told["services"]) == set(services)

    told = client.get("/api/v1/system", headers={"Authorization": "Bearer csk_someone"}).json()
    assert told["services"]["render"] == {"status": "ok", "version": "1", "engine": "real"}
