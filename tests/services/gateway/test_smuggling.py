"""One connection, one reading of what is a request (T24): nobody hides a second request in the body of a first.

The cases are those of the field: lengths that contradict each other, framing written oddly, chunks that end wrongly (h11's
CVE-2025-43859). Each is sent to the gateway as it is shipped, and, where nginx is installed, through it as the edge.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from infra.onehost.servers import Valkey, free_port
from tests.factories.services import Keys
from tests.services.gateway import raw
from tests.services.gateway.conftest import SECRET
from tests.services.gateway.services import Service
from tests.services.gateway.waiting import wait_until

ROOT = Path(__file__).resolve().parents[3]
HIDDEN = b"GET /api/v1/library?hidden HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
PATCH = b"PATCH /api/v1/library/open HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
POST = b"POST /api/v1/auth/sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
PATIENCE = 0.8  # seconds for a second answer to come, where there should be none
CHUNKED = b"Transfer-Encoding: chunked\r\n"


def length(size: int) -> bytes:
    return b"Content-Length: %d\r\n" % size


CASES = {
    "the length says less than the chunks (CL.TE)": PATCH + length(4) + CHUNKED + b"\r\n0\r\n\r\n" + HIDDEN,
    "the chunks say less than the length (TE.CL)": PATCH
    + CHUNKED
    + length(len(HIDDEN) + 5)
    + b"\r\n0\r\n\r\n"
    + HIDDEN,
    "two lengths": PATCH + length(0) + length(len(HIDDEN)) + b"\r\n" + HIDDEN,
    "two lengths in one line": PATCH + b"Content-Length: 0, %d\r\n" % len(HIDDEN) + b"\r\n" + HIDDEN,
    "a length with a sign": PATCH + b"Content-Length: +0\r\n\r\n" + HIDDEN,
    "a length in hexadecimal": PATCH + b"Content-Length: 0x%x\r\n" % len(HIDDEN) + b"\r\n" + HIDDEN,
    "an encoding that is only nearly chunked": PATCH + length(0) + b"Transfer-Encoding: xchunked\r\n\r\n" + HIDDEN,
    "an encoding twice": PATCH + CHUNKED + b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n" + HIDDEN,
    "a space before the colon": PATCH + b"Transfer-Encoding : chunked\r\n" + length(0) + b"\r\n" + HIDDEN,
    "a header that is folded": PATCH + b"Transfer-Encoding:\r\n chunked\r\n" + length(0) + b"\r\n" + HIDDEN,
    "a chunk that ends in two other bytes": PATCH + CHUNKED + b"\r\n2\r\n{}XX0\r\n\r\n" + HIDDEN,
    "a chunk size that overflows": PATCH + CHUNKED + b"\r\nffffffffffffffff0\r\n\r\n" + HIDDEN,
    "a bare line feed in a chunk's extension": PATCH + CHUNKED + b"\r\n2;x\n\r\n{}\r\n0\r\n\r\n" + HIDDEN,
}
PIPELINED = b"GET /api/v1/library?first HTTP/1.1\r\nHost: localhost\r\n\r\n" + HIDDEN


@pytest.fixture(scope="module")
def shipped(
    running: dict[str, Service], valkey: Valkey, keys: Keys, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A gateway process, as it is shipped; its address."""
    port = free_port()
    environment = os.environ | {
        "CLIPSTEAD_HOME": str(tmp_path_factory.mktemp("home")),
        "CLIPSTEAD_PORT": str(port),
        "CLIPSTEAD_REDIS_URL": valkey.url,
        "CLIPSTEAD_SERVICE_KEY": keys.private["gateway"],
        "CLIPSTEAD_CSRF_SECRET": SECRET,
        "CLIPSTEAD_BODY_TIMEOUT": "0.5",
        "CLIPSTEAD_SIGN_IN_LIMIT": "1000/minute",
        "CLIPSTEAD_ADDRESS_LIMIT": "100000/minute",
        "CLIPSTEAD_SERVICE_URLS": ",".join(f"{name}={service.url}" for name, service in running.items()),
    }
    process = subprocess.Popen([sys.executable, "-m", "libs.web", "http", "gateway"], cwd=ROOT, env=environment)
    try:
        wait_until(lambda: answers(f"http://127.0.0.1:{port}"), 30)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(15)


