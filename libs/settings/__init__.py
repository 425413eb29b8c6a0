"""Typed settings from the environment, with secrets from files.

A field ``redis_url`` is read, first hit wins, from ``CLIPSTEAD_REDIS_URL_FILE`` (a path), ``CLIPSTEAD_REDIS_URL``, and
``/run/secrets/redis_url``. A file beats the plain variable: whoever mounts a secret means it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

__all__ = ["PREFIX", "ServiceSettings", "SharedSettings", "lazy"]

PREFIX = "CLIPSTEAD_"
RUN_SECRETS = Path("/run/secrets")
PLACEHOLDER = "CHANGE-ME"
SHORTEST_SECRET = 32  # characters; 128 bits of hexadecimal

S = TypeVar("S", bound=BaseSettings)


class _FileSource(PydanticBaseSettingsSource):
    """Reads ``<PREFIX><FIELD>_FILE`` and ``/run/secrets/<field>``."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        """Find one field's value, or None."""
        named = os.environ.get(f"{PREFIX}{field_name.upper()}_FILE")
        mounted = RUN_SECRETS / field_name
        path = Path(named) if named else mounted if mounted.is_file() else None
        return (path.read_text().strip() if path else None), field_name, False

    def __call__(self) -> dict[str, Any]:
        found = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in found.items() if value is not None}


class SharedSettings(BaseSettings):
    """What every process knows, the gateway included."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True, hide_input_in_errors=True)

    environment: Literal["development", "production"] = "development"
    home: Path = Path("var")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    host: str = "127.0.0.1"
    port: int = 0
    listen_fd: Annotated[int, Field(ge=3)] | None = (
        None  # a listening socket that was handed on, instead of host and port
    )
    drain: Annotated[float, Field(ge=0, le=60)] = (
        0.0  # seconds that a stopping process goes on accepting: for balancers
    )
    metrics_port: int = 0  # of a worker; 0: none
    silences: Annotated[int, Field(ge=0)] = (
        0  # times that this process, in earlier lives, did not answer its supervisor
    )
    public_url: str = "http://localhost:3000"
    redis_url: SecretStr = SecretStr("redis://127.0.0.1:6379/0")
    service_key: SecretStr = SecretStr("")  # this process's Ed25519 private key, PEM
    service_public_keys: Path = Path("var/secrets/service_keys")  # a folder: <service>.pub, PEM, one or more in each
    service_urls: Annotated[dict[str, str], NoDecode] = Field(default_factory=dict)  # "auth=http://…,ingest=http://…"

    ISSUED: ClassVar[frozenset[str]] = frozenset()  # secrets that others issued, whose length is theirs to choose

    @field_validator("service_urls", mode="before")
    @classmethod
    def _split_urls(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return dict(pair.strip().split("=", 1) for pair in value.split(",") if pair.strip())

    @field_validator("home", "service_public_keys", mode="after")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.absolute()

    @model_validator(mode="after")
    def _secrets_are_secret(self) -> SharedSettings:
        """Refuse placeholders and short secrets outside development (names that end in ``_secret``)."""
        for name, value in self:
            if not isinstance(value, SecretStr):
                continue
            text = value.get_secret_value()
            if PLACEHOLDER in text:
                raise ValueError(f"{name} still holds the placeholder {PLACEHOLDER}; put a real secret there")
            short = name.endswith("_secret") and name not in self.ISSUED and len(text) < SHORTEST_SECRET
            if short and self.environment == "production":
                raise ValueError(f"{name} has fewer than {SHORTEST_SECRET} characters")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order of precedence: arguments, files, environment."""
        del dotenv_settings, file_secret_settings
        return init_settings, _FileSource(settings_cls), env_settings


class ServiceSettings(SharedSettings):
    """What every service knows on top: its database and the object store."""

    database_url: SecretStr = SecretStr("")  # postgresql://role:password@host:port/clipstead
    database_pool: Annotated[int, Field(ge=1, le=100)] = 10
    job_lease: Annotated[float, Field(gt=0.5, le=600)] = 12.0  # seconds of silence until a worker's work is taken over
    sweep_grace: Annotated[float, Field(ge=0)] = 600.0  # seconds that an object may lie without a row
    storage_url: SecretStr = SecretStr("")  # file:///absolute/folder, or s3://key:secret@host:port/bucket[?secure=0]
    disk_reserve: Annotated[int, Field(ge=0)] = (
        1 << 30
    )  # bytes that stay free on each disk: below, nothing new is let in
    work_dir: Path = Path()  # scratch of this service: an absolute folder, or one under <home>/work

    @field_validator("work_dir", mode="after")
    @classmethod
    def _under_home(cls, value: Path, info: ValidationInfo) -> Path:
        home: Path = info.data.get("home", Path("var"))
        return value if value.is_absolute() else home / "work" / value


def lazy(kind: type[S]) -> Callable[[], S]:
    """Make the accessor that a service's ``settings.py`` exports: reads the environment once, at the first call."""

    @cache
    def settings() -> S:
        return kind()

    return settings
