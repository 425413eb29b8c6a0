"""The service factory: every service gets the same health, telemetry, tokens, problems and shutdown from here."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import prometheus_client
import uvicorn
from fastapi import APIRouter, Depends, FastAPI, Request, Response
from pydantic import BaseModel, Field
from starlette.types import ASGIApp

from libs import database, disk, faults, storage, telemetry
from libs.bus import Actors
from libs.settings import ServiceSettings, SharedSettings
from libs.storage.sweeping import Report
from libs.telemetry import log
from libs.web import answers, exporting, idempotency, peers
from libs.web.access import Internal, authenticate
from libs.web.observe import Observe
from libs.web.operating import jobs_router
from libs.web.problems import Unavailable
from libs.web.replays import Replays
from libs.web.tokens import Verifier

__all__ = ["GRACE", "Service", "serve"]

GRACE = 5  # seconds that open requests get at shutdown; uploads resume, players ask for the rest
LINGER = 0.3  # seconds in which requests that are on their way over open connections come in before these are closed
ALWAYS_OPEN = ("/health", "/metrics", "/openapi.json")

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


class Sweep(BaseModel):
    """How old an orphan has to be, in seconds, and whether reported ones are to go."""

    grace: Annotated[float, Field(ge=0)]
    apply: bool = False


@dataclass(frozen=True)
class Service:
    """A service as its ``app.py`` composes it. ``public`` are path prefixes that need no service token."""

    name: str
    settings: Callable[[], ServiceSettings]
    routers: Sequence[APIRouter]
    actors: Actors | None = None
    system: Callable[[], dict[str, Any]] | None = None  # what this service chose for the user, for /api/v1/system
    sweep: Callable[..., Sequence[Report]] | None = None  # looks for orphans: sweep(grace, apply=…)
    about: exporting.About = field(default_factory=dict)  # what it knows of people, for their export
    public: tuple[str, ...] = ()
    lifespan: Lifespan | None = None

    @property
    def migrations(self) -> Path:
        """Where its Alembic revisions lie."""
        return Path(__file__).resolve().parents[2] / "services" / self.name / "migrations"

    def configure(self) -> ServiceSettings:
        """Set this process up as one of this service's: logs, database, storage, peers."""
        settings = self.settings()
        telemetry.configure(self.name, settings.log_level)
        telemetry.begin_probes(self.name, settings.silences)
        faults.arm(settings.environment)
        if settings.database_url.get_secret_value():
            database.configure(settings.database_url.get_secret_value(), pool=settings.database_pool)
        if settings.storage_url.get_secret_value():
            storage.configure(settings.storage_url.get_secret_value(), settings.work_dir)
        settings.work_dir.mkdir(parents=True, exist_ok=True)
        objects = storage.folder_of(settings.storage_url.get_secret_value())
        places = {"work": settings.work_dir} | ({"objects": objects} if objects is not None else {})
        disk.configure(self.name, settings.disk_reserve, places)
        peers.configure(self.name, settings)
        idempotency.configure(settings.service_key.get_secret_value())
        return settings

    def http(self) -> FastAPI:
        """Make the HTTP app. Configures the process."""
        settings = self.configure()
        app = FastAPI(
            title=self.name,
            docs_url=None,
            redoc_url=None,
            dependencies=[Depends(authenticate)],
            lifespan=self._lifespan,
            separate_input_output_schemas=False,
        )
        app.state.public = (*ALWAYS_OPEN, *self.public)
        app.state.verifier = Verifier(self.name, settings.service_public_keys)
        app.state.replays = Replays(settings.redis_url.get_secret_value())
        app.state.stopping = asyncio.Event()
        answers.install(app, self.name)
        for router in self.routers:
            app.include_router(router)
        app.include_router(self._own_routes())
        app.include_router(exporting.export_router(self.about))
        if self.actors is not None:
            app.include_router(jobs_router(self.actors))
        app.add_middleware(Observe, service=self.name, stopping=app.state.stopping)
        return app

    def work(self) -> None:
        """Be the worker process until SIGTERM or SIGINT."""
        from libs.bus.worker import Worker

        if self.actors is None:
            raise ValueError(f"{self.name} has no actors")
        settings = self.configure()
        until_stopped = stop_signal()
        worker = Worker(self.actors, settings.redis_url.get_secret_value(), lease=settings.job_lease)
        if settings.metrics_port:
            prometheus_client.start_http_server(settings.metrics_port, addr=settings.host)
        worker.start()
        log.info("worker ready")
        until_stopped.wait()
        worker.stop()
        database.dispose()

    @asynccontextmanager
    async def _lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(app.state.replays.close)
            if self.lifespan is not None:
                await stack.enter_async_context(self.lifespan(app))
            yield
        database.dispose()

    def _own_routes(self) -> APIRouter:
        router = APIRouter(include_in_schema=False)

        @router.get("/health/live")
        async def live() -> dict[str, str]:
            """Tell that the process runs."""
            return {"status": "ok"}

        @router.get("/health/ready")
        def ready(request: Request) -> dict[str, str]:
            """Tell that requests can be served: the database answers, and this process is not about to stop."""
            if request.app.state.stopping.is_set():
                raise Unavailable("This process is stopping.")
            database.ready()
            return {"status": "ok"}

        @router.get("/metrics")
        async def metrics() -> Response:
            """Measurements for Prometheus."""
            return Response(prometheus_client.generate_latest(), media_type=prometheus_client.CONTENT_TYPE_LATEST)

        @router.get("/internal/system")
        def system() -> dict[str, Any]:
            """Tell what this service chose for the user: engines, models, fallbacks."""
            return self.system() if self.system is not None else {}

        @router.post("/internal/sweep", dependencies=[Depends(Internal("gateway"))])
        def sweep(wanted: Sweep) -> list[dict[str, Any]]:
            """Look for orphans now; with ``apply``, remove what an earlier look reported."""
            found = self.sweep(wanted.grace, apply=wanted.apply) if self.sweep is not None else []
            return [report.document() for report in found]

        return router


class _Server(uvicorn.Server):
    """Stops in an order that loses no request.

    Readiness goes first, event streams end, and every answer says ``Connection: close``; after ``drain`` seconds nothing new
    is accepted (a socket that was handed on keeps newcomers in its queue for the next process); once what was on its way
    over open connections had time to come in, idle ones are closed; what is being answered has ``GRACE`` seconds.
    """

    def __init__(self, config: uvicorn.Config, drain: float) -> None:
        super().__init__(config)
        self._drain = drain

    def handle_exit(self, sig: int, frame: Any) -> None:
        app: Any = self.config.app
        stopping = getattr(getattr(app, "state", None), "stopping", None)
        if isinstance(stopping, asyncio.Event):
            stopping.set()
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if not self.force_exit:
            await asyncio.sleep(self._drain)
        for server in self.servers:
            server.close()
        if not self.force_exit:
            await asyncio.sleep(LINGER)
        await super().shutdown(sockets)


def serve(app: ASGIApp, settings: SharedSettings) -> None:
    """Serve an app over HTTP until SIGTERM or SIGINT, then drain."""
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        proxy_headers=False,  # the gateway alone decides who the client is
        server_header=False,
        timeout_graceful_shutdown=GRACE,
        timeout_keep_alive=75,
        backlog=1024,
    )
    sockets = None if settings.listen_fd is None else [socket.socket(fileno=settings.listen_fd)]
    _Server(config, settings.drain).run(sockets)


def stop_signal() -> threading.Event:
    """An event that SIGTERM and SIGINT set."""
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    return stopped
