"""Typed configuration of the stream service."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr

from libs.settings import ServiceSettings, lazy

__all__ = ["SHARE_LONGEST", "SHARE_SHORTEST", "StreamSettings", "settings"]

SHARE_SHORTEST = 60  # seconds
SHARE_LONGEST = 365 * 86_400


class StreamSettings(ServiceSettings):
    """What the stream service can be told. There is no default secret: without one, anybody could sign links."""

    link_secret: Annotated[SecretStr, Field(min_length=16)]
    previous_link_secret: SecretStr | None = None  # still believed, never signed with: for changing the secret in use
    share_lifetime: Annotated[int, Field(ge=SHARE_SHORTEST, le=SHARE_LONGEST)] = 30 * 86_400  # unless asked otherwise
    playback_lifetime: Annotated[int, Field(ge=60, le=86_400)] = 6 * 3600
    viewer_lifetime: Annotated[int, Field(ge=60, le=86_400)] = 6 * 3600  # one viewer's plays within it count as one

    def link_secrets(self) -> tuple[bytes, ...]:
        """The secrets that links may be signed with; the first one signs."""
        known = (self.link_secret, self.previous_link_secret)
        return tuple(secret.get_secret_value().encode() for secret in known if secret)


settings = lazy(StreamSettings)
