"""Service tokens that change something are taken once: by one process, and by all that share a Redis."""

from __future__ import annotations

import math
import time
from collections import OrderedDict

from libs.web.together import Alone, Together
from libs.web.tokens import Token

__all__ = ["Replays"]

PREFIX = "clipstead:token:"


class Replays:
    """Remembers each token that was used for as long as anybody could believe it."""

    def __init__(self, redis_url: str) -> None:
        self._together = Together(redis_url, "used service tokens are known")
        self._used: OrderedDict[str, float] = OrderedDict()  # ids, oldest first, and when they end

    async def first(self, token: Token) -> bool:
        """Take a token. False if it was taken before."""
        # Without a wait between the look and the mark, so that of two at once in this process one is the second.
        if token.id in self._used:
            return False
        self._forget(time.time())
        self._used[token.id] = token.ends
        left = max(1, math.ceil(token.ends - time.time()))
        try:
            return await self._together.ask(lambda redis: redis.set(PREFIX + token.id, 1, nx=True, ex=left)) is not None
        except Alone:
            return True

    async def close(self) -> None:
        """Let go of Redis."""
        await self._together.close()

    def _forget(self, now: float) -> None:
        # All live about equally long, so the oldest end first; one that ends later than the next is only kept longer.
        while self._used and next(iter(self._used.values())) < now:
            self._used.popitem(last=False)
