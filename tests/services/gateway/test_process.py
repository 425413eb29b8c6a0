"""The gateway as it is shipped: its own process, its memory, and how it ends."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import psutil
import pytest
from prometheus_client import REGISTRY
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from gateway.app import create
from infra.onehost.servers import Valkey, free_port
from libs.web.observe import Observe
from tests.factories.services import Keys, served
from tests.services.gateway.conftest import SECRET, settings
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


def told(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


class Deployed:
    """A catalog that may be about to stop, as ``libs.web`` has it, and that answers what it is told to."""

    def __init__(self) -> None:
        self.stopping = asyncio.Event()
        self.status = 200
        app = Starlette(routes=[Route("/v1/library/torn", self.tear), Route("/{path:path}", self.answer)])
        self.app = Observe(app, "catalog", self.stopping)

    async def answer(self, _: Request) -> Response:
        return Response(status_code=self.status)

    async def tear(self, _: Request) -> Response:
        async def half() -> AsyncIterator[bytes]:
            yield CHUNK
            raise ConnectionResetError("it was killed before it was done")

        return StreamingResponse(half(), headers={"Content-Length": str(2 * len(CHUNK))})


def test_what_fails_while_a_service_stops_is_counted_as_the_deploys(
    running: dict[str, Service], valkey: Valkey, keys: Keys
) -> None:
    def failed() -> float:
        return told("requests_failed_during_deploy_total", service="catalog") - before

    before, old = told("requests_failed_during_deploy_total", service="catalog"), Deployed()
    with ExitStack() as stack:
        catalog = stack.enter_context(ExitStack())
        urls = {name: service.url for name, service in running.items()} | {
            "catalog": catalog.enter_context(served(old.app))
        }
        address = stack.enter_context(served(create(settings(running, valkey, keys, service_urls=urls))))
        client = stack.enter_context(httpx.Client(base_url=address, trust_env=False, timeout=20, headers=KEY))
        old.status = 503
        assert client.get("/api/v1/library").status_code == 503
        assert failed() == 0  # that was no deploy

        old.stopping.set()
        assert client.get("/api/v1/library").status_code == 503
        assert failed() == 1
        old.status = 200
        assert client.get("/api/v1/library").status_code == 200
        assert failed() == 1
        with pytest.raises(httpx.RemoteProtocolError):
            client.get("/api/v1/library/torn")
        assert failed() == 2

        catalog.close()
        assert client.get("/api/v1/library").status_code == 503  # it is gone, and no other has come
        assert failed() == 3


def test_what_a_stopping_gateway_breaks_off_is_counted(
    services: dict[str, Service], valkey: Valkey, keys: Keys
) -> None:
    before, outcome = told("requests_failed_during_deploy_total", service="gateway"), []

    def ask(address: str) -> None:
        try:
            outcome.append(httpx.get(f"{address}/api/v1/library/slow", headers=KEY, trust_env=False, timeout=20))
        except httpx.TransportError as error:
            outcome.append(error)

    with served(create(settings(services, valkey, keys))) as address:
        slow = threading.Thread(target=ask, args=(address,))
        slow.start()
        wait_until(lambda: any(seen.target == "/v1/library/slow" for seen in services["catalog"].seen))
    slow.join(10)
    assert isinstance(outcome[0], httpx.TransportError) or outcome[0].status_code >= 500
    assert told("requests_failed_during_deploy_total", service="gateway") == before + 1


def test_a_gateway_that_is_not_ready_counts_that(running: dict[str, Service], valkey: Valkey, keys: Keys) -> None:
    app = create(settings(running, valkey, keys))
    with served(app) as address:
        before = told("probe_failures_total", service="gateway", probe="ready")
        assert httpx.get(f"{address}/health/ready", trust_env=False).status_code == 200
        assert told("probe_failures_total", service="gateway", probe="ready") == before
        app.state.stopping.set()
        assert httpx.get(f"{address}/health/ready", trust_env=False).status_code == 503
        assert httpx.get(f"{address}/health/live", trust_env=False).status_code == 200
    assert told("probe_failures_total", service="gateway", probe="ready") == before + 1
