"""Where a request came from: the address that the gateway saw, and the device as its browser calls itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from ua_parser import parse

__all__ = ["NOWHERE", "From", "Origin", "device_of"]

LONGEST = 400  # characters of a User-Agent that are looked at
NAMELESS = frozenset({"Other", None})


@dataclass(frozen=True)
class Origin:
    """An address and a device, as they are shown to people."""

    address: str
    device: str


NOWHERE = Origin("", "")
"""Of what nobody asked for: the service's own doing."""


def device_of(user_agent: str) -> str:
    """Name a device in words: “Firefox on Linux”. What is no browser is called by the name that it gives itself."""
    said = "".join(mark for mark in user_agent[:LONGEST] if mark.isprintable())
    found = parse(said)
    browser = found.user_agent.family if found.user_agent else None
    system = found.os.family if found.os else None
    names = [str(name) for name in (browser, system) if name not in NAMELESS]
    return " on ".join(names) if names else said.partition("/")[0][:60]


def _origin(request: Request) -> Origin:
    # The gateway puts the one true address there, and takes away whatever a client claims.
    address = request.headers.get("x-forwarded-for", "")[:60]
    return Origin(address, device_of(request.headers.get("user-agent", "")))


From = Annotated[Origin, Depends(_origin)]
"""The origin of the request."""
