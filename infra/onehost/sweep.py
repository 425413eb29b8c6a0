"""``./clipstead sweep``: has every service look for orphans in its store, and shows what they found."""

from __future__ import annotations

from typing import Any

import httpx

from infra.onehost.place import Place
from infra.onehost.secrets import GATEWAY
from infra.onehost.topology import PORTS
from libs.web.tokens import HEADER, Signer

__all__ = ["GRACE", "SWEEPERS", "sweep"]

SWEEPERS = ("ingest", "render")  # those that put objects into the store
GRACE = 600.0  # seconds
LIMIT = 600.0  # seconds that a look may take


def sweep(place: Place, *, grace: float = GRACE, apply: bool) -> list[dict[str, Any]]:
    """Ask each service, once, or twice with ``apply``: only what two looks found goes. Raises httpx.HTTPError.

    Returns one report a kind of object: ``service``, ``kind``, ``orphans``, ``removed``, ``missing``.
    """
    signer = Signer(GATEWAY, (place.secrets / GATEWAY / "service_key").read_text())
    found: list[dict[str, Any]] = []
    for service in SWEEPERS:
        for look in (False, True) if apply else (False,):
            answer = httpx.post(
                f"http://127.0.0.1:{place.port + PORTS[service][0]}/internal/sweep",
                json={"grace": grace, "apply": look},
                headers={HEADER: signer.sign(service)},
                timeout=LIMIT,
                trust_env=False,
            )
            answer.raise_for_status()
        found += [{"service": service, **report} for report in answer.json()]
    return found
