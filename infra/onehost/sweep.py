"""``./clipstead sweep``: has every service look for orphans in its store, and shows what they found."""

from __future__ import annotations

from typing import Any

from infra.onehost.asking import ask
from infra.onehost.place import Place

__all__ = ["GRACE", "SWEEPERS", "sweep"]

SWEEPERS = ("ingest", "transcription", "render")  # those that put objects into the store
GRACE = 600.0  # seconds


def sweep(place: Place, *, grace: float = GRACE, apply: bool) -> list[dict[str, Any]]:
    """Ask each service, once, or twice with ``apply``: only what two looks found goes. Raises httpx.HTTPError.

    Returns one report a kind of object: ``service``, ``kind``, ``orphans``, ``removed``, ``missing``.
    """
    found: list[dict[str, Any]] = []
    for service in SWEEPERS:
        for look in (False, True) if apply else (False,):
            reports = ask(place, service, "POST", "/internal/sweep", json={"grace": grace, "apply": look})
        found += [{"service": service, **report} for report in reports]
    return found
