"""Redis is gone, frozen, slow, full or emptied: the API takes everything, waits for nothing, and work goes on afterwards."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest
import redis

from gateway.app import create
from gateway.settings import GatewaySettings
from libs.bus.relay import Relay
from libs.database import new_id
from tests.factories.faultproxy import Blackhole, Clear, FaultProxy, Latency, Reset
from tests.factories.platform import wait_until
from tests.factories.recordings import tone
from tests.factories.services import Databases, Keys, UnderTest, served
from tests.factories.victims import Victim, valkey_victim

ME = new_id()
MOST_ADDED = 0.5  # seconds that a request may take longer because Redis hangs
TUS = {"Tus-Resumable": "1.0.0"}
SOON = 15.0  # seconds from Redis's return to the work being done: Dramatiq itself looks again after some

Gateway = Callable[..., httpx.Client]
Breaking = Callable[[Victim, FaultProxy], Callable[[], None]]


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[Victim]:
    with valkey_victim(tmp_path) as made:
        yield made


@pytest.fixture
def proxy(victim: Victim) -> Iterator[FaultProxy]:
    with FaultProxy("127.0.0.1", victim.server.port) as made:
        yield made
        made.fault = Reset()


@pytest.fixture
def way(victim: Victim, proxy: FaultProxy) -> str:
    """The Redis URL that leads through the proxy."""
    return victim.server.url.replace(f":{victim.server.port}/", f":{proxy.port}/")


def kill(victim: Victim, proxy: FaultProxy) -> Callable[[], None]:
    victim.kill()
    return victim.start


def freeze(victim: Victim, proxy: FaultProxy) -> Callable[[], None]:
    victim.freeze()
    return victim.thaw


def swallow(victim: Victim, proxy: FaultProxy) -> Callable[[], None]:
    proxy.fault = Blackhole()
    return lambda: setattr(proxy, "fault", Clear())


def slow(victim: Victim, proxy: FaultProxy) -> Callable[[], None]:
    proxy.fault = Latency(0.4)
    return lambda: setattr(proxy, "fault", Clear())


def empty(victim: Victim, proxy: FaultProxy) -> Callable[[], None]:
    with redis.Redis.from_url(victim.server.url) as connection:
        connection.flushall()
    return lambda: None


def fill(victim: Victim, proxy: FaultProxy) -> Callable[[], None]:
    """Leave it no byte to write to."""
    with redis.Redis.from_url(victim.server.url) as connection:
        connection.config_set("maxmemory", "1")

    def mend() -> None:
        with redis.Redis.from_url(victim.server.url) as connection:
            connection.config_set("maxmemory", "256mb")

    return mend


WAYS = pytest.mark.parametrize("go_wrong", [kill, freeze, swallow, slow, empty, fill])


@pytest.fixture
def gateway(keys: Keys, tmp_path: Path) -> Iterator[Gateway]:
    """Start a gateway without services: what it answers itself is enough to be counted."""
    with ExitStack() as stack:

        def make(url: str, **changed: Any) -> httpx.Client:
            settings = GatewaySettings(
                redis_url=url,
                service_key=keys.private["gateway"],
                csrf_secret="0123456789abcdef" * 2,
                service_urls={},
                web_dist=tmp_path / "dist",
                **changed,
            )
            address = stack.enter_context(served(create(settings)))
            return stack.enter_context(httpx.Client(base_url=address, trust_env=False, timeout=20))

        yield make


def timed(client: httpx.Client) -> tuple[int, float]:
    started = time.monotonic()
    code = client.get("/api/v1/session").status_code
    return code, time.monotonic() - started


@WAYS
def test_no_request_waits_for_redis(
    gateway: Gateway, way: str, victim: Victim, proxy: FaultProxy, go_wrong: Breaking
) -> None:
    client = gateway(way)
    usual = max(timed(client) for _ in range(5))[1]
    mend = go_wrong(victim, proxy)
    try:
        answers = [timed(client) for _ in range(20)]
    finally:
        mend()
    assert {code for code, _ in answers} == {200}
    assert max(seconds for _, seconds in answers) < usual + MOST_ADDED
    assert sum(seconds for _, seconds in answers) < 20 * usual + 3 * MOST_ADDED  # and most not at all


@pytest.mark.parametrize("go_wrong", [kill, swallow, fill])
def test_who_guesses_is_slowed_down_all_the_same(
    gateway: Gateway, way: str, victim: Victim, proxy: FaultProxy, go_wrong: Breaking
) -> None:
    client = gateway(way, address_limit="5/minute")
    mend = go_wrong(victim, proxy)
    try:
        codes = [client.get("/api/v1/session").status_code for _ in range(9)]
    finally:
        mend()
    assert codes == [200] * 5 + [429] * 4


def test_limits_are_shared_again_once_redis_is_back(gateway: Gateway, way: str, proxy: FaultProxy) -> None:
    one, other = gateway(way, address_limit="3/minute"), gateway(way, address_limit="3/minute")
    proxy.fault = Blackhole()
    assert [client.get("/api/v1/session").status_code for client in (one, other, one)] == [200] * 3
    proxy.fault = Clear()

    def counted_together() -> bool:
        codes = [client.get("/api/v1/session").status_code for client in (one, other)]
        with redis.Redis(port=proxy.port, password="v" * 32) as connection:
            return codes == [429, 429] and bool(connection.keys("*"))

    wait_until(counted_together, 20)


@contextmanager
def relayed(databases: Databases, url: str) -> Iterator[None]:
    """Run a relay as it runs in a process of its own."""
    relay = Relay(databases.relay_url, url, services=("ingest",))
    thread = threading.Thread(target=relay.run)
    thread.start()
    try:
        yield
    finally:
        relay.stop()
        thread.join(30)
        assert not thread.is_alive()


@WAYS
def test_an_upload_is_taken_and_its_work_done_when_redis_is_back(
    start: Callable[..., UnderTest],
    databases: Databases,
    way: str,
    victim: Victim,
    proxy: FaultProxy,
    go_wrong: Breaking,
) -> None:
    ingest = start("ingest", CLIPSTEAD_REDIS_URL=way, CLIPSTEAD_DISK_RESERVE="0")
    from libs.bus.worker import Worker

    worker = Worker(ingest.module.service.actors, way)
    worker.start()
    with relayed(databases, way):
        try:
            done(ingest, uploaded(ingest))  # everything is connected
            mend = go_wrong(victim, proxy)
            started = time.monotonic()
            media_id = uploaded(ingest)
            assert time.monotonic() - started < 3
            mend()
            done(ingest, media_id)
        finally:
            proxy.fault = Clear()
            worker.stop(timeout=5)


def uploaded(ingest: UnderTest) -> UUID:
    data = tone(0.5)
    created = ingest.call("POST", "/v1/uploads", by=ME, headers=TUS | {"Upload-Length": str(len(data))})
    assert created.status_code == 201, created.text
    path = created.headers["Location"].removeprefix("/api")
    headers = TUS | {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    assert ingest.call("PATCH", path, by=ME, headers=headers, content=data).status_code == 204
    return UUID(path.rpartition("/")[2])


def done(ingest: UnderTest, media_id: UUID) -> None:
    def received() -> bool:
        with closing(psycopg.connect(ingest.database_url)) as connection:
            row = connection.execute("SELECT state FROM recordings WHERE id = %s", (media_id,)).fetchone()
        return row == ("received",)

    wait_until(received, SOON)
