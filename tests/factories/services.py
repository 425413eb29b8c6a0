"""A service under test: its own schema in a real PostgreSQL, its real HTTP server on the loopback, its peers stubbed."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import psycopg
import uvicorn

from infra.onehost.secrets import make_key
from infra.onehost.servers import Postgres, free_port
from libs.contracts.events import EVENTS, Event
from libs.contracts.subscriptions import SERVICES
from libs.database import new_id
from libs.database.bootstrap import bootstrap, role_of
from libs.database.migrate import migrate
from libs.web.tokens import HEADER, Asked, Signature, Signer
from tests.factories.loopback import LoopbackServer

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "p" * 32


class Keys:
    """Service keys of everybody, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.private: dict[str, str] = {}
        for name in (*SERVICES, "gateway"):
            self.private[name], public = make_key()
            (folder / f"{name}.pub").write_text(public)

    def signer(self, name: str) -> Signer:
        """Sign in the name of a service."""
        return Signer(name, self.private[name])


@dataclass
class Databases:
    """One PostgreSQL with every service's schema and role; schemas are migrated when first asked for."""

    server: Postgres
    migrated: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        bootstrap(self.server.url, dict.fromkeys(SERVICES, PASSWORD), PASSWORD)

    def url(self, service: str) -> str:
        """The URL that a service would be given."""
        return self._url(role_of(service))

    @property
    def relay_url(self) -> str:
        """The relay's URL."""
        return self._url("clipstead_relay")

    def _url(self, role: str) -> str:
        return f"postgresql://{role}:{PASSWORD}@127.0.0.1:{self.server.port}/clipstead"

    def ready(self, service: str) -> str:
        """Migrate a service's schema if need be, empty its tables, and return its URL."""
        url = self.url(service)
        if service not in self.migrated:
            migrate(service, url, ROOT / "services" / service / "migrations")
            self.migrated.add(service)
        with psycopg.connect(url, autocommit=True) as connection:
            names = [
                row[0]
                for row in connection.execute(
                    "SELECT tablename FROM pg_tables WHERE schemaname = %s AND tablename <> 'alembic_version'",
                    (service,),
                )
            ]
            if names:
                connection.execute("TRUNCATE " + ", ".join(f'"{name}"' for name in names) + " CASCADE")
        return url


class Stub(LoopbackServer):
    """A peer that answers fixed JSON over real HTTP. ``answers`` maps paths to a body, or to (status, body)."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.requests: list[tuple[str, str]] = []
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                stub.requests.append((self.command, self.path))
                found = stub.answers.get(urlsplit(self.path).path, (404, {"code": "not_found", "detail": "none"}))
                status, body = found if isinstance(found, tuple) else (200, found)
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_POST = do_GET  # noqa: N815  http.server's own name

            def log_message(self, *_: object) -> None:
                """Stay quiet."""

        super().__init__(Handler)


@contextmanager
def served(app: Any) -> Iterator[str]:
    """Serve an ASGI app on a free loopback port, in a thread; gives its URL."""
    port = free_port()
    server = uvicorn.Server(
        uvicorn.Config(
            app, host="127.0.0.1", port=port, log_config=None, proxy_headers=False, timeout_graceful_shutdown=3
        )
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    limit = time.monotonic() + 20
    while not server.started:
        if not thread.is_alive() or time.monotonic() > limit:
            raise RuntimeError("the app under test did not start")
        thread.join(0.02)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        stopping = getattr(getattr(app, "state", None), "stopping", None)
        if stopping is not None:
            stopping.set()
        server.should_exit = True
        thread.join(15)


class Calls:
    """An HTTP client that signs each request for one person, as the gateway would."""

    def __init__(self, base_url: str, service: str, keys: Keys) -> None:
        self._http = httpx.Client(base_url=base_url, timeout=30, trust_env=False)
        self._service = service
        self._keys = keys

    def __call__(
        self,
        method: str,
        path: str,
        *,
        by: UUID | None = None,
        scopes: set[str] | None = None,
        issuer: str = "gateway",
        session_id: UUID | None = None,
        groups: Collection[UUID] = (),
        headers: dict[str, str] | None = None,
        **request: Any,
    ) -> httpx.Response:
        """Send a request in the name of ``by``."""
        auth = Signature(
            self._keys.signer(issuer),
            self._service,
            acting=by,
            scopes=_granted(scopes),
            session_id=session_id,
            groups=groups,
        )
        return self._http.request(method, path, headers=headers, auth=auth, **request)

    def headers(
        self,
        by: UUID | None,
        scopes: set[str] | None = None,
        issuer: str = "gateway",
        session_id: UUID | None = None,
        *,
        method: str,
        path: str,
    ) -> dict[str, str]:
        """The headers that the gateway would add to one request whose body streams, for a client of one's own."""
        asked = Asked(method, path)
        granted = _granted(scopes)
        signer = self._keys.signer(issuer)
        return {HEADER: signer.sign(self._service, asked, acting=by, scopes=granted, session_id=session_id)}

    @property
    def http(self) -> httpx.Client:
        """The bare client."""
        return self._http

    def close(self) -> None:
        """Close connections."""
        self._http.close()


