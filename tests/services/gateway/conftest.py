"""A gateway on a real port, before tiny services on real ports, with a real Valkey."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
import redis

from gateway.app import create
from gateway.settings import GatewaySettings
from infra.onehost.servers import Valkey
from tests.factories.services import Keys, served
from tests.services.gateway.services import Auth, Service, make_services

SECRET = "0123456789abcdef0123456789abcdef"

Start = Callable[..., str]


@pytest.fixture(scope="session")
def running(keys: Keys) -> Iterator[dict[str, Service]]:
    """All services, served for the whole session."""
    with ExitStack() as stack:
        made = make_services(keys.folder)
        for service in made.values():
            service.url = stack.enter_context(served(service.app))
        yield made
        for service in made.values():
            service.go_on.set()


@pytest.fixture
def services(running: dict[str, Service]) -> Iterator[dict[str, Service]]:
    """The services, with no memory of other tests."""
    for service in running.values():
        service.forget()
    yield running
    for service in running.values():
        service.go_on.set()


@pytest.fixture
def auth(services: dict[str, Service]) -> Auth:
    return cast("Auth", services["auth"])


@pytest.fixture
def gateway(services: dict[str, Service], valkey: Valkey, keys: Keys, tmp_path: Path) -> Iterator[Start]:
    """Start a gateway with some settings changed; its address."""
    with redis.Redis.from_url(valkey.url) as connection:
        connection.flushall()
    with ExitStack() as stack:

        def start(**changed: Any) -> str:
            settings: dict[str, Any] = {
                "redis_url": valkey.url,
                "service_key": keys.private["gateway"],
                "csrf_secret": SECRET,
                "service_urls": {name: service.url for name, service in services.items()},
                "web_dist": tmp_path / "dist",
            }
            return stack.enter_context(served(create(GatewaySettings(**settings | changed))))

        yield start


@pytest.fixture
def connect(gateway: Start) -> Iterator[Callable[..., httpx.Client]]:
    """Start a gateway with some settings changed; a client of it."""
    with ExitStack() as stack:

        def make(**changed: Any) -> httpx.Client:
            return stack.enter_context(httpx.Client(base_url=gateway(**changed), trust_env=False, timeout=20))

        yield make


@pytest.fixture
def client(connect: Callable[..., httpx.Client]) -> httpx.Client:
    """A client of a gateway with the usual settings."""
    return connect()
