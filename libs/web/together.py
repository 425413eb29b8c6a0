"""Redis as what processes know together for a moment, never longer than it may be missed.

What is asked of it here has to have an answer at once, and can be answered worse without it: rates are counted, and tokens
are marked as used, in one process's memory then.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.commands.core import AsyncScript
from redis.exceptions import RedisError

from libs.patience import Breaker, TryLater
from libs.telemetry import log

__all__ = ["Alone", "Together"]

T = TypeVar("T")

PATIENCE = 0.2  # seconds for one question
FAILURES = 2  # in a row; one alone may be a hiccup
REST = 5.0  # seconds without Redis after that; then one question looks whether it is back


class Alone(TryLater):
    """Redis is gone, slow, hung or full: this process has to do without the others."""


class Together:
    """One process's door to Redis. ``what`` says in the log who does without it."""

    def __init__(self, redis_url: str, what: str) -> None:
        # Blocking: a burst waits for a connection instead of being counted as a failure of Redis. Nothing is tried twice:
        # of what was lost on the way, nobody knows whether it was done.
        pool: BlockingConnectionPool = BlockingConnectionPool.from_url(
            redis_url,
            max_connections=16,
            timeout=PATIENCE,
            socket_timeout=PATIENCE,
            socket_connect_timeout=PATIENCE,
            retry=Retry(NoBackoff(), 0),
        )
        self._redis = Redis.from_pool(pool)
        self._what = what
        self._breaker = Breaker(FAILURES, REST)
        self.alone = False

    async def ask(self, question: Callable[[Redis], Awaitable[T]]) -> T:
        """Ask Redis. Raises Alone, at once where it has not answered lately."""
        if not self._breaker.admits(time.monotonic()):
            raise Alone
        try:
            async with asyncio.timeout(PATIENCE):
                answer = await question(self._redis)
        except (RedisError, OSError) as error:  # TimeoutError is an OSError
            self._lost(error)
            raise Alone from error
        self._found()
        return answer

    def script(self, source: str) -> AsyncScript:
        """A Lua script, to be called within a question."""
        return self._redis.register_script(source)

    async def close(self) -> None:
        """Close all connections."""
        await self._redis.aclose()

    def _lost(self, error: Exception) -> None:
        self._breaker.failed(time.monotonic())
        if self._breaker.failures >= FAILURES and not self.alone:
            self.alone = True
            log.warning("Redis is away (%r); %s in this process alone", error, self._what)

    def _found(self) -> None:
        self._breaker.succeeded()
        if self.alone:
            self.alone = False
            log.warning("Redis is back; no longer %s in this process alone", self._what)
