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


def settings(services: dict[str, Service], valkey: Valkey, keys: Keys, **changed: Any) -> GatewaySettings:
    usual: dict[str, Any] = {
        "redis_url": valkey.url,
        "service_key": keys.private["gateway"],
        "csrf_secret": SECRET,
        "service_urls": {name: service.url for name, service in services.items()},
    }
    return GatewaySettings(**usual | changed)


@pytest.fixture(scope="session")
def standing(running: dict[str, Service], valkey: Valkey, keys: Keys) -> Iterator[str]:
    """A gateway that remembers no identities and limits no rates, for all tests that change no settings; its address."""
    endless = dict.fromkeys(("sign_in_limit", "sign_up_limit", "import_limit", "email_limit"), "1000000/minute")
    with served(create(settings(running, valkey, keys, identity_ttl=0, **endless))) as address:
        yield address


@pytest.fixture
def address(standing: str, services: dict[str, Service]) -> str:
    """The standing gateway's address."""
    del services
    return standing


@pytest.fixture
def client(address: str) -> Iterator[httpx.Client]:
    """A client of the standing gateway."""
    with httpx.Client(base_url=address, trust_env=False, timeout=20) as made:
        yield made


@pytest.fixture
def connect(
    services: dict[str, Service], valkey: Valkey, keys: Keys, tmp_path: Path
) -> Iterator[Callable[..., httpx.Client]]:
    """Start a gateway of one's own with some settings changed; a client of it. Nothing was counted before."""
    with redis.Redis.from_url(valkey.url) as connection:
        connection.flushall()
    with ExitStack() as stack:

        def make(**changed: Any) -> httpx.Client:
            chosen = settings(services, valkey, keys, **{"web_dist": tmp_path / "dist"} | changed)
            address = stack.enter_context(served(create(chosen)))
            return stack.enter_context(httpx.Client(base_url=address, trust_env=False, timeout=20))

        yield make
