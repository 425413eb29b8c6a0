"""What the document of the API says is what happens, whoever asks and whatever is sent (schemathesis)."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.config import GenerationConfig, ProjectConfig, ProjectsConfig, SchemathesisConfig
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.factories.platform import UNLIMITED, Platform, running_platform

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]

SEED = 20
EXAMPLES = 3  # of each operation, visitor and mode
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]
ADMIN = "admin@example.org"
ENDLESS = "text/event-stream"
ENDING = ("/sign-out", "/sign-out/everywhere", "/refresh", "/auth/sessions/{session_id}", "/auth/sessions", "/auth/me")
PROPER = {"tus-resumable": "1.0.0", "Upload-Length": "100", "Upload-Offset": "0", "if-match": "*"}
SCOPES = {"nobody": set(), "stranger": set(), "key": {"upload"}}  # who may not do everything

schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")


@dataclass
class Visitor:
    """Somebody who calls every operation. ``spare`` are sessions to be used up by operations that end them."""

    kind: str
    http: requests.Session
    spare: list[requests.Session] = field(default_factory=list)

    def session_for(self, operation: Any) -> requests.Session:
        """A session that may end."""
        return self.spare.pop() if self.spare and operation.path.endswith(ENDING) else self.http


@pytest.fixture(scope="module")
def open_platform() -> Iterator[Platform]:
    """A platform that limits no rates, and knows who will be its administrator."""
    with (
        TemporaryDirectory(prefix="clipstead-") as folder,
        running_platform(Path(folder) / "home", CLIPSTEAD_ADMIN_BOOTSTRAP_EMAIL=ADMIN, **UNLIMITED) as running,
    ):
        yield running


@pytest.fixture(scope="module")
def operations(open_platform: Platform) -> list[Any]:
    """Every operation but the feeds; those last that remove something or end sessions."""
    document = requests.get(f"{open_platform.url}/api/v1/openapi.json", timeout=30).json()
    assert document["x-missing"] == []
    # Who is asking is the visitor's to say; PostgreSQL's refusal of NUL has a test of its own, and would be all there is.
    generation = GenerationConfig(with_security_parameters=False, deterministic=True)
    projects = ProjectsConfig(default=ProjectConfig(generation=generation))
    schema = schemathesis.openapi.from_dict(document, config=SchemathesisConfig(projects=projects))
    schema.config.update(base_url=open_platform.url)
    found = [result.ok() for result in schema.get_all_operations()]
    asked = [one for one in found if not is_feed(one)]
    assert len(found) - len(asked) == 2
    return sorted(asked, key=lambda one: (one.path.endswith(ENDING), one.method == "delete"))


def is_feed(operation: Any) -> bool:
    return ENDLESS in operation.definition.raw["responses"].get("200", {}).get("content", {})


def signed_in(url: str, email: str, password: str) -> requests.Session:
    """Somebody's new session, as in a browser."""
    http = requests.Session()
    http.trust_env = False
    answer = http.post(f"{url}/api/v1/auth/sign-in", json={"email": email, "password": password}, timeout=30)
    answer.raise_for_status()
    http.headers["X-CSRF-Token"] = http.get(f"{url}/api/v1/session", timeout=30).json()["csrf_token"]
    return http


def often(url: str, kind: str, email: str, password: str) -> Visitor:
    """Somebody who is signed in several times."""
    sessions = [signed_in(url, email, password) for _ in range(1 + 2 * len(ENDING))]
    return Visitor(kind, sessions[0], sessions[1:])


def with_key(url: str, kind: str, key: str) -> Visitor:
    http = requests.Session()
    http.trust_env = False
    http.headers["Authorization"] = f"Bearer {key}"
    return Visitor(kind, http)


@pytest.fixture(scope="module")
def real(open_platform: Platform, short_speech: bytes) -> dict[str, str]:
    """The owner of a recording with a clip, a share and a key; and what all of these are called in the document."""
    person = open_platform.person()
    media_id = person.upload("kennedy.flac", short_speech, count=1)
    person.until_ended(media_id)
    post = lambda path, **body: person.http.post(f"/api/v1{path}", json=body).raise_for_status().json()  # noqa: E731
    share, key = post("/shares", media_id=media_id), post("/auth/api-keys", name="spare", scopes=["read"])
    return {
        "media_id": media_id,
        "upload_id": person.begin_upload("a.flac", 100).rsplit("/", 1)[-1],
        "clip_id": person.clips(media_id)[0]["id"],
        "share_id": share["id"],
        "token": share["url"].rsplit("/", 1)[-1],
        "key_id": key["id"],
        "user_id": person.http.get("/api/v1/session").json()["user"]["id"],
        "name": "share.css",
        "file": "docs.css",
        "email": person.email,
    }