def _granted(scopes: set[str] | None) -> set[str]:
    return {"upload", "read", "write"} if scopes is None else scopes


@dataclass
class UnderTest:
    """A configured service: call its operations in this process, or its HTTP server through ``call``."""

    name: str
    module: Any
    url: str
    database_url: str
    call: Calls
    peers: dict[str, Stub]
    keys: Keys
    home: Path
    worker: Any

    def tell(self, event: Event, times: int = 1) -> None:
        """Deliver an event, as the bus would; ``times`` > 1 delivers the same message again."""
        from libs.bus import Delivery

        message = new_id()
        for _ in range(times):
            self.module.service.actors.handlers[event.name](event, Delivery(message, event.name))

    def do_jobs(self) -> int:
        """Do all due jobs in this thread."""
        return int(self.worker.do_due())

    def told(self, kind: type[Event] | None = None) -> list[Event]:
        """The events in the outbox, oldest first."""
        with psycopg.connect(self.database_url) as connection:
            rows = connection.execute("SELECT topic, body FROM outbox ORDER BY position").fetchall()
        events = [EVENTS[topic].model_validate(body) for topic, body in rows if topic in EVENTS]
        return [event for event in events if kind is None or isinstance(event, kind)]

    def rows(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Read this service's tables."""
        with psycopg.connect(self.database_url) as connection:
            return connection.execute(statement, parameters).fetchall()

    def execute(self, statement: str, *parameters: Any) -> None:
        """Write this service's tables, behind its back (to let time pass, say)."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            connection.execute(statement, parameters)


@contextmanager
def under_test(
    name: str, databases: Databases, keys: Keys, home: Path, redis_url: str, environment: dict[str, str]
) -> Iterator[UnderTest]:
    """Configure a service in this process, serve it, and clean up."""
    import importlib

    from libs import database

    peers = {peer: Stub() for peer in SERVICES if peer != name}
    url = databases.ready(name)
    variables = {
        "CLIPSTEAD_HOME": str(home),
        "CLIPSTEAD_DATABASE_URL": url,
        "CLIPSTEAD_REDIS_URL": redis_url,
        "CLIPSTEAD_STORAGE_URL": f"file://{home}/objects",
        "CLIPSTEAD_SERVICE_KEY": keys.private[name],
        "CLIPSTEAD_SERVICE_PUBLIC_KEYS": str(keys.folder),
        "CLIPSTEAD_SERVICE_URLS": ",".join(f"{peer}={stub.url}" for peer, stub in peers.items()),
        **environment,
    }
    before = {variable: os.environ.get(variable) for variable in variables}
    os.environ.update(variables)
    module = importlib.import_module(f"services.{name}.app")
    forget: Callable[[], None] = module.service.settings.cache_clear
    forget()
    try:
        app = module.service.http()
        worker = None
        if module.service.actors is not None:
            from libs.bus.worker import Worker

            worker = Worker(module.service.actors, redis_url)
        with served(app) as base_url:
            # The app's shutdown disposes the engine of the whole process; the test's own use comes before that.
            call = Calls(base_url, name, keys)
            yield UnderTest(name, module, base_url, url, call, peers, keys, home, worker)
            call.close()
    finally:
        database.dispose()
        for stub in peers.values():
            stub.close()
        for variable, value in before.items():
            if value is None:
                os.environ.pop(variable, None)
            else:
                os.environ[variable] = value
        forget()
