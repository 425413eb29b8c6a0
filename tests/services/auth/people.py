"""A person with a browser, as the auth service sees them: who they are, their session, and their mails."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email import message_from_bytes, policy
from typing import Any
from uuid import UUID

import httpx

from services.auth import sealing
from tests.factories.services import UnderTest

PASSWORD = "correct horse battery"


@dataclass
class Person:
    """Somebody, and the session that their browser has."""

    auth: UnderTest
    id: UUID
    email: str
    token: str
    session: UUID
    address: str = "203.0.113.7"

    def call(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Ask in this session. A new token is taken up, as a browser would."""
        headers = {"X-Forwarded-For": self.address, "User-Agent": FIREFOX, **more.pop("headers", {})}
        answer = self.auth.call(method, path, by=self.id, session_id=self.session, headers=headers, **more)
        self.token = answer.headers.get("X-Session-Token", self.token)
        return answer


FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def sign_up(auth: UnderTest, name: str = "anna", **more: Any) -> Person:
    """Somebody who signs up."""
    email = f"{name}@example.org"
    made = auth.call("POST", "/v1/auth/sign-up", json={"email": email, "password": PASSWORD, **more})
    assert made.status_code == 201, made.text
    return _person(auth, email, made)


def sign_in(auth: UnderTest, email: str, password: str = PASSWORD, address: str = "203.0.113.7") -> httpx.Response:
    """An attempt to sign in from an address."""
    return auth.call(
        "POST",
        "/v1/auth/sign-in",
        json={"email": email, "password": password},
        headers={"X-Forwarded-For": address, "User-Agent": FIREFOX},
    )


def signed_in(auth: UnderTest, email: str, password: str = PASSWORD, address: str = "203.0.113.7") -> Person:
    """Somebody who signs in, and succeeds."""
    answer = sign_in(auth, email, password, address)
    assert answer.status_code == 200, answer.text
    return _person(auth, email, answer)


def resolve(auth: UnderTest, token: str) -> httpx.Response:
    """Ask who is behind a token, as the gateway does."""
    return auth.call("POST", "/internal/resolve", json={"session_token": token})


def mails(auth: UnderTest, to: str) -> list[Any]:
    """All mails to an address, as they were written, oldest first."""
    rows = auth.rows("SELECT body FROM mails WHERE recipient = %s ORDER BY id", to)
    return [message_from_bytes(sealing.opened(bytes(body)), policy=policy.default) for (body,) in rows if body]


def code_of(mail: Any) -> str:
    """The secret of the link in a mail."""
    text = mail.get_body(("plain",)).get_content()
    found = re.search(r"#code=([A-Za-z0-9_-]+)", text)
    assert found is not None, text
    return found[1]


def audited(auth: UnderTest, action: str) -> list[tuple[str, str]]:
    """Who did something, and how it ended, oldest first."""
    return auth.rows("SELECT actor, result FROM audit WHERE action = %s ORDER BY position", action)


def _person(auth: UnderTest, email: str, answer: httpx.Response) -> Person:
    token = answer.headers["X-Session-Token"]
    identity = resolve(auth, token).json()
    return Person(auth, UUID(identity["user_id"]), email, token, UUID(identity["session_id"]))
