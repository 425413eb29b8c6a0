"""Tells every gateway at once that nothing may be believed of somebody any longer. Without Redis their caches run out."""

from __future__ import annotations

import time
from functools import cache
from uuid import UUID

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from libs.contracts.identity import FORGET
from libs.patience import Breaker
from libs.telemetry import log
from services.auth.settings import settings

__all__ = ["forget"]

PATIENCE = 0.2  # seconds: whoever signs out must not wait for a Redis that is away

_breaker = Breaker(2, 5.0)


def forget(*user_ids: UUID) -> None:
    """Have what gateways believe of these people forgotten. To be called once the change is committed."""
    if not _breaker.admits(time.monotonic()):
        return
    try:
        client = _client(settings().redis_url.get_secret_value())
        for user_id in user_ids:
            client.publish(FORGET, str(user_id))
    except redis.RedisError as error:
        _breaker.failed(time.monotonic())
        log.warning("gateways will forget by themselves: Redis is away", extra={"error": str(error)})
    else:
        _breaker.succeeded()


@cache
def _client(url: str) -> redis.Redis:
    return redis.Redis.from_url(
        url, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE, retry=Retry(NoBackoff(), 0)
    )
