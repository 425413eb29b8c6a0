"""The gateway's typed configuration."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_settings import NoDecode

from gateway.limits import parse
from libs.settings import SharedSettings, lazy

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

Network = IPv4Network | IPv6Network
Seconds = Annotated[float, Field(gt=0)]


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


class GatewaySettings(SharedSettings):
    """What the gateway knows. Rates are written ``20/minute``; several for one limit are joined by ``;``."""

    port: int = 3000
    csrf_secret: SecretStr = SecretStr("")  # empty, in development alone: a new one in each process
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode] = ()  # whose X-Forwarded-For and -Proto are believed
    trusted_origins: Annotated[tuple[str, ...], NoDecode] = ()  # of pages beside public_url that may send changes
    dev_auto_login_user_email: str = ""  # in development alone: who sends requests that come without a credential
    web_dist: Path = Path(__file__).parent / "web" / "dist"

    address_limit: str = "1800/minute"
    user_limit: str = "1800/minute"
    key_limit: str = "1200/minute"  # by API key
    sign_in_limit: str = "20/minute"
    email_limit: str = "10/minute"  # tries to sign in to one account
    sign_up_limit: str = "30/hour"
    import_limit: str = "120/hour"
    search_limit: str = "120/minute"
    export_limit: str = "10/hour"
    delivery_limit: str = "6000/minute"  # of shared pages and media, where players ask for many small ranges

    identity_ttl: Annotated[float, Field(ge=0, le=5)] = 2.0  # how long an ended session may still be believed
    identity_cache: Annotated[int, Field(ge=1)] = 4096  # people
    json_limit: Annotated[int, Field(ge=1024)] = 1 << 20  # bytes

    connect_timeout: Seconds = 2.0
    read_timeout: Seconds = 30.0  # until the first byte of a reply, and between any two
    upload_timeout: Seconds = 300.0  # the same where the reply waits for a recording to be checked
    stream_timeout: Seconds = 60.0  # between two bytes of a feed, which has a heartbeat each 15 s
    feed_check: Seconds = 3.0  # between two looks whether the session behind an open feed still lasts
    body_timeout: Seconds = 60.0  # between two bytes of a client's body

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _networks(cls, value: object) -> object:
        parts = _split(value)
        return tuple(ip_network(part) for part in parts) if isinstance(parts, list) else parts

    @field_validator("trusted_origins", mode="before")
    @classmethod
    def _origins(cls, value: object) -> object:
        parts = _split(value)
        return tuple(parts) if isinstance(parts, list) else parts

    @model_validator(mode="after")
    def _nobody_is_signed_in_unasked(self) -> GatewaySettings:
        """A door that stands open is for the developer's own machine alone."""
        if self.dev_auto_login_user_email and self.environment == "production":
            raise ValueError("dev_auto_login_user_email signs everybody in as one person; never in production")
        return self

    @model_validator(mode="after")
    def _cookies_are_safe(self) -> GatewaySettings:
        """A session cookie may cross a network only over TLS."""
        plain = not self.https and urlsplit(self.public_url).hostname not in LOOPBACK
        if plain and self.environment == "production":
            raise ValueError("public_url must begin with https:// in production, or sessions could be read on the way")
        return self

    def rates(self) -> dict[str, str]:
        """The rate limits by the names that the route table uses."""
        suffix = "_limit"
        return {
            name.removesuffix(suffix): value for name, value in self if name.endswith(suffix) and isinstance(value, str)
        }

    @field_validator(*(name for name in __annotations__ if name.endswith("_limit") and name != "json_limit"))
    @classmethod
    def _are_rates(cls, value: str, info: ValidationInfo) -> str:
        parse(info.field_name or "", value)
        return value

    @property
    def https(self) -> bool:
        """Whether browsers reach the gateway over TLS."""
        return urlsplit(self.public_url).scheme == "https"


settings = lazy(GatewaySettings)
