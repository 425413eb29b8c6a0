"""Hears from auth of whom nothing may be believed any longer, over Redis; while that is away, answers merely age."""

from __future__ import annotations

import asyncio
from uuid import UUID

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from gateway.sessions import Sessions
from libs.contracts.identity import FORGET
from libs.patience import backoff
from libs.telemetry import log

_PATIENCE = 2.0  # seconds to connect in
_HEARTBEAT = 5.0  # seconds of silence after which the other side is asked whether it is still there
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0  # seconds between two tries to listen


class Forgetting:
    """Listens for as long as ``run`` runs. ``listening`` is set while it hears what is said."""

    def __init__(self, redis_url: str, sessions: Sessions) -> None:
        self._redis_url = redis_url
        self._sessions = sessions
        self.listening = asyncio.Event()

    async def run(self) -> None:
        """Listen, again and again, until cancelled."""
        failures = 0
        while True:
            try:
                await self._listen()
            except (RedisError, OSError) as error:
                # What is said now is not heard; so what was believed ages away within the cache's few seconds.
                if self.listening.is_set() or failures == 0:
                    log.warning("not told of ended sessions (%r); they are believed until they age", error)
                failures = 1 if self.listening.is_set() else failures + 1
                self.listening.clear()
            await asyncio.sleep(backoff(failures - 1, _FIRST_PAUSE, _LONGEST_PAUSE))

    async def _listen(self) -> None:
        """Hear until the connection ends. Raises RedisError or OSError then."""
        # A lost connection has to be noticed here, and not be mended in silence: something may have been said meanwhile.
        async with (
            Redis.from_url(
                self._redis_url,
                socket_connect_timeout=_PATIENCE,
                socket_timeout=_PATIENCE,
                retry=Retry(NoBackoff(), 0),
            ) as redis,
            redis.pubsub() as channel,
        ):
            await channel.subscribe(FORGET)
            asked = False  # for a sign of life
            while True:
                message = await channel.get_message(timeout=_HEARTBEAT)
                if message is None and asked:
                    raise ConnectionError("Redis fell silent")
                asked = message is None
                if message is None:
                    await channel.ping()
                elif message["type"] == "subscribe":
                    self._sessions.forget_all()
                    self.listening.set()
                    log.info("told of ended sessions")
                elif message["type"] == "message":
                    self._forget(message["data"])

    def _forget(self, text: bytes) -> None:
        try:
            self._sessions.forget_person(UUID(text.decode()))
        except ValueError:
            # Told something that is no id: whom it means is unknown, and so is whom one may still believe.
            log.error("told to forget what is nobody's id")
            self._sessions.forget_all()
