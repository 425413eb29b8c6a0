"""Who one is: an API key per platform, in a file that only its owner can read.

On one's own machine an account is made without asking; its password is random and stands in the same file. Elsewhere
``CLIPSTEAD_API_KEY`` says who one is.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from gateway.cli.api import Api
from gateway.cli.problems import Refused, Usage

__all__ = ["Credentials", "sign_in"]

SCOPES = ("upload", "read", "write")
OWN_MACHINE = {"localhost", "127.0.0.1", "::1"}
DOMAIN = "clipstead.dev"


@dataclass(frozen=True)
class Credentials:
    """An account on one platform. ``email`` and ``password`` are empty where the key was given."""

    url: str
    key: str
    email: str = ""
    password: str = ""


def sign_in(api: Api, home: Path) -> Credentials:
    """Make ``api`` act for the user, making an account on one's own machine if there is none. Raises Usage elsewhere."""
    given = os.environ.get("CLIPSTEAD_API_KEY")
    if given:
        known = Credentials(api.url, given)
    else:
        file = home / "cli" / "credentials.json"
        known = _kept(file, api) or _made(file, api)
    api.use_key(known.key)
    return known


def _kept(file: Path, api: Api) -> Credentials | None:
    """The account in the file, if it is for this platform and still good."""
    try:
        known = Credentials(**json.loads(file.read_text()))
    except FileNotFoundError:
        return None
    if known.url != api.url:
        return None
    probe = Api(api.url, known.key)
    try:
        probe.get("/api/v1/auth/me")
    except Refused as refusal:
        if refusal.http_status in {401, 403}:
            return None  # the platform's data were thrown away meanwhile
        raise
    finally:
        probe.close()
    return known


def _made(file: Path, api: Api) -> Credentials:
    if urlsplit(api.url).hostname not in OWN_MACHINE:
        raise Usage(f"Make an API key at {api.url} (Account) and put it into CLIPSTEAD_API_KEY.")
    password = secrets.token_urlsafe(18)
    email = _sign_up(api, password)
    token = api.get("/api/v1/session")["csrf_token"]
    wanted = {"name": "Terminal", "scopes": list(SCOPES)}
    made = api.create("/api/v1/auth/api-keys", wanted, headers={"X-CSRF-Token": token})
    known = Credentials(api.url, made["key"], email, password)
    _keep(file, known)
    return known


def _sign_up(api: Api, password: str) -> str:
    """Sign up under the first free name."""
    for name in ("demo", f"demo-{secrets.token_hex(4)}"):
        email = f"{name}@{DOMAIN}"
        try:
            token = api.get("/api/v1/session")["csrf_token"]
            account = {"email": email, "password": password, "display_name": "You"}
            api.post("/api/v1/auth/sign-up", account, headers={"X-CSRF-Token": token or ""})
        except Refused as refusal:
            if refusal.http_status != 409:
                raise
        else:
            return email
    raise Usage("No account could be made; sign up in the browser and put an API key into CLIPSTEAD_API_KEY.")


def _keep(file: Path, known: Credentials) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as opened:
        json.dump(asdict(known), opened, indent=1)
