"""The whole platform on one machine, on one page: what runs, on which port, after what, and how one knows that it is ready.

Ports count from CLIPSTEAD_PORT (3000); everything listens on the loopback only.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass

from infra.onehost import webapp
from infra.onehost.place import REPOSITORY, Place
from infra.onehost.ready import Check, answers_http, postmaster_is_ready, replies
from infra.onehost.secrets import GATEWAY, Secrets
from infra.onehost.servers import Postgres, Valkey
from infra.onehost.spawn import Program
from libs.contracts.subscriptions import SERVICES
from libs.database.bootstrap import DATABASE, RELAY, role_of

__all__ = ["Process", "topology"]

#         HTTP, metrics of the worker or, where /metrics must not be public, of the process itself (offsets)
PORTS: dict[str, tuple[int, int | None]] = {
    "gateway": (0, 20),
    "auth": (1, 27),
    "ingest": (2, 21),
    "transcription": (3, 22),
    "highlight": (4, 23),
    "render": (5, 24),
    "catalog": (6, 25),
    "stream": (7, 26),
    "postgres": (10, None),
    "valkey": (11, None),
    "relay": (28, None),
}


@dataclass(frozen=True)
class Process:
    """One line of the topology."""

    name: str
    program: Program
    needs: tuple[str, ...] = ()  # have to be ready (or done) before this one starts
    ready: Check | None = None  # None: runs once, and is ready when it has ended well
    port: int | None = None
    listens: bool = False  # the supervisor binds the port and hands it on, so that it is never closed between two lives
    alive: Check | None = None  # asked now and then once it is ready: a process that hangs is killed
    stage: int = 0  # stops by descending stage
    stop: signal.Signals = signal.SIGTERM
    grace: float = 15.0  # seconds to stop in, before it is killed
    start_limit: float = 90.0  # seconds to become ready in
    memory: int = 0  # MiB that it is granted while idle, its children included; `bench start` tells who takes more
    essential: bool = True  # False: if it fails, the rest goes on


def topology(place: Place) -> list[Process]:
    """Everything that `up` runs, in the order in which it is shown."""
    secrets = Secrets(place.secrets)
    postgres, valkey = servers(place)
    workers = [service for service in SERVICES if PORTS[service][1]]
    prepared = ("postgres", "prepare", "valkey")
    return [
        Process(
            "postgres",
            Program(postgres.command(), env=_plain(), system_user=postgres.system_user, dies_by=signal.SIGINT),
            ready=postmaster_is_ready(postgres.data),
            port=postgres.port,
            stage=0,
            stop=signal.SIGINT,  # PostgreSQL's fast shutdown: roll back, write everything, end
            grace=60,
            memory=80,
        ),
        Process(
            "valkey",
            Program(valkey.command(), env=_plain()),
            ready=replies(valkey.port, f"AUTH {valkey.password}\r\n".encode(), b"+OK"),
            port=valkey.port,
            stage=1,
            memory=15,
        ),
        Process(
            "prepare",  # the database's roles and schemas, then every service's migrations
            Program(module="infra.onehost.prepare", env=_python(place, secrets, "prepare"), folder=REPOSITORY),
            needs=("postgres",),
            stage=3,
        ),
        *(_http(place, secrets, service, needs=prepared) for service in SERVICES),
        *(_worker(place, secrets, service, needs=prepared) for service in workers),
        Process(
            "relay",  # carries each service's outbox to the others
            Program(
                ("relay",), "libs.bus", _python(place, secrets, "relay", metrics=_port(place, "relay")), REPOSITORY
            ),
            needs=prepared,
            ready=answers_http(_port(place, "relay"), "/metrics"),
            alive=answers_http(_port(place, "relay"), "/metrics"),
            port=_port(place, "relay"),
            stage=2,
            memory=60,
        ),
        _http(place, secrets, GATEWAY, needs=("valkey",), stage=5, metrics=_port(place, GATEWAY, worker=True)),
        *_web_application(place),
    ]


def servers(place: Place) -> tuple[Postgres, Valkey]:
    """The two servers that others wrote."""
    secrets = Secrets(place.secrets)
    postgres = Postgres(place.home / "postgres", _port(place, "postgres"), secrets.password("postgres"))
    return postgres, Valkey(_port(place, "valkey"), secrets.password("valkey"), place.home / "valkey")


def tell_addresses(place: Place) -> None:
    """Write the settings that hold both a password and a port, for each process that needs them."""
    secrets = Secrets(place.secrets)
    postgres, valkey = servers(place)
    for service in (*SERVICES, GATEWAY, "relay"):
        secrets.tell(service, "redis_url", valkey.url)
    host = f"127.0.0.1:{postgres.port}/{DATABASE}"
    for service in SERVICES:
        secrets.tell(service, "database_url", f"postgresql://{role_of(service)}:{secrets.password(service)}@{host}")
        secrets.tell(service, "storage_url", (place.home / "objects").as_uri())
    secrets.tell("prepare", "admin_url", postgres.url)
    secrets.tell("relay", "database_url", f"postgresql://{RELAY}:{secrets.password('relay')}@{host}")


def _http(
    place: Place, secrets: Secrets, service: str, needs: Sequence[str], stage: int = 4, metrics: int = 0
) -> Process:
    port = _port(place, service)
    environment = _python(place, secrets, service, port=port, metrics=metrics)
    return Process(
        service,
        Program(("http", service), "libs.web", environment, REPOSITORY),
        needs=tuple(needs),
        ready=answers_http(port, "/health/ready"),
        alive=answers_http(port, "/health/live"),
        port=port,
        listens=True,
        stage=stage,
        memory=70,
    )


def _worker(place: Place, secrets: Secrets, service: str, needs: Sequence[str]) -> Process:
    port = _port(place, service, worker=True)
    environment = _python(place, secrets, service, metrics=port)
    return Process(
        f"{service}-worker",
        Program(("worker", service), "libs.web", environment, REPOSITORY),
        needs=tuple(needs),
        ready=answers_http(port, "/metrics"),
        alive=answers_http(port, "/metrics"),
        port=port,
        stage=3,
        memory=70,
    )


def _web_application(place: Place) -> list[Process]:
    """The browser's side is built while the rest starts, if its sources changed; failing that, the API still serves."""
    if not webapp.is_stale():
        return []
    build = Program(
        module="infra.onehost.webapp", env=_plain() | {"CLIPSTEAD_HOME": str(place.home)}, folder=REPOSITORY
    )
    return [Process("web-build", build, stage=5, start_limit=900, essential=False)]


