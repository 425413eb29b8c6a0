"""Telling a server that is gone from one that is busy, within a second and a half, without a limit on statements.

A hung server (frozen, or behind a network that swallows everything) breaks no connection: psycopg would wait for ever, and
a limit that is short enough for a person would end sweeps and waits for locks. So a statement that has heard nothing for
``QUIET`` seconds has the server asked, on a connection of its own, whether it lives. If that brings no answer, the statement
ends as on a broken connection, and until the server answers again nobody else waits: one thread keeps asking.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from typing import Any, TypeVar

import psycopg
from prometheus_client import Counter, Gauge
from psycopg import Connection, OperationalError
from psycopg.rows import TupleRow

from libs.telemetry import log

__all__ = ["POOL_ERRORS", "TCP", "Watch"]

QUIET = 0.5  # seconds without a byte after which a statement has the server asked
PATIENCE = 0.7  # seconds that the server has to answer that
AGAIN = 0.25  # seconds between two questions to a server that is gone

TCP: dict[str, Any] = {  # for every connection that lasts: a peer that vanished without a word is noticed by the kernel
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}

POOL_ERRORS = Counter("db_pool_errors", "Transactions that failed because PostgreSQL was away.")
GONE = Gauge("db_unavailable", "1 while PostgreSQL does not answer this process.")

R = TypeVar("R")


class Watch:
    """Knows whether a server lives. Connects only when asked to look."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._asking: _Question | None = None
        self._over = threading.Event()
        self._gone = False
        self.connection_class: type[Connection[TupleRow]] = _connection_class(self)

    def require(self) -> None:
        """Raise OperationalError at once while the server is known to be gone."""
        if self._gone:
            raise OperationalError("PostgreSQL is away")

    def suspect(self) -> None:
        """Something broke: find out, in a thread of its own, whether the server lives."""
        self._ask()

    def confirm(self) -> None:
        """Return if the server lives; else raise OperationalError after ``PATIENCE`` seconds at most."""
        self.require()
        question = self._ask()
        if not question.answered.wait(max(0.0, question.asked + PATIENCE - time.monotonic())):
            self._lost()
            raise OperationalError("PostgreSQL gives no sign of life")

    def close(self) -> None:
        """Ask no more."""
        self._over.set()
        with self._lock:
            asking = self._asking
        if asking is not None:
            asking.thread.join(0.5)  # one that hangs in a connection attempt ends with that
        GONE.set(0)

    def _ask(self) -> _Question:
        with self._lock:
            if self._asking is None:
                self._asking = _Question(threading.Thread(target=self._until_answered, name="pulse", daemon=True))
                self._asking.thread.start()
            return self._asking

    def _until_answered(self) -> None:
        while not self._over.is_set():
            try:
                psycopg.connect(self._url, connect_timeout=2, **TCP).close()
            except psycopg.Error as error:
                if _is_full(error):
                    self._found()
                    return
                self._lost()
                self._over.wait(AGAIN)
                continue
            self._found()
            return

    def _lost(self) -> None:
        with self._lock:
            # An answer that came in the same moment counts; and nobody remains gone without somebody who asks on.
            if self._gone or self._over.is_set() or self._asking is None:
                return
            self._gone = True
        GONE.set(1)
        log.warning("PostgreSQL does not answer; requests that need it are refused until it does")

    def _found(self) -> None:
        with self._lock:
            was_gone, self._gone = self._gone, False
            asking, self._asking = self._asking, None
        if asking is not None:
            asking.answered.set()
        if was_gone:
            GONE.set(0)
            log.warning("PostgreSQL is back")


def _is_full(error: psycopg.Error) -> bool:
    """Whether a server has only no connection to spare. libpq gives a refused connection no SQLSTATE, only words."""
    return "too many" in str(error) or "connection slots" in str(error)


class _Question:
    """Whether the server lives: asked once for all who want to know."""

    def __init__(self, thread: threading.Thread) -> None:
        self.thread = thread
        self.asked = time.monotonic()
        self.answered = threading.Event()


def _connection_class(watch: Watch) -> type[Connection[TupleRow]]:
    """Make psycopg connections whose waits are watched, the wait for the connection itself included."""

    class Watched(Connection[TupleRow]):
        """A connection that outlives no server."""

        def wait(self, gen: Any, *arguments: Any, **options: Any) -> Any:
            """Wait for the server, as long as it lives."""
            try:
                return super().wait(_impatient(gen, watch), *arguments, **options)
            except _Silent as silence:
                self.pgconn.finish()  # whatever still comes belongs to nobody
                raise OperationalError(str(silence)) from None

        @classmethod
        def _connect_gen(cls, conninfo: str = "") -> Any:
            watch.require()
            try:
                return (yield from _impatient(super()._connect_gen(conninfo), watch))
            except _Silent as silence:
                raise OperationalError(str(silence)) from None

    return Watched


class _Silent(Exception):
    """Nothing came, and the server does not live."""


def _impatient(waiting: Generator[Any, Any, R], watch: Watch) -> Generator[Any, Any, R]:
    """Pass on what psycopg waits for and what came of it; when nothing came for long, have the server asked.

    psycopg's loops send 0 (``Ready.NONE``) each tenth of a second in which nothing came.
    """
    try:
        wanted = next(waiting)
        heard = time.monotonic()
        while True:
            ready = yield wanted
            if ready:
                heard = time.monotonic()
            elif time.monotonic() - heard > QUIET:
                _confirm(watch)
                heard = time.monotonic()
            wanted = waiting.send(ready)
    except StopIteration as end:
        result: R = end.value
        return result


def _confirm(watch: Watch) -> None:
    try:
        watch.confirm()
    except OperationalError as error:
        raise _Silent(str(error)) from None
