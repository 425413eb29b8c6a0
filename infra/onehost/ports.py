"""Whether the wanted ports are free, and if not, who has them."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from dataclasses import dataclass

import psutil

__all__ = ["Taken", "taken"]


@dataclass(frozen=True)
class Taken:
    """A port that somebody else has."""

    port: int
    wanted_by: str
    held_by: str  # empty where the system doesn't tell

    def __str__(self) -> str:
        holder = f"is in use by {self.held_by}" if self.held_by else "is in use"
        return f"Port {self.port} {holder}, and {self.wanted_by} wants it."


def taken(wanted: Iterable[tuple[str, int]]) -> list[Taken]:
    """Of these (process, port) pairs, those that can't be had on the loopback."""
    return [Taken(port, name, _holder(port)) for name, port in wanted if not _is_free(port)]


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: connections that linger from the last run don't count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _holder(port: int) -> str:
    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:  # macOS shows them to root alone
        return ""
    for connection in connections:
        listens = connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port
        if listens and connection.pid:
            return _describe(connection.pid)
    return ""


def _describe(pid: int) -> str:
    try:
        return f"{psutil.Process(pid).name()} (process {pid})"
    except psutil.Error:
        return f"process {pid}"
