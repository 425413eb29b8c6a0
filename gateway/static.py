"""Serves the web app, and for every path of its own making its first page; hashed assets may be kept for ever."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import Receive, Scope, Send

from gateway.failures import MethodNotAllowed
from libs.web.problems import NotFound

# Vite puts what it hashed into this folder.
_HASHED = "assets/"
_FOREVER = "public, max-age=31536000, immutable"
_ASK_AGAIN = "no-cache"

_NOT_BUILT = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Clipstead</title>
<h1>The web app has not been built</h1>
<p>The platform runs; its browser client is missing. Build it with</p>
<pre>cd gateway/web &amp;&amp; npm ci &amp;&amp; npm run build</pre>
<p>or start with <code>./clipstead up</code>, which builds it when it is missing. Then reload this page.</p>
<p><a href="/api/docs">API documentation</a></p>
</html>
"""


class WebApp:
    """An ASGI app over the folder that the front end is built into. The folder may appear or change while it runs."""

    def __init__(self, folder: Path) -> None:
        self._files = StaticFiles(directory=folder, check_dir=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with a file, the first page, or the reason why there is none."""
        if scope["method"] not in ("GET", "HEAD"):
            raise MethodNotAllowed(frozenset({"GET", "HEAD"}))
        response = await self._response(scope)
        await response(scope, receive, send)

    async def _response(self, scope: Scope) -> Response:
        path = scope["path"].lstrip("/")
        if path and path != "index.html":
            found = await self._file(path, scope)
            if found is not None:
                found.headers["cache-control"] = _FOREVER if path.startswith(_HASHED) else _ASK_AGAIN
                return found
            # A file that is gone must not come back as a page: a stale tab would run HTML as a script.
            if path.startswith(_HASHED) or PurePosixPath(path).suffix:
                raise NotFound
        page = await self._file("index.html", scope)
        if page is None:
            return HTMLResponse(_NOT_BUILT, status_code=503, headers={"cache-control": "no-store"})
        page.headers["cache-control"] = _ASK_AGAIN
        return page

    async def _file(self, path: str, scope: Scope) -> Response | None:
        try:
            response = await self._files.get_response(path, scope)
        except HTTPException as refused:
            if refused.status_code in (401, 404):
                return None
            raise
        return response if isinstance(response, FileResponse | NotModifiedResponse) else None
