"""The gateway as it is shipped: its own process, its memory, and how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import psutil
import pytest

from infra.onehost.servers import Valkey, free_port
from tests.factories.services import Keys
from tests.services.gateway.conftest import SECRET
from tests.services.gateway.services import CHUNK, Auth, Service
from tests.services.gateway.waiting import wait_until

ROOT = Path(__file__).resolve().parents[3]
MIB = 1 << 20
KEY = {"Authorization": "Bearer csk_all"}


class Running:
    """A gateway process."""

    def __init__(self, environment: dict[str, str], port: int, metrics: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "libs.web", "http", "gateway"], cwd=ROOT, env=environment
        )
        self.metrics = f"http://127.0.0.1:{metrics}/metrics"
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=20)
        wait_until(self.is_ready, 30)

    def is_ready(self) -> bool:
        try:
            return self.client.get("/health/ready").status_code == 200
        except httpx.TransportError:
            assert self.process.poll() is None, "the gateway did not start"
            return False

    def end(self) -> None:
        self.client.close()
        self.process.kill()
        self.process.wait()

    def memory(self) -> int:
        return int(psutil.Process(self.process.pid).memory_info().rss)


@pytest.fixture(scope="module")
def begin(
    running: dict[str, Service], valkey: Valkey, keys: Keys, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], Running]]:
    """Start a gateway process."""
    with ExitStack() as stack:

        def process() -> Running:
            port, metrics = free_port(), free_port()
            environment = os.environ | {
                "CLIPSTEAD_HOME": str(tmp_path_factory.mktemp("home")),
                "CLIPSTEAD_PORT": str(port),
                "CLIPSTEAD_METRICS_PORT": str(metrics),
                "CLIPSTEAD_REDIS_URL": valkey.url,
                "CLIPSTEAD_SERVICE_KEY": keys.private["gateway"],
                "CLIPSTEAD_CSRF_SECRET": SECRET,
                "CLIPSTEAD_SERVICE_URLS": ",".join(f"{name}={service.url}" for name, service in running.items()),
            }
            started = Running(environment, port, metrics)
            stack.callback(started.end)
            return started

        yield process


@pytest.fixture(scope="module")
def gateway_process(begin: Callable[[], Running]) -> Running:
    """A gateway process that several tests share."""
    return begin()


@pytest.fixture(autouse=True)
def _somebody(auth: Auth) -> None:
    auth.admit("csk_all")


def test_large_bodies_cost_no_memory(gateway_process: Running) -> None:
    chunks = 160 * MIB // len(CHUNK)
    before, seen = gateway_process.memory(), []

    def recording() -> Iterator[bytes]:
        for number in range(chunks):
            yield CHUNK
            if number % 200 == 0:
                seen.append(gateway_process.memory())

    headers = KEY | {"Content-Type": "application/offset+octet-stream"}
    reply = gateway_process.client.patch("/api/v1/uploads/u1", content=recording(), headers=headers)
    assert reply.json()["size"] == chunks * len(CHUNK)

    with gateway_process.client.stream("GET", f"/p/film?chunks={chunks}") as delivery:
        for number, _ in enumerate(delivery.iter_raw()):
            if number % 200 == 0:
                seen.append(gateway_process.memory())

    assert max(seen) - before < 24 * MIB


def test_a_player_that_pauses_holds_the_service_back(gateway_process: Running, services: dict[str, Service]) -> None:
    """Backpressure: what nobody reads is not produced, or it would have to be kept somewhere."""
    with gateway_process.client.stream("GET", f"/p/film?chunks={1000 * MIB // len(CHUNK)}") as delivery:
        before = gateway_process.memory()
        next(delivery.iter_raw())
        assert gateway_process.client.get("/health/live").status_code == 200  # others are served meanwhile
        assert gateway_process.memory() - before < 16 * MIB


def test_measurements_have_a_port_of_their_own(gateway_process: Running) -> None:
    reply = gateway_process.client.get("/api/v1/library/0190-secret-looking-id")
    assert "server" not in reply.headers

    told = httpx.get(gateway_process.metrics, trust_env=False).text

    assert 'route="/api/v1/library/{id}"' in told
    assert "0190-secret" not in told


def test_a_stop_lets_requests_finish_and_ends_feeds(begin: Callable[[], Running], services: dict[str, Service]) -> None:
    stopped = begin()
    catalog, client, finished = services["catalog"], stopped.client, []
    slow = threading.Thread(target=lambda: finished.append(client.get("/api/v1/library/slow").status_code))
    with client.stream("GET", "/api/v1/events", headers=KEY) as feed:
        parts = feed.iter_raw()
        next(parts)
        slow.start()
        wait_until(lambda: any(seen.target == "/v1/library/slow" for seen in catalog.seen))

        stopped.process.send_signal(signal.SIGTERM)

        assert list(parts) == []
    catalog.go_on.set()
    slow.join(10)
    assert finished == [200]
    assert stopped.process.wait(10) in (0, -signal.SIGTERM)