class Visit:
    """One visitor calls one operation: with what fits the document, with what does not, and about what really is there."""

    def __init__(self, visitor: Visitor, operation: Any, real: dict[str, str]) -> None:
        self.visitor = visitor
        self.operation = operation
        self.real = real
        self.statuses: set[int] = set()
        self.problems: dict[str, str] = {}

    def run(self) -> None:
        self.run_in(GenerationMode.POSITIVE, self.visitor.session_for(self.operation))
        with suppress(Unsatisfiable):  # where it takes nothing, any text or any bytes, nothing can be wrong
            self.run_in(GenerationMode.NEGATIVE, self.visitor.session_for(self.operation))

    def run_in(self, mode: GenerationMode, http: requests.Session) -> None:
        calls = 0

        @seed(SEED)
        @settings(
            max_examples=EXAMPLES,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=self.operation.as_strategy(generation_mode=mode))
        def call(case: Any) -> None:
            nonlocal calls
            calls += 1
            if calls % 2:
                self.make_real(case)
            self.call(case, http)

        call()

    def make_real(self, case: Any) -> None:
        """Ask about what is there, in the version of its protocol."""
        for place in (case.path_parameters, case.query, case.body):
            if isinstance(place, dict):
                place.update({name: self.real[name] for name in place.keys() & self.real.keys()})
        declared = {parameter.name for parameter in self.operation.headers}
        case.headers.update({name: value for name, value in PROPER.items() if name in declared})

    def call(self, case: Any, http: requests.Session) -> None:
        response = case.call(session=http, timeout=30, allow_redirects=False)
        self.statuses.add(response.status_code)
        try:
            case.validate_response(response, checks=CHECKS)
        except AssertionError as failure:
            self.note(str(failure), response)
        except BaseExceptionGroup as failures:
            for failure in failures.exceptions:
                self.note(f"{type(failure).__name__}: {failure}", response)
        if response.status_code < 400 and not self.may():
            self.note("let in", response)

    def may(self) -> bool:
        """Whether the document lets this visitor in."""
        ways = self.operation.definition.raw["security"]
        if self.visitor.kind not in SCOPES or not ways or {} in ways:
            return True
        keys = [set(way["api_key"]) for way in ways if "api_key" in way]
        return self.visitor.kind == "key" and any(needed <= SCOPES["key"] for needed in keys)

    def note(self, problem: str, response: Any) -> None:
        first = problem.split("\n", 1)[0]
        sent = f"{response.request.method} {response.request.url} {response.request.headers} {response.request.body!r:.300}"
        self.problems.setdefault(
            f"{self.visitor.kind} {self.operation.label} {response.status_code} {first}",
            f"{problem}\n  sent {sent}\n  got {response.content[:300]!r}",
        )


@pytest.fixture(scope="module")
def visitors(open_platform: Platform, real: dict[str, str]) -> dict[str, Visitor]:
    """Nobody, somebody with a key that is none, a person, a key that may upload, and the administrator."""
    url = open_platform.url
    owner = open_platform.people[0]
    made = owner.http.post("/api/v1/auth/api-keys", json={"name": "ShareX", "scopes": ["upload"]})
    password = secrets.token_urlsafe(16)
    account = {"email": ADMIN, "password": password}
    requests.post(f"{url}/api/v1/auth/sign-up", json=account, timeout=30).raise_for_status()
    nobody = requests.Session()
    nobody.trust_env = False
    return {
        "nobody": Visitor("nobody", nobody),
        "stranger": with_key(url, "stranger", "csk_" + "x" * 43),
        "key": with_key(url, "key", made.raise_for_status().json()["key"]),
        "user": often(url, "user", owner.email, owner.password),
        "admin": often(url, "admin", ADMIN, password),
    }


@pytest.mark.parametrize("kind", ["nobody", "stranger", "key", "user", "admin"])
def test_what_is_answered_stands_in_the_document(
    visitors: dict[str, Visitor], operations: list[Any], real: dict[str, str], kind: str
) -> None:
    problems: dict[str, str] = {}
    reached: set[str] = set()
    for operation in operations:
        visit = Visit(visitors[kind], operation, real)
        visit.run()
        problems |= visit.problems
        if min(visit.statuses) < 400:
            reached.add(operation.label)
    assert not problems, "\n\n".join(f"{what}\n{details}" for what, details in problems.items())
    # Administrators' operations refuse a user, and so does whatever asks for a code out of a mail.
    theirs = [one for one in operations if "/admin/" not in one.path]
    assert kind != "user" or len(reached) > 0.4 * len(theirs), "hardly anything was more than refused"
