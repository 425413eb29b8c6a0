"""Typed configuration of the auth service."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from libs.settings import ServiceSettings, lazy
from services.auth.addresses import normalised

__all__ = ["AuthSettings", "settings"]


class AuthSettings(ServiceSettings):
    """What the auth service can be told. The lower bounds of hashing are OWASP's minimum for Argon2id."""

    session_lifetime: Annotated[int, Field(ge=60)] = 60 * 86_400  # seconds from sign-in, however busy
    session_idle: Annotated[int, Field(ge=60)] = 14 * 86_400  # seconds without a request
    api_keys_each: Annotated[int, Field(ge=1, le=1000)] = 50  # that one person may hold at a time
    argon2_memory: Annotated[int, Field(ge=19 * 1024)] = 19 * 1024  # KiB
    argon2_time: Annotated[int, Field(ge=2)] = 2  # passes
    argon2_lanes: Annotated[int, Field(ge=1)] = 1
    hashing_at_once: Annotated[int, Field(ge=1, le=64)] = 2  # each takes argon2_memory
    hashing_wait: Annotated[float, Field(gt=0)] = 10.0  # seconds in the queue before the answer is "busy"
    admin_bootstrap_email: str = ""  # whoever has this address is an administrator from the next sign-up or sign-in on

    @field_validator("admin_bootstrap_email", mode="after")
    @classmethod
    def _as_accounts_have_it(cls, value: str) -> str:
        return normalised(value) if value else ""


settings = lazy(AuthSettings)
