"""``./clipstead bench gateway``: what the gateway costs, beside the service alone and beside nginx as a plain proxy.

All three answer the same signed-in person's ``GET /presets``, whose service has next to nothing to do, so that little hides
behind it. nginx passes on a service token that was made before; the gateway finds out who is asking, counts against the rate
limits in Redis, and signs a token of its own for each request. Client, gateway, service and servers share this machine.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from infra.onehost import load, running, webapp
from infra.onehost.bench import own_place, processes_of, until
from infra.onehost.place import Place
from infra.onehost.secrets import GATEWAY
from infra.onehost.servers import free_port
from infra.onehost.topology import PORTS
from libs.web.tokens import HEADER, LIFETIME, Asked, Signer

__all__ = ["measure", "unlimited"]

SERVICE, PATH = "render", "/v1/presets"
ROUNDS = 5
LINES = 16  # connections at once
FULL_SECONDS = 2.0  # of each round, at all that each carries
STEADY_SECONDS, RATE = 3.0, 100.0  # requests a second at the moderate rate
ALONE_SECONDS = 1.5  # with one connection
LIMITS = ("ADDRESS", "USER", "KEY", "SIGN_IN", "EMAIL", "SIGN_UP")

Answer = Callable[[], load.Asking]


@dataclass
class _Way:
    """A way to the service, and what was measured of it, round by round."""

    asking: Answer
    processes: list[psutil.Process]
    behind: list[psutil.Process]  # all others that work for an answer: the service, and what the gateway asks
    per_core_s: list[float] = field(default_factory=list)  # answers for a second of one core of the processes
    per_s: list[float] = field(default_factory=list)
    whole_per_core_s: list[float] = field(default_factory=list)  # and of those behind, too
    steady: dict[int, list[float]] = field(default_factory=lambda: {50: [], 99: []})  # milliseconds by percentile
    alone: list[float] = field(default_factory=list)  # milliseconds, the median

    def measure(self) -> None:
        """One round."""
        before, behind, began = _cpu(self.processes), _cpu(self.behind), time.perf_counter()
        answers = len(load.run(load.together(self.asking, LINES, FULL_SECONDS)))
        seconds, used = time.perf_counter() - began, _cpu(self.processes) - before
        whole = used + _cpu(self.behind) - behind
        self.per_s.append(answers / seconds)
        self.per_core_s.append(answers / used if used else 0.0)
        self.whole_per_core_s.append(answers / whole if whole else 0.0)
        steady = load.run(load.at_a_rate(self.asking(), RATE, STEADY_SECONDS))
        for percent, found in self.steady.items():
            found.append(load.percentile(steady, percent))
        self.alone.append(load.percentile(load.run(load.together(self.asking, 1, ALONE_SECONDS)), 50))


def measure() -> dict[str, Any]:
    """Measure; the keys are those of the JSON that is printed. Those of nginx are null where it isn't installed."""
    webapp.build_if_stale()
    with ExitStack() as stack:
        stack.enter_context(unlimited())
        place = stack.enter_context(own_place())
        running.start(place)
        token = _token(place)
        service = place.port + PORTS[SERVICE][0]
        rendering = processes_of(place, SERVICE)
        asked = [process for name in ("auth", "valkey") for process in processes_of(place, name)]
        ways = {
            "direct": _Way(lambda: load.request(f"http://127.0.0.1:{service}{PATH}", headers=token()), [], rendering),
            "gateway": _Way(_signed_in(place), processes_of(place, GATEWAY), [*rendering, *asked]),
        }
        if shutil.which("nginx"):
            port, nginx = stack.enter_context(_nginx(service))
            passed_on = lambda: load.request(f"http://127.0.0.1:{port}{PATH}", headers=token())  # noqa: E731
            ways["nginx"] = _Way(passed_on, nginx, rendering)
        for way in ways.values():  # warm up
            load.run(load.together(way.asking, LINES, 1.0))
        for _ in range(ROUNDS):
            for way in ways.values():
                way.measure()
    return _result(ways)


