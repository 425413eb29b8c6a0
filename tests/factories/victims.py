"""PostgreSQL and Valkey on a port of their own, to be killed, frozen and brought back."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from infra.onehost.servers import Postgres, Valkey, free_port

__all__ = ["Victim", "postgres_victim", "valkey_victim"]

PASSWORD = "v" * 32
START_LIMIT = 60.0  # seconds


class Victim:
    """A server process that bad things happen to. It keeps its port and its folder."""

    def __init__(self, server: Postgres | Valkey, log: Path) -> None:
        self.server = server
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Run it, and return when it answers."""
        identity: dict[str, Any] = self.server.identity if isinstance(self.server, Postgres) else {}
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                self.server.command(), stdout=output, stderr=output, start_new_session=True, cwd="/", **identity
            )
        limit = time.monotonic() + START_LIMIT
        while not self.server.answers():
            assert self._process.poll() is None, self._log.read_text()[-2000:]
            assert time.monotonic() < limit, "it did not start in time"
            threading.Event().wait(0.05)

    def kill(self) -> None:
        """SIGKILL it with all its children, and return when they are gone."""
        family = self._family()
        for process in family:
            _send(process, signal.SIGKILL)
        if self._process is not None:
            self._process.wait(20)
        psutil.wait_procs(family, timeout=20)
        self._process = None

    def freeze(self) -> None:
        """SIGSTOP it with all its children: connections are taken by the kernel, and nobody answers."""
        for process in self._family():
            _send(process, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        for process in self._family():
            _send(process, signal.SIGCONT)

    def _family(self) -> list[psutil.Process]:
        if self._process is None:
            return []
        try:
            first = psutil.Process(self._process.pid)
            return [first, *first.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []


def _send(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return  # PostgreSQL's children come and go


@contextmanager
def _running(server: Postgres | Valkey, log: Path) -> Iterator[Victim]:
    victim = Victim(server, log)
    victim.start()
    try:
        yield victim
    finally:
        victim.thaw()
        victim.kill()


@contextmanager
def postgres_victim(folder: Path) -> Iterator[Victim]:
    """A cluster of its own. ``folder`` must be reachable for PostgreSQL's own user (see ``databases``)."""
    server = Postgres(folder / "postgres", free_port(), PASSWORD, durable=False)
    server.prepare()
    with _running(server, folder / "postgres.log") as victim:
        yield victim


@contextmanager
def valkey_victim(folder: Path) -> Iterator[Victim]:
    """A Valkey of its own."""
    with _running(Valkey(free_port(), PASSWORD, folder / "valkey"), folder / "valkey.log") as victim:
        yield victim
