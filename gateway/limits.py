"""Rate limits: sliding windows in Redis, shared by all gateways; in this process's memory while Redis is away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass

from limits import RateLimitItem, parse_many
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from prometheus_client import Counter, Gauge
from redis.asyncio import BlockingConnectionPool
from redis.exceptions import RedisError

from libs.patience import Breaker
from libs.telemetry import log

REFUSED = Counter("gateway_rate_limited", "Requests refused by a rate limit.", ["limit"])
ALONE = Gauge("gateway_rate_limits_in_memory", "1 while Redis is away and every gateway counts for itself.")

# A request is counted twice at most, so that a Redis that hangs or is slow costs it twice this, and soon nothing.
_PATIENCE = 0.2  # seconds
_FAILURES = 2  # in a row; one alone may be a hiccup
_REST = 5.0  # seconds without Redis after that; then one request looks whether it is back


@dataclass(frozen=True, slots=True)
class Refusal:
    """A limit that was reached: its policy, and after how many seconds the next request may pass."""

    limit: str
    allowed: int
    window: int  # seconds
    wait: int  # seconds

    def headers(self) -> dict[str, str]:
        """Retry-After, and what draft-ietf-httpapi-ratelimit-headers-10 calls RateLimit and RateLimit-Policy."""
        return {
            "Retry-After": str(self.wait),
            "RateLimit-Policy": f'"{self.limit}";q={self.allowed};w={self.window}',
            "RateLimit": f'"{self.limit}";r=0;t={self.wait}',
        }


class Limits:
    """Counts requests by limit and caller. ``rates`` names the limits: ``{"sign_in": "20/minute"}``."""

    def __init__(self, redis_url: str, rates: Mapping[str, str]) -> None:
        self._rates: dict[str, list[RateLimitItem]] = {name: parse_many(rate) for name, rate in rates.items()}
        # Blocking: a burst waits for a connection instead of being counted as a failure of Redis.
        pool: BlockingConnectionPool = BlockingConnectionPool.from_url(
            redis_url, max_connections=16, timeout=0.5, socket_timeout=0.5, socket_connect_timeout=0.5
        )
        self._pool = pool
        storage = RedisStorage(
            f"async+{redis_url}",
            implementation="redispy",
            key_prefix="gateway",
            connection_pool=pool,  # type: ignore[arg-type]  # the hints of limits leave its own documented option out
        )
        self._shared = SlidingWindowCounterRateLimiter(storage)
        self._own = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._breaker = Breaker(_FAILURES, _REST)
        self._alone = False
        ALONE.set(0)

    async def refuse(self, limit: str, caller: str) -> Refusal | None:
        """Count a request of a caller. Returns why it is refused, or None if it may pass."""
        for rate in self._rates[limit]:
            wait = await self._hit(rate, limit, caller)
            if wait is not None:
                REFUSED.labels(limit).inc()
                return Refusal(limit.replace("_", "-"), rate.amount, rate.get_expiry(), wait)
        return None

    async def close(self) -> None:
        """Let go of Redis."""
        await self._pool.disconnect()

    async def _hit(self, rate: RateLimitItem, *key: str) -> int | None:
        """Count; seconds to wait if that was one too many. Redis being away lets nobody through uncounted."""
        if self._breaker.admits(time.monotonic()):
            try:
                async with asyncio.timeout(_PATIENCE):
                    wait = await _counted(self._shared, rate, key)
            except (RedisError, OSError) as error:  # full, gone, slow or hung: TimeoutError is an OSError
                self._lost(error)
            else:
                self._found()
                return wait
        return await _counted(self._own, rate, key)

    def _lost(self, error: Exception) -> None:
        self._breaker.failed(time.monotonic())
        if self._breaker.failures >= _FAILURES and not self._alone:
            self._alone = True
            ALONE.set(1)
            log.warning("Redis is away (%r); rate limits count in this process alone", error)

    def _found(self) -> None:
        self._breaker.succeeded()
        if self._alone:
            self._alone = False
            ALONE.set(0)
            log.warning("Redis is back; rate limits are shared again")


async def _counted(limiter: SlidingWindowCounterRateLimiter, rate: RateLimitItem, key: tuple[str, ...]) -> int | None:
    if await limiter.hit(rate, *key):
        return None
    reset, _ = await limiter.get_window_stats(rate, *key)
    return max(1, min(rate.get_expiry(), round(reset - time.time())))
