"""The breaker before a store: once it can't be reached, nobody waits for it again until it answers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import Gauge

from libs.patience import Breaker
from libs.storage import NotStored, StorageUnavailable
from libs.telemetry import log

__all__ = ["Gate"]

FAILURES = 3  # in a row; each was tried several times already
REST = 5.0  # seconds

OPEN = Gauge("store_breaker_open", "1 while the object store is given a rest after failing.")


class Gate:
    """What every request to one store passes."""

    def __init__(self) -> None:
        self._breaker = Breaker(FAILURES, REST)
        OPEN.set(0)

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Ask the store something within this block. Raises StorageUnavailable at once while it rests."""
        if not self._breaker.admits(time.monotonic()):
            raise StorageUnavailable("the object store did not answer just now; it is asked again in a few seconds")
        try:
            yield
        except NotStored:
            self._answered()
            raise
        except StorageUnavailable as error:
            self._failed(error)
            raise
        self._answered()

    def _answered(self) -> None:
        if self._breaker.failures >= FAILURES:
            log.warning("the object store is back")
        self._breaker.succeeded()
        OPEN.set(0)

    def _failed(self, error: StorageUnavailable) -> None:
        self._breaker.failed(time.monotonic())
        if self._breaker.failures == FAILURES:
            OPEN.set(1)
            log.warning("the object store is given a rest", extra={"error": str(error)})