@contextmanager
def nginx(gateway: str, folder: Path) -> Iterator[str]:
    """nginx as the edge configures it, but for TLS and its log, which counts what it passed on."""
    port = free_port()
    own = (ROOT / "infra/edge/clipstead.conf.template").read_text()
    location = own[own.index("    location / {") : own.index("    location /metrics")]
    location = location.replace("http://gateway", gateway)
    (folder / "nginx.conf").write_text(
        f"""
        daemon off; pid {folder}/pid; error_log {folder}/errors; user root;
        events {{}}
        http {{
            access_log off;
            client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
            uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
            log_format passed '$upstream_status $request';
            proxy_request_buffering off; proxy_buffering off;
            server {{
                listen 127.0.0.1:{port};
                access_log {folder}/passed passed;
                {location}
            }}
        }}
        """
    )
    process = subprocess.Popen([str(shutil.which("nginx")), "-p", str(folder), "-c", str(folder / "nginx.conf")])
    try:
        wait_until(lambda: answers(f"http://127.0.0.1:{port}"))
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(15)


@pytest.fixture(scope="module", params=["straight", "through nginx"])
def door(request: pytest.FixtureRequest, shipped: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the requests are sent."""
    with ExitStack() as stack:
        if request.param == "straight":
            yield shipped
        elif shutil.which("nginx") is None:
            pytest.skip("optional: nginx is not installed")
        else:
            yield stack.enter_context(nginx(shipped, tmp_path_factory.mktemp("nginx")))


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/live", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def statuses(address: str, request: bytes) -> list[int]:
    """Send bytes as they are; the status of each answer until the server closes or says nothing more."""
    received = b""
    with raw.opened(address) as connection:
        connection.settimeout(PATIENCE)
        try:
            connection.sendall(request)
            while chunk := connection.recv(65536):
                received += chunk
        except (TimeoutError, ConnectionError):
            pass  # it hung up on us, or waits for more: what came until then counts
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] ([2-5]\d\d) ", received)]


@pytest.mark.parametrize("visible", [PATCH, POST], ids=["refused", "passed on"])
@pytest.mark.parametrize("name", CASES)
def test_nobody_hides_a_request(door: str, services: dict[str, Service], name: str, visible: bytes) -> None:
    """Whether the gateway refuses the visible one before its body is read, or a service gets it."""
    found = statuses(door, CASES[name].replace(PATCH, visible))

    assert len(found) <= 1
    assert not services["catalog"].seen
    assert len(services["auth"].seen) <= 1


def test_two_requests_that_follow_each_other_are_two(door: str, services: dict[str, Service]) -> None:
    """The control: what is a second request is answered as one."""
    assert statuses(door, PIPELINED) == [200, 200]
    assert [seen.target for seen in services["catalog"].seen] == ["/v1/library?first", "/v1/library?hidden"]


def test_the_services_see_as_many_as_the_edge_passed_on(
    shipped: str, services: dict[str, Service], tmp_path: Path
) -> None:
    if shutil.which("nginx") is None:
        pytest.skip("optional: nginx is not installed")
    with nginx(shipped, tmp_path) as edge:
        for request in (*CASES.values(), PIPELINED):
            statuses(edge, request)
        served = {"200", "304"}
        log = tmp_path / "passed"
    passed = [line for line in log.read_text().splitlines() if "/api/v1/" in line and line.split()[0] in served]
    assert len(passed) == len(services["catalog"].seen) >= 2
