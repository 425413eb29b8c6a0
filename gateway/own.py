"""What the gateway answers itself: who is signed in, what runs, and the API's description."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.responses import FileResponse, JSONResponse, Response
from starlette.types import Scope

from gateway.csrf import Guard
from gateway.dispatch import Handler
from gateway.door import Caller
from gateway.openapi import Documents
from gateway.system import System
from libs.contracts.identity import Identity
from libs.web.problems import NotFound

_DOCS = Path(__file__).parent / "docs"
_DOCS_FILES = frozenset(path.name for path in _DOCS.iterdir())


@dataclass(frozen=True)
class Own:
    """The gateway's own routes."""

    guard: Guard
    system: System
    documents: Documents

    def handlers(self) -> Mapping[str, Handler]:
        """Each handler by its path in the route table."""
        return {
            "/api/v1/session": self._session,
            "/api/v1/system": self._system,
            "/api/v1/openapi.json": self._openapi,
            "/api/docs": self._docs,
            "/api/docs/{file}": self._docs,
        }

    async def _session(self, scope: Scope, caller: Caller) -> Response:
        """The signed-in person and the session's CSRF token; null for both if there is none."""
        del scope
        identity = caller.identity
        session = identity.session_id if identity is not None else None
        token = self.guard.token(session) if session is not None else None
        return JSONResponse({"user": _person(identity) if identity is not None else None, "csrf_token": token})

    async def _system(self, scope: Scope, caller: Caller) -> Response:
        del scope
        return JSONResponse(await self.system.report(whole=caller.identity is not None))

    async def _openapi(self, scope: Scope, caller: Caller) -> Response:
        del scope, caller
        return JSONResponse(await self.documents.merged(), headers={"cache-control": "no-cache"})

    async def _docs(self, scope: Scope, caller: Caller) -> Response:
        """The documentation page and its two files; it loads nothing from elsewhere."""
        del caller
        name = scope["path"].removeprefix("/api/docs").lstrip("/") or "index.html"
        if name not in _DOCS_FILES:
            raise NotFound
        return FileResponse(_DOCS / name, headers={"cache-control": "no-cache"})


def _person(identity: Identity) -> dict[str, Any]:
    return {
        "id": str(identity.user_id),
        "email": identity.email,
        "display_name": identity.display_name,
        "scopes": list(identity.scopes),
    }
