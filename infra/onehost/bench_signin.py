"""``./clipstead bench signin``: sign-ins a second, and what memory they take when 200 people come at once.

Each hash is slow and large on purpose (Argon2id); ``hashing_at_once`` bounds how many there are, and so the memory. The auth
service is asked directly, with a token of the gateway's for each request.
"""

from __future__ import annotations

import itertools
import json
import os
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import psutil

from infra.onehost import load, running, webapp
from infra.onehost.asking import ask
from infra.onehost.bench import own_place, processes_of
from infra.onehost.place import Place
from infra.onehost.secrets import GATEWAY
from infra.onehost.topology import PORTS
from libs.web.tokens import HEADER, Asked, Signer

__all__ = ["Peak", "measure"]

SERVICE, PATH = "auth", "/v1/auth/sign-in"
PEOPLE = 40
PARALLEL = 200
SECONDS = 15.0
LOOK_EVERY = 0.02  # seconds
MIB = 1 << 20


def measure() -> dict[str, Any]:
    """Measure; the keys are those of the JSON that is printed."""
    webapp.build_if_stale()
    with ExitStack() as stack:
        place = stack.enter_context(own_place())
        running.start(place)
        watched = [*processes_of(place, SERVICE), *processes_of(place, f"{SERVICE}-worker")]
        idle = _memory(watched)
        asking = _signing_in(place)
        with peak(watched) as highest:
            took = load.run(load.together(asking, PARALLEL, SECONDS))
    return {
        "sign_ins_per_s": round(len(took) / SECONDS, 1),
        "p50_ms": round(load.percentile(took, 50)),
        "p99_ms": round(load.percentile(took, 99)),
        "idle_rss_mib": round(idle / MIB, 1),
        "peak_rss_mib": round(highest.bytes / MIB, 1),
        "parallel": PARALLEL,
        "cores": os.cpu_count(),
    }


class Peak:
    """The most memory that was seen, in bytes."""

    def __init__(self) -> None:
        self.bytes = 0

    def see(self, memory: int) -> None:
        """Look at a reading."""
        self.bytes = max(self.bytes, memory)


@contextmanager
def peak(processes: list[psutil.Process]) -> Iterator[Peak]:
    """Watch the memory of some processes together."""
    highest, over = Peak(), threading.Event()

    def watch() -> None:
        while not over.wait(LOOK_EVERY):
            highest.see(_memory(processes))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield highest
    finally:
        over.set()
        watching.join()


def _memory(processes: list[psutil.Process]) -> int:
    return sum(process.memory_info().rss for process in processes)


def _signing_in(place: Place) -> Callable[[], load.Asking]:
    """People's sign-ins in turn."""
    signer = Signer(GATEWAY, (place.secrets / GATEWAY / "service_key").read_text())
    url = f"http://127.0.0.1:{place.port + PORTS[SERVICE][0]}{PATH}"
    accounts = itertools.cycle([_signed_up(place) for _ in range(PEOPLE)])

    def sign_in() -> load.Asking:
        body = next(accounts)
        token = signer.sign(SERVICE, Asked.with_body("POST", PATH, body))
        return load.request(url, "POST", {HEADER: token, "Content-Type": "application/json"}, body)

    return sign_in


def _signed_up(place: Place) -> bytes:
    """Somebody's address and password, as JSON."""
    account = {"email": f"{secrets.token_hex(6)}@clipstead.dev", "password": secrets.token_urlsafe(18)}
    ask(place, SERVICE, "POST", "/v1/auth/sign-up", json=account)
    return json.dumps(account).encode()
