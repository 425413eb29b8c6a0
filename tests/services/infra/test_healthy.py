"""The health check of the containers, against real sockets."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from socket import create_server
from threading import Thread

import pytest

CHECK = Path(__file__).resolve().parents[3] / "infra/healthy.py"


class _Process(BaseHTTPRequestHandler):
    """Answers /ready well and everything else with 503."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/ready" else 503)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), _Process) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def _check(port: int, path: str) -> int:
    return subprocess.run([sys.executable, "-IS", CHECK, str(port), path], capture_output=True, check=False).returncode


def test_a_process_that_is_ready_is_healthy(port: int) -> None:
    assert _check(port, "/ready") == 0


def test_a_process_that_answers_otherwise_is_not(port: int) -> None:
    assert _check(port, "/starting") != 0


def test_a_process_that_does_not_answer_is_not() -> None:
    with create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    assert _check(port, "/ready") != 0