def _result(ways: dict[str, _Way]) -> dict[str, Any]:
    direct, gateway, nginx = ways["direct"], ways["gateway"], ways.get("nginx")
    median = statistics.median
    return {
        "direct_per_s": round(median(direct.per_s), 1),
        "gateway_per_s": round(median(gateway.per_s), 1),
        "nginx_per_s": round(median(nginx.per_s), 1) if nginx else None,
        "added_p50_ms": _added(gateway.steady[50], direct.steady[50]),
        "added_p99_ms": _added(gateway.steady[99], direct.steady[99]),
        "added_alone_ms": _added(gateway.alone, direct.alone),  # the median with one connection
        "nginx_added_p50_ms": _added(nginx.steady[50], direct.steady[50]) if nginx else None,
        "gateway_per_core_s": round(median(gateway.per_core_s), 1),
        "nginx_per_core_s": round(median(nginx.per_core_s), 1) if nginx else None,
        "vs_nginx": round(median(gateway.per_core_s) / median(nginx.per_core_s), 3) if nginx else None,
        # The same of all processes that work for an answer, the service among them: what an operator pays.
        "whole_vs_nginx": round(median(gateway.whole_per_core_s) / median(nginx.whole_per_core_s), 3)
        if nginx
        else None,
        "rate_per_s": RATE,
        "connections": LINES,
        "rounds": ROUNDS,
        "cores": os.cpu_count(),
    }


def _added(one: list[float], other: list[float]) -> float:
    """What the one takes longer, in milliseconds: the median of the rounds' differences."""
    return round(statistics.median(mine - theirs for mine, theirs in zip(one, other, strict=True)), 3)


@contextmanager
def unlimited() -> Iterator[None]:
    """Have a platform that is started within limit no rates."""
    variables = {f"CLIPSTEAD_{name}_LIMIT": "1000000/second" for name in LIMITS}
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _token(place: Place) -> Callable[[], dict[str, str]]:
    """The header with which the gateway's key lets the client in, made anew before it is too old."""
    signer = Signer(GATEWAY, (place.secrets / GATEWAY / "service_key").read_text())
    person = httpx.get(f"{place.url}/api/v1/session", cookies=_cookies(place), trust_env=False).json()["user"]
    made: dict[str, str] = {}
    fresh_until = 0.0

    def header() -> dict[str, str]:
        nonlocal fresh_until
        if time.monotonic() > fresh_until:
            fresh_until = time.monotonic() + LIFETIME / 2
            asked = Asked.with_body("GET", PATH, b"")
            made[HEADER] = signer.sign(SERVICE, asked, acting=person["id"], scopes=person["scopes"])
        return made

    return header


def _cookies(place: Place) -> dict[str, str]:
    account = {"email": f"{secrets.token_hex(6)}@clipstead.dev", "password": secrets.token_urlsafe(18)}
    answer = httpx.post(f"{place.url}/api/v1/auth/sign-up", json=account, trust_env=False)
    answer.raise_for_status()
    return dict(answer.cookies)


def _signed_in(place: Place) -> Answer:
    cookie = "; ".join(f"{name}={value}" for name, value in _cookies(place).items())
    asking = load.request(f"http://127.0.0.1:{place.port}/api{PATH}", headers={"Cookie": cookie})
    return lambda: asking


def _cpu(processes: list[psutil.Process]) -> float:
    return sum(times.user + times.system for times in (process.cpu_times() for process in processes))


NGINX = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 512; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  keepalive_requests 1000000;
  upstream service {{ server 127.0.0.1:{service}; keepalive 32; keepalive_requests 1000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://service; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
}}
"""


@contextmanager
def _nginx(service: int) -> Iterator[tuple[int, list[psutil.Process]]]:
    """Run nginx before a service; its port and processes."""
    with tempfile.TemporaryDirectory(prefix="clipstead-bench-") as name:
        folder, port = Path(name), free_port()
        folder.chmod(0o755)  # its worker is another user where this is root
        configuration = folder / "nginx.conf"
        configuration.write_text(NGINX.format(folder=folder, port=port, service=service))
        process = subprocess.Popen(["nginx", "-c", str(configuration), "-e", "stderr"])  # noqa: S607  any nginx will do
        try:
            until(lambda: _listens(port), 20)
            family = psutil.Process(process.pid)
            until(lambda: len(family.children()) == 1, 20)
            yield port, [family, *family.children()]
        finally:
            process.terminate()
            process.wait(20)


def _listens(port: int) -> bool:
    with socket.socket() as line:
        return line.connect_ex(("127.0.0.1", port)) == 0
