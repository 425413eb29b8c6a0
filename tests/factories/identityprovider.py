"""A real OpenID Connect provider (oauth2-mock-server on Node), whose answers can be bent."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from infra.onehost import webapp

FOLDER = Path(__file__).resolve().parent / "oidc"


@dataclass
class IdentityProvider:
    """A running provider. ``url`` is its issuer."""

    url: str
    process: subprocess.Popen[str]

    def bend(self, **how: Any) -> None:
        """Answer so from now on: ``claims`` put in, ``without`` some, ``alg``, ``answer`` (of the redirect), ``rotate``."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"claims": {}, **how}) + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline().strip() == "ok"

    def visit(self, address: str) -> dict[str, str]:
        """Sign in there, as a browser would that is sent to an address; the query that it is sent back with."""
        answer = httpx.get(address, trust_env=False, timeout=10)
        assert answer.status_code == 302, answer.text
        back = urlsplit(answer.headers["location"])
        return {name: values[0] for name, values in parse_qs(back.query).items()}


@contextmanager
def identity_provider() -> Iterator[IdentityProvider]:
    """Run one for as long as the block lasts."""
    webapp.install(FOLDER)
    process = subprocess.Popen(
        ["node", "server.mjs"],
        cwd=FOLDER,
        env=webapp.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        url = process.stdout.readline().strip()
        assert url.startswith("http://"), url
        yield IdentityProvider(url, process)
    finally:
        process.stdin.close()
        process.terminate()
        process.wait(20)
        process.stdout.close()