def _port(place: Place, process: str, *, worker: bool = False) -> int:
    offset = PORTS[process][1 if worker else 0]
    assert offset is not None
    return place.port + offset


def _plain() -> dict[str, str]:
    """The user's environment, less what would slow Python down or lead it astray."""
    return {
        name: value for name, value in os.environ.items() if name not in {"PYTHONDONTWRITEBYTECODE", "PYTHONSTARTUP"}
    }


def _python(place: Place, secrets: Secrets, process: str, *, port: int = 0, metrics: int = 0) -> dict[str, str]:
    """What a Clipstead process is told: everything by the names in ``libs.settings``."""
    urls = ",".join(f"{service}=http://127.0.0.1:{_port(place, service)}" for service in SERVICES)
    return {
        **_plain(),
        **secrets.environment(process),
        "CLIPSTEAD_HOME": str(place.home),
        "CLIPSTEAD_PORT": str(port),
        "CLIPSTEAD_METRICS_PORT": str(metrics),
        "CLIPSTEAD_WORK_DIR": str(place.home / "work" / process),
        "CLIPSTEAD_PUBLIC_URL": place.url,
        "CLIPSTEAD_SERVICE_URLS": urls,
        "CLIPSTEAD_SERVICE_PUBLIC_KEYS": str(secrets.public_keys),
    }
