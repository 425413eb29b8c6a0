"""The public API over HTTP: one request at a time, outlasting restarts of the platform's processes."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urljoin
from uuid import uuid4

import httpx

from gateway.cli.problems import Refused, Unreachable

__all__ = ["Api", "View", "fresh_key"]

View = dict[str, Any]
"""A recording or clip as the library shows it."""

FIRST_PATIENCE = 5.0  # seconds that a platform gets which never answered yet
PATIENCE = 90.0  # seconds that one gets which did: any killed process is back long before
AWAY = {502, 503, 504}
IN_PROGRESS = "idempotency_in_progress"  # the first request with this key is under way: as good as away
HEARTBEAT_LIMIT = 40.0  # seconds; the feed has a heartbeat each 15 s


def fresh_key() -> dict[str, str]:
    """The header of one thing to be made; requests that repeat it make nothing more."""
    return {"Idempotency-Key": str(uuid4())}


class Api:
    """A platform at a URL, asked on behalf of whoever the API key belongs to."""

    def __init__(self, url: str, key: str = "") -> None:
        self.url = url.rstrip("/")
        self._answered = False
        self._http = httpx.Client(
            base_url=self.url,
            timeout=httpx.Timeout(30, connect=5),
            headers={"User-Agent": "clipstead-cli"},
        )
        if key:
            self.use_key(key)

    def use_key(self, key: str) -> None:
        """Act under an API key from now on."""
        self._http.headers["Authorization"] = f"Bearer {key}"

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def get(self, path: str, **query: Any) -> Any:
        """GET a JSON document."""
        return self.request("GET", path, params=query).json()

    def post(self, path: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Any:
        """POST a JSON document and return the JSON reply. Asked again only where that does no harm: see ``request``."""
        return self.request("POST", path, json=body, headers=headers).json()

    def create(self, path: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Any:
        """POST what makes something, and return the JSON reply. Asked again for as long as need be, it makes one thing."""
        return self.request("POST", path, json=body, headers={**(headers or {}), **fresh_key()}, again=True).json()

    def request(self, method: str, path: str, *, again: bool | None = None, **arguments: Any) -> httpx.Response:
        """Send a request and return its reply, whole.

        While the platform is away (refused connections, 502 to 504) it is asked again, with growing pauses. A connection
        lost half-way is repeated only for reads, or with ``again``, since the platform may have done what was asked.
        Raises Refused for a problem document and Unreachable when patience ends.
        """
        repeatable = method in {"GET", "HEAD"} if again is None else again
        for pause in self._pauses():
            try:
                reply = self._http.request(method, path, **arguments)
            except httpx.TransportError as error:
                never_sent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
                if not (never_sent or repeatable):
                    raise Unreachable(f"The connection to {self.url} was lost: {error}") from error
                self._wait(pause, str(error))
                continue
            self._answered = True
            if not reply.is_error:
                return reply
            problem = _problem(reply)
            if reply.status_code not in AWAY and problem.code != IN_PROGRESS:
                raise problem
            self._wait(pause, str(problem))
        raise Unreachable(f"No answer from {self.url}.")

    def feed(self, path: str) -> Iterator[View]:
        """Follow a feed of server-sent events for ever, reconnecting where it breaks off. Yields each event's document.

        A recording that the library has not heard of yet is waited for.
        """
        pauses = self._pauses()
        while True:
            try:
                with self._http.stream("GET", path, timeout=httpx.Timeout(HEARTBEAT_LIMIT, connect=5)) as reply:
                    if reply.status_code in AWAY | {404}:
                        reply.read()
                        self._wait(next(pauses), _problem(reply).args[0])
                        continue
                    if reply.is_error:
                        reply.read()
                        raise _problem(reply)
                    for document in _events(reply.iter_lines()):
                        pauses = self._pauses()
                        yield document
            except httpx.TransportError as error:
                self._wait(next(pauses), str(error))

    def download(self, url: str, target: Path) -> None:
        """Save what a signed link leads to, under its name only once it is whole."""
        part = target.with_name(f"{target.name}.part")
        for pause in self._pauses():
            try:
                with self._fetch(url) as reply, part.open("wb") as file:
                    for chunk in reply.iter_bytes():
                        file.write(chunk)
                part.replace(target)
            except httpx.TransportError as error:
                self._wait(pause, str(error))
                continue
            return

    @contextmanager
    def _fetch(self, url: str) -> Iterator[httpx.Response]:
        # Signed links are asked for without the key: they may lead to another host.
        with httpx.stream("GET", urljoin(f"{self.url}/", url), params={"download": "1"}, timeout=30) as reply:
            if reply.status_code in AWAY:
                raise httpx.ReadError(f"the platform answered {reply.status_code}")
            if reply.is_error:
                reply.read()
                raise _problem(reply)
            yield reply

    def _pauses(self) -> Iterator[float]:
        """Growing pauses with jitter, until patience ends; the last one is negative."""
        began = time.monotonic()
        pause = 0.2
        while time.monotonic() - began < (PATIENCE if self._answered else FIRST_PATIENCE):
            yield pause * random.uniform(0.7, 1.3)  # noqa: S311  not a secret
            pause = min(3.0, pause * 1.6)
        yield -1.0

    def _wait(self, pause: float, why: str) -> None:
        if pause < 0:
            raise Unreachable(f"No answer from {self.url} ({why}).")
        time.sleep(pause)


def _problem(reply: httpx.Response) -> Refused:
    try:
        document = reply.json()
    except ValueError:
        return Refused(reply.status_code, "", f"The platform answered {reply.status_code} {reply.reason_phrase}.")
    detail = document.get("detail") or document.get("title") or f"status {reply.status_code}"
    return Refused(reply.status_code, str(document.get("code", "")), str(detail))


def _events(lines: Iterator[str]) -> Iterator[View]:
    """Parse server-sent events (WHATWG HTML, 9.2) as far as they are used here: ``data`` lines up to an empty one."""
    data: list[str] = []
    for line in lines:
        if line.startswith("data:"):
            data.append(line.removeprefix("data:").removeprefix(" "))
        elif not line and data:
            yield json.loads("\n".join(data))
            data = []
