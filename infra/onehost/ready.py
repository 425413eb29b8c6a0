"""How to tell that a process is ready. Each check is asked again and again until it says yes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

__all__ = ["Check", "answers_http", "postmaster_is_ready", "replies"]

ANSWER_LIMIT = 5.0  # seconds that one question may take

Check = Callable[[int], Awaitable[bool]]
"""Given the process's id, tells whether it is ready. Never raises for a process that isn't."""


def answers_http(port: int, path: str) -> Check:
    """Ready when this path on the loopback answers 200."""
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode()

    async def check(_pid: int) -> bool:
        reply = await _ask(port, request)
        return reply.startswith(b"HTTP/1.") and reply[9:12] == b"200"

    return check


def replies(port: int, message: bytes, expected: bytes) -> Check:
    """Ready when the port answers a message with a line that begins as expected."""

    async def check(_pid: int) -> bool:
        return (await _ask(port, message)).startswith(expected)

    return check


def postmaster_is_ready(data: Path) -> Check:
    """Ready when PostgreSQL says so in its pid file, as ``pg_ctl --wait`` reads it (line 1: the process, line 8: status)."""

    async def check(pid: int) -> bool:
        try:
            lines = (data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"

    return check


async def _ask(port: int, message: bytes) -> bytes:
    """Send a message and read one line; empty where nobody answers in time."""
    try:
        async with asyncio.timeout(ANSWER_LIMIT):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(message)
                return await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return b""
