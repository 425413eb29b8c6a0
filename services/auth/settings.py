"""Typed configuration of the auth service."""

from __future__ import annotations

from email.utils import formataddr
from typing import Annotated, ClassVar
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from libs.settings import ServiceSettings, lazy
from services.auth.addresses import normalised

__all__ = ["AuthSettings", "settings"]


class AuthSettings(ServiceSettings):
    """What the auth service can be told. The lower bounds of hashing are OWASP's minimum for Argon2id."""

    ISSUED: ClassVar[frozenset[str]] = frozenset({"oidc_google_client_secret"})

    session_lifetime: Annotated[int, Field(ge=60)] = 60 * 86_400  # seconds from sign-in, however busy
    session_idle: Annotated[int, Field(ge=60)] = 14 * 86_400  # seconds without a request
    session_overlap: Annotated[float, Field(ge=0, le=60)] = 10.0  # seconds that a token still works after its rotation
    proof_lifetime: Annotated[int, Field(ge=30)] = 600  # seconds after a sign-in in which locks may be changed
    reset_lifetime: Annotated[int, Field(ge=30, le=600)] = 600  # seconds that a code to reset a password is good
    verify_lifetime: Annotated[int, Field(ge=60)] = 86_400  # seconds that a code to prove an address is good
    deletion_grace: Annotated[int, Field(ge=0, le=365)] = 14  # days in which who asked to be deleted may come back
    groups_each: Annotated[int, Field(ge=1, le=1000)] = 100  # that one person may be in
    group_members: Annotated[int, Field(ge=1, le=100_000)] = 1000  # that one group may have
    api_keys_each: Annotated[int, Field(ge=1, le=1000)] = 50  # that one person may hold at a time
    argon2_memory: Annotated[int, Field(ge=19 * 1024)] = 19 * 1024  # KiB
    argon2_time: Annotated[int, Field(ge=2)] = 2  # passes
    argon2_lanes: Annotated[int, Field(ge=1)] = 1
    hashing_at_once: Annotated[int, Field(ge=1, le=64)] = 2  # each takes argon2_memory
    hashing_wait: Annotated[float, Field(gt=0)] = 10.0  # seconds in the queue before the answer is "busy"
    # Whoever has this address is an administrator from the next sign-up or sign-in on; in production once it is proved.
    admin_bootstrap_email: str = ""

    # Encrypts what has to be read again; in development the service's own key stands in.
    sealing_secret: SecretStr = SecretStr("")
    smtp_url: SecretStr = SecretStr(
        ""
    )  # smtp://user:password@host:587 (STARTTLS), smtps://…:465; ?tls=off for loopback
    email_sender_address: str = ""  # whom mails are from

    oidc_google_client_id: str = ""  # of the OAuth client that was made in Google's console
    oidc_google_client_secret: SecretStr = SecretStr("")
    # Others: a JSON list of {"id", "name", "discovery_url", "client_id", "client_secret", "scopes"}.
    oidc_providers: SecretStr = SecretStr("")

    @field_validator("admin_bootstrap_email", mode="after")
    @classmethod
    def _as_accounts_have_it(cls, value: str) -> str:
        return normalised(value) if value else ""

    @model_validator(mode="after")
    def _production_seals_and_sends_safely(self) -> AuthSettings:
        """Refuse to run in production with what only a developer's machine may do without."""
        url = self.smtp_url.get_secret_value()
        if url and not self.email_sender_address:
            raise ValueError("smtp_url is set, but email_sender_address is not: mails need a sender")
        if url and urlsplit(url).scheme not in ("smtp", "smtps"):
            raise ValueError("smtp_url begins with smtp:// or smtps://")
        if self.environment == "production":
            if not self.sealing_secret.get_secret_value():
                raise ValueError("sealing_secret is missing: second factors and mails could be read in the database")
            if "tls=off" in url:
                raise ValueError("smtp_url must not switch TLS off in production")
        return self

    @property
    def email_sender(self) -> str:
        """The bare address that mails are from."""
        return self.email_sender_address or f"clipstead@{urlsplit(self.public_url).hostname or 'localhost'}"

    @property
    def sender(self) -> str:
        """Whom mails are from, as people see it."""
        return formataddr(("Clipstead", self.email_sender))


settings = lazy(AuthSettings)
