"""Asking the services of a running platform in the operator's name, with the gateway's key."""

from __future__ import annotations

from typing import Any

import httpx

from infra.onehost.place import Place
from infra.onehost.secrets import GATEWAY
from infra.onehost.topology import PORTS
from libs.web.tokens import Signature, Signer

__all__ = ["ask"]

LIMIT = 600.0  # seconds that an answer may take: a sweep looks through the whole store


def ask(place: Place, service: str, method: str, path: str, **request: Any) -> Any:
    """Ask a service, and return its JSON. Raises httpx.HTTPError."""
    signer = Signer(GATEWAY, (place.secrets / GATEWAY / "service_key").read_text())
    answer = httpx.request(
        method,
        f"http://127.0.0.1:{place.port + PORTS[service][0]}{path}",
        auth=Signature(signer, service),
        timeout=LIMIT,
        trust_env=False,
        **request,
    )
    answer.raise_for_status()
    return answer.json()
