"""What auth says over Redis takes effect at once; without Redis, nothing is believed for more than a few seconds."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest
import redis

from gateway.app import create
from gateway.settings import GatewaySettings
from infra.onehost.servers import running_valkey
from libs.contracts.identity import FORGET
from tests.factories.services import Keys, served
from tests.services.gateway.conftest import settings
from tests.services.gateway.services import Auth, Service
from tests.services.gateway.waiting import wait_until

COOKIE = {"Cookie": "clipstead=browser"}
LONG = 5.0  # seconds: the longest that anything may be believed


class Rig:
    """A gateway that hears of a Valkey, which may go and come back at the same port."""

    def __init__(self, stack: ExitStack, services: dict[str, Service], keys: Keys, folder: Path) -> None:
        self._folder = folder
        self._server = ExitStack()
        stack.callback(self._server.close)
        self.valkey = self._server.enter_context(running_valkey(folder))
        app = create(settings(services, self.valkey, keys, identity_ttl=LONG))
        self.listening = app.state.forgetting.listening
        self.client = stack.enter_context(httpx.Client(base_url=stack.enter_context(served(app)), trust_env=False))
        wait_until(self.listening.is_set)

    def start(self) -> None:
        self._server.enter_context(running_valkey(self._folder, self.valkey))

    def stop(self) -> None:
        self._server.close()

    def tell(self, who: UUID | str) -> None:
        with redis.Redis.from_url(self.valkey.url) as connection:
            assert connection.publish(FORGET, str(who)) == 1, "the gateway listens"

    def code(self, headers: dict[str, str] = COOKIE) -> int:
        return self.client.get("/api/v1/clips", headers=headers).status_code


@pytest.fixture
def rig(services: dict[str, Service], keys: Keys, tmp_path: Path) -> Iterator[Rig]:
    with ExitStack() as stack:
        yield Rig(stack, services, keys, tmp_path)


def test_whom_auth_names_is_forgotten_at_once(rig: Rig, auth: Auth) -> None:
    ada, other = auth.admit("browser"), auth.admit("csk_other")
    other_key = {"Authorization": "Bearer csk_other"}
    assert (rig.code(), rig.code(other_key)) == (200, 200)
    auth.identities.clear()
    assert (rig.code(), rig.code(other_key)) == (200, 200), "believed for a moment"

    began = time.monotonic()
    rig.tell(ada)

    wait_until(lambda: rig.code() == 401, 2)
    assert time.monotonic() - began < 1
    assert rig.code(other_key) == 200, "nobody else is asked about again"
    rig.tell(other)
    wait_until(lambda: rig.code(other_key) == 401, 2)


def test_a_revoked_key_takes_all_along_whom_it_acts_for(rig: Rig, auth: Auth) -> None:
    key = uuid4()
    auth.admit("csk_archive", ("delegate",))
    auth.admit("csk_archive", email="bea@example.org", key_id=str(key), delegate="the archive")
    headers = {"Authorization": "Bearer csk_archive", "X-Delegated-User-Email": "bea@example.org"}
    assert rig.code(headers) == 200
    auth.identities.clear()

    rig.tell(key)

    wait_until(lambda: rig.code(headers) == 401, 2)


def test_what_was_said_while_redis_was_away_is_made_up_for(rig: Rig, auth: Auth) -> None:
    auth.admit("browser")
    rig.stop()
    wait_until(lambda: not rig.listening.is_set())
    assert rig.code() == 200
    auth.identities.clear()  # and nobody could tell

    rig.start()

    wait_until(rig.listening.is_set)
    assert rig.code() == 401
    person = auth.admit("browser")
    assert rig.code() == 200
    auth.identities.clear()
    rig.tell(person)  # it listens again
    wait_until(lambda: rig.code() == 401, 2)


def test_without_redis_nothing_is_believed_for_long(rig: Rig, auth: Auth) -> None:
    auth.admit("browser")
    rig.stop()
    assert rig.code() == 200
    auth.identities.clear()
    began = time.monotonic()

    wait_until(lambda: rig.code() == 401, LONG + 3)

    assert time.monotonic() - began < LONG + 1


def test_a_redis_that_hangs_is_noticed(rig: Rig, auth: Auth) -> None:
    """A connection may stand and say nothing: then the gateway asks, and stops relying on it."""
    with redis.Redis.from_url(rig.valkey.url) as connection:
        pid = int(connection.info("server")["process_id"])
    os.kill(pid, signal.SIGSTOP)
    try:
        wait_until(lambda: not rig.listening.is_set(), 20)
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_until(rig.listening.is_set)


def test_what_is_nobodys_id_makes_it_ask_about_everybody(rig: Rig, auth: Auth) -> None:
    auth.admit("browser")
    assert rig.code() == 200
    auth.identities.clear()

    rig.tell("somebody")

    wait_until(lambda: rig.code() == 401, 2)


def test_nobody_may_choose_to_believe_for_longer() -> None:
    with pytest.raises(ValueError, match="identity_ttl"):
        GatewaySettings(identity_ttl=5.1)
