"""The whole platform, started as a user would, and a person who uses it."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

ROOT = Path(__file__).resolve().parents[2]
ENDED = {"ready", "failed", "rejected"}
BASES = range(11_000, 32_000)  # Linux's ephemeral ports begin at 32 768, those of others above
PORTS = 29  # of which a platform uses some, counted from its base


UNLIMITED = {
    f"CLIPSTEAD_{name}_LIMIT": "1000000/minute"
    for name in ("ADDRESS", "USER", "KEY", "SIGN_IN", "EMAIL", "SIGN_UP", "IMPORT", "SEARCH", "EXPORT", "DELIVERY")
}
"""Settings of a platform that limits no rates."""


@dataclass(frozen=True)
class Platform:
    """A running platform."""

    url: str
    home: Path
    environment: dict[str, str]
    people: list[Person] = field(default_factory=list)

    def command(self, *arguments: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """Run a ``./clipstead`` command against it."""
        return run_command(self.environment, *arguments, timeout=timeout)

    def status(self) -> dict[str, Any]:
        """What ``./clipstead status --json`` says."""
        document: dict[str, Any] = json.loads(self.command("status", "--json").stdout)
        return document

    def process(self, name: str) -> psutil.Process:
        """A process of the platform by its name in the topology."""
        entry = next(entry for entry in self.status()["processes"] if entry["name"] == name)
        return psutil.Process(entry["identity"]["pid"])

    def person(self) -> Person:
        """Somebody who has just signed up."""
        self.people.append(Person(self.url))
        return self.people[-1]


class Person:
    """Somebody at the public API, signed in with a cookie as in a browser."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url, timeout=60, trust_env=False)
        self.email = f"{secrets.token_hex(6)}@example.org"
        self.password = secrets.token_urlsafe(16)
        answer = self.http.post("/api/v1/auth/sign-up", json={"email": self.email, "password": self.password})
        answer.raise_for_status()
        self.http.headers["X-CSRF-Token"] = self.http.get("/api/v1/session").json()["csrf_token"]

    def upload(self, name: str, data: bytes, **wishes: Any) -> str:
        """Upload through tus in one go; returns the media id."""
        created = self.begin_upload(name, len(data), **wishes)
        answer = self.patch(created, 0, data)
        assert answer.status_code == 204, answer.text
        return created.rsplit("/", 1)[-1]

    def begin_upload(self, name: str, size: int, **wishes: Any) -> str:
        """Create a tus upload; returns its path."""
        from base64 import b64encode

        fields = {"filename": name, "wishes": json.dumps(wishes)} if wishes else {"filename": name}
        metadata = ",".join(f"{key} {b64encode(value.encode()).decode()}" for key, value in fields.items())
        answer = self.http.post(
            "/api/v1/uploads",
            headers={"Tus-Resumable": "1.0.0", "Upload-Length": str(size), "Upload-Metadata": metadata},
        )
        assert answer.status_code == 201, answer.text
        return httpx.URL(answer.headers["Location"]).path

    def patch(self, path: str, offset: int, content: Any) -> httpx.Response:
        """Send bytes of an upload."""
        return self.http.patch(
            path,
            headers={
                "Tus-Resumable": "1.0.0",
                "Upload-Offset": str(offset),
                "Content-Type": "application/offset+octet-stream",
            },
            content=content,
        )

    def media(self, media_id: str) -> dict[str, Any]:
        """The view of a recording or clip."""
        answer = self.http.get(f"/api/v1/library/{media_id}")
        answer.raise_for_status()
        view: dict[str, Any] = answer.json()
        return view

    def until_ended(self, media_id: str, limit: float = 240) -> dict[str, Any]:
        """Wait until a recording's pipeline has ended, well or not, outliving restarts of any part."""
        view: dict[str, Any] = {}

        def ended() -> bool:
            nonlocal view
            with contextlib.suppress(httpx.HTTPError):
                view = self.media(media_id)
            return view.get("status") in ENDED

        wait_until(ended, limit, lambda: f"it stands at {view}")
        return view

    def clips(self, media_id: str) -> list[dict[str, Any]]:
        """A recording's clips."""
        answer = self.http.get("/api/v1/library", params={"kind": "clip", "parent_id": media_id})
        answer.raise_for_status()
        items: list[dict[str, Any]] = answer.json()["items"]
        return items


def wait_until(condition: Callable[[], bool], limit: float, say: Callable[[], str] = lambda: "") -> None:
    """Look at a condition ten times a second until it is true; fail after ``limit`` seconds."""
    until = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < until, f"not within {limit:.0f} s: {say()}"
        threading.Event().wait(0.1)


def free_base_port() -> int:
    """A port of which none of the next few is taken.

    It lies below those that systems give to connections of their own accord: one of those, on its way to a database say,
    would keep a process of the platform from its port for as long as it stands.
    """
    while True:
        base = BASES.start + secrets.randbelow(len(BASES) - PORTS)
        taken = {connection.laddr.port for connection in psutil.net_connections("inet")}
        if not taken & set(range(base, base + PORTS)):
            return base


def environment_for(home: Path, **more: str) -> dict[str, str]:
    """The environment of a platform of its own."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("CLIPSTEAD_")},
        "CLIPSTEAD_HOME": str(home),
        "CLIPSTEAD_PORT": str(free_base_port()),
        "PYTHONPATH": str(ROOT),
        **more,
    }


def run_command(environment: dict[str, str], *arguments: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """Run what ``./clipstead`` hands over to."""
    return subprocess.run(
        [sys.executable, "-m", "infra.onehost", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


@contextmanager
def running_platform(home: Path, **more: str) -> Iterator[Platform]:
    """Run ``./clipstead up`` for as long as the block lasts; afterwards not one process may be left."""
    environment = environment_for(home, **more)
    supervisor = subprocess.Popen(
        [sys.executable, "-m", "infra.onehost", "up", "--owner", str(os.getpid())],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert supervisor.stdout is not None
    try:
        line = ""
        for line in supervisor.stdout:
            if line.startswith("http"):
                break
        assert line.startswith("http"), f"it did not become ready: {_logs(home)}"
        platform = Platform(line.strip(), home, environment)
        yield platform
        for person in platform.people:
            person.http.close()
    finally:
        family = psutil.Process(supervisor.pid).children(recursive=True)
        supervisor.terminate()
        supervisor.wait(60)
        supervisor.stdout.close()
        _, alive = psutil.wait_procs(family, timeout=5)
        assert alive == [], f"left behind: {alive}"


def _logs(home: Path) -> str:
    return "\n".join(f"{path.name}: {path.read_text()[-500:]}" for path in sorted((home / "logs").glob("*.log")))
