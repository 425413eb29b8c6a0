"""HTTP by hand, for requests that no decent client would send."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass
class Answer:
    """A reply, as far as it came."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def opened(address: str) -> socket.socket:
    """A connection to a server."""
    parts = urlsplit(address)
    return socket.create_connection((parts.hostname or "", parts.port or 0), timeout=20)


def ask(address: str, request: bytes) -> Answer:
    """Send bytes as they are, and read what comes until the server closes. The request asks it to close."""
    with opened(address) as connection:
        connection.sendall(request)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Answer(int(first.split()[1]), headers, body)


def get(address: str, target: str | bytes, *headers: str) -> Answer:
    """GET a target that is sent as it is."""
    path = target if isinstance(target, bytes) else target.encode()
    lines = [
        b"GET " + path + b" HTTP/1.1",
        b"Host: localhost",
        b"Connection: close",
        *(line.encode() for line in headers),
    ]
    return ask(address, b"\r\n".join(lines) + b"\r\n\r\n")
