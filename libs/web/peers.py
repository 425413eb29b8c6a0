"""Asking another service: with a service token, a deadline, and retries where repeating is safe."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection
from typing import Any
from uuid import UUID

import httpx

from libs.patience import Breaker, TryLater, backoff
from libs.settings import SharedSettings
from libs.telemetry import correlation_id
from libs.web.tokens import Signature, Signer

__all__ = ["Peer", "PeerRefused", "PeerUnavailable", "client", "configure"]

TRIES = 3
PAUSE = 0.2  # seconds before the second try; doubled, with jitter, or what the peer's Retry-After says
AGAIN = frozenset({502, 503, 504})


class PeerRefused(Exception):
    """The other service answered with a problem."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        super().__init__(f"{status} {problem.get('code', '')}: {problem.get('detail', '')}")
        self.status = status
        self.problem = problem


class PeerUnavailable(TryLater):
    """The other service could not be reached, or not in time, or can't serve anybody right now."""


class Peer:
    """One other service."""

    def __init__(self, name: str, url: str, signer: Signer) -> None:
        self._name = name
        self._signer = signer
        self._breaker = Breaker()
        self._http = httpx.Client(base_url=url, follow_redirects=False, trust_env=False)

    def get(
        self,
        path: str,
        *,
        acting: UUID | None = None,
        groups: Collection[UUID] = (),
        timeout: float = 5,
        **params: Any,
    ) -> Any:
        """Fetch JSON, for a person and the groups of theirs if need be. Raises PeerRefused or PeerUnavailable.

        It is tried up to three times within ``timeout`` seconds.
        """
        signature = self._signature(acting, groups)
        return self._ask("GET", path, signature, timeout, TRIES, params=params or None)

    def post(
        self,
        path: str,
        body: Any = None,
        *,
        acting: UUID | None = None,
        groups: Collection[UUID] = (),
        timeout: float = 5,
    ) -> Any:
        """Post JSON, once. Raises PeerRefused or PeerUnavailable."""
        return self._ask("POST", path, self._signature(acting, groups), timeout, 1, json=body)

    def _signature(self, acting: UUID | None, groups: Collection[UUID]) -> Signature:
        return Signature(self._signer, self._name, acting=acting, groups=groups)

    def _ask(self, method: str, path: str, signature: Signature, timeout: float, tries: int, **request: Any) -> Any:
        limit = time.monotonic() + timeout
        for attempt in range(1, tries + 1):
            left = max(0.1, limit - time.monotonic())
            try:
                response = self._send(method, path, left, auth=signature, **request)
            except httpx.TransportError as error:
                problem: Exception = PeerUnavailable(f"{self._name}: {error!r}")
                asked_back = 0.0
            else:
                if response.is_success:
                    return response.json() if response.content else None
                problem = PeerRefused(response.status_code, _document(response))
                if response.status_code not in AGAIN:
                    raise problem
                asked_back = _retry_after(response)
            pause = max(backoff(attempt - 1, PAUSE, timeout), asked_back)
            if attempt == tries or time.monotonic() + pause > limit:
                break
            time.sleep(pause)
        if isinstance(problem, PeerRefused):
            raise PeerUnavailable(str(problem)) from problem
        raise problem

    def _send(self, method: str, path: str, left: float, **request: Any) -> httpx.Response:
        """Send once, with what is left of the time. Raises PeerUnavailable at once while the peer rests."""
        if not self._breaker.admits(time.monotonic()):
            raise PeerUnavailable(f"{self._name}: could not be reached just now")
        headers = {"X-Correlation-Id": correlation_id()}
        patience = httpx.Timeout(left, connect=min(2.0, left))
        try:
            response = self._http.request(method, path, headers=headers, timeout=patience, **request)
        except (httpx.ConnectError, httpx.TimeoutException):
            self._breaker.failed(time.monotonic())
            raise
        self._breaker.succeeded()
        return response


def _retry_after(response: httpx.Response) -> float:
    """Seconds that the peer asks to be left alone: asking sooner is of no use, and holds up who waits for us."""
    said = response.headers.get("Retry-After", "")
    return float(said) if said.isascii() and said.isdigit() else 0.0


def _document(response: httpx.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


class _Runtime:
    settings: SharedSettings | None = None
    signer: Signer | None = None
    peers: dict[str, Peer] = {}  # noqa: RUF012  one per process, guarded by the lock
    lock = threading.Lock()


def configure(service: str, settings: SharedSettings) -> None:
    """Point this process at its peers."""
    with _Runtime.lock:
        _Runtime.settings = settings
        key = settings.service_key.get_secret_value()
        _Runtime.signer = Signer(service, key) if key else None
        _Runtime.peers = {}


def client(name: str) -> Peer:
    """The peer of that name."""
    with _Runtime.lock:
        if name not in _Runtime.peers:
            if _Runtime.settings is None or _Runtime.signer is None:
                raise RuntimeError("libs.web.peers is not configured in this process")
            _Runtime.peers[name] = Peer(name, _Runtime.settings.service_urls[name], _Runtime.signer)
        return _Runtime.peers[name]
