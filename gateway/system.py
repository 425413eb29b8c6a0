"""What runs and what was chosen: the facts of every service, gathered at once."""

from __future__ import annotations

from typing import Any

import anyio

from gateway.openapi import Documents
from gateway.upstreams import Upstreams
from libs.web.problems import Problem

_PATIENCE = 1.0  # seconds


class System:
    """Asks each service for its facts."""

    def __init__(self, upstreams: Upstreams, documents: Documents, version: str) -> None:
        self._upstreams = upstreams
        self._documents = documents
        self._version = version

    async def report(self, *, whole: bool) -> dict[str, Any]:
        """``{"version", "services": {name: {"status": "ok" | "down", …}}}``; the facts are for people who are signed in."""
        services: dict[str, dict[str, Any]] = {name: {"status": "down"} for name in sorted(self._upstreams.names())}
        async with anyio.create_task_group() as group:
            for name in services:
                group.start_soon(self._ask, name, services)
        if not whole:
            services = {name: {"status": facts["status"]} for name, facts in services.items()}
        return {"version": self._version, "services": services}

    async def _ask(self, name: str, into: dict[str, dict[str, Any]]) -> None:
        try:
            with anyio.fail_after(_PATIENCE):
                status, facts = await self._upstreams[name].ask("GET", "/internal/system", patience=_PATIENCE)
        except (Problem, TimeoutError):
            return  # down is what the entry says already
        if status == 200 and isinstance(facts, dict):
            into[name] = {**facts, "status": "ok"}
            self._documents.seen(name, str(facts.get("version", "")))
