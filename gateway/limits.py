"""Rate limits: counted in Redis for all gateways together; in this process's memory while Redis is away.

Both count by the same algorithm (``gcra.lua`` says which), so that nothing but the sharing is lost with Redis. A rate of
``20/minute`` lets twenty requests through at once, and one more each three seconds after that.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client import Counter, Gauge

from libs.web.together import Alone, Together

REFUSED = Counter("gateway_rate_limited", "Requests refused by a rate limit.", ["limit"])
ALONE = Gauge("gateway_rate_limits_in_memory", "1 while Redis is away and every gateway counts for itself.")

_SCRIPT = (Path(__file__).parent / "gcra.lua").read_text()
_PREFIX = "gateway:rate:"
_SECOND = 1_000_000  # microseconds
_WINDOWS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_RATE = re.compile(r"\s*([1-9][0-9]{0,8})\s*/\s*(second|minute|hour|day)\s*")
_TIDY = 10_000  # callers remembered in memory, after which those who owe nothing are let go of


@dataclass(frozen=True, slots=True)
class Rate:
    """So many requests in so many seconds, under the name of a limit."""

    limit: str
    amount: int
    window: int  # seconds

    @property
    def cost(self) -> int:
        """Microseconds that one request costs."""
        return max(1, self.window * _SECOND // self.amount)

    @property
    def most(self) -> int:
        """Microseconds that may be owed: those of a whole burst."""
        return self.cost * self.amount


@dataclass(frozen=True, slots=True)
class Standing:
    """How a caller stands with a rate after a request."""

    rate: Rate
    owed: int  # microseconds

    @property
    def left(self) -> int:
        """Requests that may still come at once."""
        return max(0, self.rate.most - self.owed) // self.rate.cost

    @property
    def wait(self) -> int:
        """Seconds until the next request may pass, or (where one may now) until all is forgotten."""
        owed = self.owed if self.left else self.owed + self.rate.cost - self.rate.most
        return max(1, math.ceil(owed / _SECOND))


@dataclass(slots=True)
class Tally:
    """How the sender of one request stands with all that it was counted against so far."""

    standings: list[Standing] = field(default_factory=list)

    def headers(self) -> list[tuple[bytes, bytes]]:
        """RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers-10)."""
        if not self.standings:
            return []
        policies = ", ".join(f'"{at.rate.limit}";q={at.rate.amount};w={at.rate.window}' for at in self.standings)
        found = ", ".join(f'"{at.rate.limit}";r={at.left};t={at.wait}' for at in self.standings)
        return [(b"ratelimit-policy", policies.encode()), (b"ratelimit", found.encode())]


def parse(limit: str, text: str) -> tuple[Rate, ...]:
    """Read ``20/minute``, or several such joined by ``;``. Raises ValueError."""
    rates = []
    for part in text.split(";"):
        match = _RATE.fullmatch(part)
        if match is None:
            raise ValueError(f"{limit}: {part.strip()!r} is no rate; write 20/minute, 5/second or 1000/day")
        rates.append(Rate(limit.replace("_", "-"), int(match[1]), _WINDOWS[match[2]]))
    return tuple(rates)


class Limits:
    """Counts requests by limit and caller. ``rates`` names the limits: ``{"sign_in": "20/minute"}``."""

    def __init__(self, redis_url: str, rates: Mapping[str, str]) -> None:
        self._rates = {name: parse(name, rate) for name, rate in rates.items()}
        self._together = Together(redis_url, "rates are limited")
        self._script = self._together.script(_SCRIPT)
        self._own = Memory()
        ALONE.set(0)

    async def refuse(self, tally: Tally, wanted: Iterable[tuple[str, str]]) -> int | None:
        """Count a request against limits, each with the caller that it counts by: all of them, or none if one refuses.

        Returns None, or after how many seconds a request that is refused may come again.
        """
        rates = [(rate, caller) for limit, caller in wanted for rate in self._rates[limit]]
        if not rates:
            return None
        refused, owed = await self._counted(rates)
        standings = [Standing(rate, due) for (rate, _), due in zip(rates, owed, strict=True)]
        tally.standings += standings
        if not refused:
            return None
        full = [standing for standing in standings if not standing.left]
        for standing in full:
            REFUSED.labels(standing.rate.limit.replace("-", "_")).inc()
        return max(standing.wait for standing in full)

    async def close(self) -> None:
        """Let go of Redis."""
        await self._together.close()

    async def _counted(self, rates: Sequence[tuple[Rate, str]]) -> tuple[bool, Sequence[int]]:
        keys = [f"{_PREFIX}{rate.limit}:{rate.window}:{caller}" for rate, caller in rates]
        costs = [number for rate, _ in rates for number in (rate.cost, rate.most)]

        try:
            refusals, *owed = await self._together.ask(lambda _: self._script(keys, costs))
        except Alone:
            # Redis being away lets nobody through uncounted.
            refusals, owed = self._own.count(keys, costs, time.monotonic_ns() // 1000)
        ALONE.set(self._together.alone)
        return refusals > 0, owed


class Memory:
    """``gcra.lua`` in this process."""

    def __init__(self) -> None:
        self._paid_off: dict[str, int] = {}  # by key, when all that came would have been paid off
        self._room = _TIDY

    def count(self, keys: Sequence[str], costs: Sequence[int], now: int) -> tuple[int, list[int]]:
        """As the script: how many rates refuse, and the microseconds owed to each. ``now`` in microseconds."""
        owed = [max(0, self._paid_off.get(key, 0) - now) for key in keys]
        pairs = list(zip(costs[::2], costs[1::2], strict=True))
        refusals = sum(due + cost > most for due, (cost, most) in zip(owed, pairs, strict=True))
        if not refusals:
            owed = [due + cost for due, (cost, _) in zip(owed, pairs, strict=True)]
            self._paid_off.update({key: now + due for key, due in zip(keys, owed, strict=True)})
            self._tidy(now)
        return refusals, owed

    def _tidy(self, now: int) -> None:
        if len(self._paid_off) > self._room:
            self._paid_off = {key: until for key, until in self._paid_off.items() if until > now}
            self._room = max(_TIDY, 2 * len(self._paid_off))
