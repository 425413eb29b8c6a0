"""A platform of its own, and everything bad that can happen to it."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
import psycopg
import redis
from dramatiq.brokers.redis import RedisBroker
from dramatiq.errors import BrokerError
from moto.server import ThreadedMotoServer
from psycopg import sql

from infra.onehost import running, topology
from infra.onehost.place import Place
from infra.onehost.sweep import sweep
from libs import faults
from libs.bus.broker import events_queue, inbox_message, make_broker, wake_message
from libs.contracts.subscriptions import SERVICES
from libs.database.bootstrap import DATABASE
from libs.storage.s3 import S3Store
from tests.factories.faultproxy import Blackhole, Clear, Cut, Fault, FaultProxy, Garble, Latency, Reset
from tests.factories.platform import ROOT, environment_for, wait_until
from tests.faults.history import History
from tests.faults.origin import Origin

__all__ = ["NETWORKS", "PROCESSES", "SERVERS", "TROUBLES", "WORKERS", "WRONG_BYTES", "World"]

SERVERS = ("postgres", "valkey")
WORKERS = tuple(f"{service}-worker" for service in SERVICES if service != "auth")
PROCESSES = ("gateway", *SERVICES, *WORKERS, "relay")
NETWORKS = (*SERVICES, "store")
KINDS = {"render": ("render",), "ingest": ("probe", "import"), "transcription": ("transcribe",), "highlight": ("find",)}
LEASE = 3.0  # seconds; an ordinary platform waits longer before it takes a silent worker's job over
WORK_DISK = 96  # MiB of scratch, so that it can be filled
RESERVE = 16 << 20  # bytes
TROUBLES: tuple[Fault, ...] = (Latency(0.3), Cut(0), Cut(100), Cut(5000), Cut(2000, "up"), Reset(), Blackhole())
WRONG_BYTES = Garble(3000)  # for the store alone: what a disk or a switch may do to an object
READY_LIMIT = 60.0
SETTLE_LIMIT = 90.0


class World:
    """A running platform under test. One schedule at a time uses it; ``heal`` makes everything well again."""

    def __init__(self, home: Path, history: History, stack: ExitStack) -> None:
        self.history = history
        self.schedule = 0
        self._stack = stack
        self._timers: list[threading.Timer] = []
        self._paused: set[psutil.Process] = set()
        self._orders = home / "orders"
        self._orders.mkdir(parents=True)
        self._home = home
        self.small_disk = _mounted(home / "work", stack)
        self.origin = Origin()
        stack.callback(self.origin.close)
        logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it would tell of every object
        moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        moto.start()
        stack.callback(moto.stop)
        host, port = moto.get_host_and_port()
        self._environment = environment_for(home)
        base = int(self._environment["CLIPSTEAD_PORT"])
        targets = {name: base + topology.PORTS[name][0] for name in SERVICES} | {"store": int(port)}
        self._proxies = {name: stack.enter_context(FaultProxy("127.0.0.1", at)) for name, at in targets.items()}
        secret = "s" * 16
        self.store = S3Store(  # not through the proxy: this is how the checker looks
            endpoint=f"{host}:{port}",
            access_key="test",
            secret_key=secret,
            bucket="bucket",
            secure=False,
            scratch=home / "scratch",
        )
        self._start(base, f"s3://test:{secret}@127.0.0.1:{self._proxies['store'].port}/bucket?secure=0")
        self.place = Place(home, base)
        self._postgres, self._valkey = topology.servers(self.place)
        self.reported: set[object] = set()  # jobs with a bad end: each is told once
        self.verified: set[str] = set()  # objects whose bytes were compared already; they never change
        self.url = f"http://127.0.0.1:{base}"

    @classmethod
    @contextmanager
    def running(cls, history: History) -> Iterator[World]:
        """A world for as long as the block lasts; afterwards not one process is left."""
        with ExitStack() as stack:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="clipstead-faults-")))
            folder.chmod(0o755)  # PostgreSQL's user has to reach its data
            yield cls(folder / "home", history, stack)

    def _start(self, base: int, storage_url: str) -> None:
        urls = ",".join(f"{name}=http://127.0.0.1:{self._proxies[name].port}" for name in SERVICES)
        plan = {
            "home": str(self._home),
            "port": base,
            "owner": os.getpid(),
            "service_urls": urls,
            "storage_url": storage_url,
            "orders": str(self._orders),
            "settings": {
                "CLIPSTEAD_JOB_LEASE": str(LEASE),
                "CLIPSTEAD_DISK_RESERVE": str(RESERVE if self.small_disk else 0),
                "CLIPSTEAD_IMPORT_ALLOW": self.origin.netloc,
                "CLIPSTEAD_RENDER_EFFORT": "ultrafast",
                "CLIPSTEAD_SPEECH_ENGINE": "pocketsphinx",
                "CLIPSTEAD_SPEECH_WORKERS": "1",
                "CLIPSTEAD_SIGN_UP_LIMIT": "1000000/hour",
                "CLIPSTEAD_IMPORT_LIMIT": "1000000/hour",
                "CLIPSTEAD_ADDRESS_LIMIT": "1000000/minute",
                "CLIPSTEAD_USER_LIMIT": "1000000/minute",
                "CLIPSTEAD_UPLOAD_IDLE": "3",
            },
        }
        path = self._home / "plan.json"
        path.write_text(json.dumps(plan))
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.supervise", str(path)],
            cwd=ROOT,
            env=self._environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._stack.callback(_ended, supervisor)
        assert supervisor.stdout is not None
        line = supervisor.stdout.readline()
        if not line.startswith("http"):
            logs = "\n".join(path.read_text()[-800:] for path in sorted((self._home / "logs").glob("*.log")))
            raise RuntimeError(f"the platform did not start: {line}\n{logs}")
        self.supervisor = psutil.Process(supervisor.pid)

    # looking ---------------------------------------------------------------------------------------------------------

    @contextmanager
    def database(self) -> Iterator[psycopg.Connection[Any]]:
        """PostgreSQL, as its superuser."""
        with psycopg.connect(self._postgres.url, dbname=DATABASE, autocommit=True, connect_timeout=5) as connection:
            yield connection

    def processes(self) -> dict[str, psutil.Process]:
        """The platform's living processes by name."""
        state = running.current(self.place)
        entries = state.processes if state else []
        found = {entry.name: entry.identity.process() for entry in entries if entry.identity}
        return {name: process for name, process in found.items() if process}

    def is_ready(self) -> bool:
        """Whether everything runs: as the supervisor says, who may not have noticed yet that a process died."""
        state = running.current(self.place)
        if state is None or any(entry.state not in {"ready", "done"} for entry in state.processes):
            return False
        living = self.processes()
        return all(entry.name in living for entry in state.processes if entry.state == "ready" and entry.identity)

    # faults ----------------------------------------------------------------------------------------------------------

    def kill(self, name: str) -> None:
        """SIGKILL a process."""
        self._signal("kill", name, signal.SIGKILL)

    def terminate(self, name: str) -> None:
        """Ask a process to drain and end, as a deployment would."""
        self._signal("terminate", name, signal.SIGTERM)

    def kill_child(self, name: str) -> None:
        """SIGKILL whatever a worker has started: ffmpeg, yt-dlp, the speech engine."""
        process = self.processes().get(name)
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in process.children(recursive=True) if process else []:
                self._note("kill-child", process=name, child=" ".join(child.cmdline()[:4])[-60:])
                child.kill()

    def kill_at_commit(self, name: str, when: str, count: int, place: str) -> None:
        """Have a process die just before or after one of its commits."""
        self._note("kill-at-commit", process=name, when=when, count=count, place=place)
        order = self._orders / name
        fresh = order.with_suffix(".new")
        fresh.write_text(f"{when} {count} {place} {uuid.uuid4().hex}" if place else f"{when} {count}")
        fresh.replace(order)

    def pause(self, name: str, seconds: float) -> None:
        """SIGSTOP a process and all that it started, for a while."""
        process = self.processes().get(name)
        if process is None:
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            family = [process, *process.children(recursive=True)]
            self._note("pause", process=name, seconds=seconds)
            for member in family:
                member.suspend()
            self._paused.update(family)
            self._later(seconds, lambda: self._resume(family))

    def flush(self) -> None:
        """Make Valkey forget everything."""
        self._note("flush")
        with self._valkey_client() as client, contextlib.suppress(redis.RedisError):
            client.flushall()

    def duplicate(self, service: str) -> None:
        """Tell a service's workers ten times over to look into its inbox, and for jobs."""
        self._note("duplicate", service=service)
        with self._bus() as broker:
            for _ in range(10):
                broker.enqueue(inbox_message(service))
                for kind in KINDS.get(service, ()):
                    broker.enqueue(wake_message(service, kind))

    def forge(self, service: str) -> None:
        """Put what nobody sent into a service's queue: an event that never was, unknown actors, pickles, garbage."""
        self._note("forge", service=service)
        queue = events_queue(service)
        forged = {"topic": "media.deleted", "body": {"media_id": self._some_media_id()}, "message_id": uuid.uuid4().hex}
        with self._bus() as broker:
            broker.enqueue(inbox_message(service).copy(kwargs=forged))
            broker.enqueue(inbox_message(service).copy(actor_name="nobody.knows.this"))
            with self._valkey_client() as client:
                for body in (pickle.dumps(os.getcwd), b"\x00 not json", b"{}"):
                    key = uuid.uuid4().hex
                    client.hset(f"clipstead:{queue}.msgs", key, body)
                    client.rpush(f"clipstead:{queue}", key)

    @contextmanager
    def _bus(self) -> Iterator[RedisBroker]:
        """Dramatiq's broker; while Valkey is away nothing can be sent, which is another fault."""
        broker = make_broker(self._valkey.url)
        with contextlib.suppress(redis.RedisError, BrokerError):
            yield broker
        broker.close()

    def _some_media_id(self) -> str:
        """The id of a recording that is there, if there is one."""
        try:
            with self.database() as connection:
                row = connection.execute("SELECT id FROM catalog.media ORDER BY created_at DESC LIMIT 1").fetchone()
        except psycopg.Error:
            row = None
        return str(row[0] if row else uuid.uuid4())

    def trouble(self, network: str, fault: Fault, seconds: float) -> None:
        """Disturb the calls to a service, or to the store, for a while."""
        self._note(f"network-{type(fault).__name__.lower()}", at=network, fault=str(fault), seconds=seconds)
        self._proxies[network].fault = fault
        self._later(seconds, lambda: self._calm(network))

    def _calm(self, network: str) -> None:
        self._proxies[network].fault = Clear()

    def fill_disk(self, seconds: float) -> None:
        """Leave no room for scratch, for a while, where scratch has a small disk of its own."""
        if not self.small_disk:
            return
        self._note("disk-full", seconds=seconds)
        filler = self._home / "work" / "filler"
        with contextlib.suppress(OSError), filler.open("wb") as file:
            while True:
                file.write(bytes(1 << 20))
        self._later(seconds, lambda: filler.unlink(missing_ok=True))

    def skew(self, name: str, seconds: float, offset: int) -> None:
        """Have a process live with a clock that is ``offset`` seconds off, for a while."""
        self._note("clock", process=name, offset=offset, seconds=seconds)
        clock = faults.clock_of(self._orders / name)
        clock.write_text(str(offset))
        self._end(name)
        self._later(seconds, lambda: self._right_clock(name))

    def _right_clock(self, name: str) -> None:
        faults.clock_of(self._orders / name).unlink(missing_ok=True)
        self._end(name)

    def _end(self, name: str) -> None:
        """Kill a process, so that it begins anew."""
        process = self.processes().get(name)
        with contextlib.suppress(psutil.NoSuchProcess):
            if process is not None:
                process.kill()

    # afterwards ------------------------------------------------------------------------------------------------------

    def heal(self) -> None:
        """Undo everything that is still being done to it, and wait until all of it runs."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        for order in list(self._orders.iterdir()):
            if order.name.endswith(faults.CLOCK):
                self._right_clock(order.name.removesuffix(faults.CLOCK))
            order.unlink(missing_ok=True)
        self._resume(list(self._paused))
        for network in self._proxies:
            self._calm(network)
        (self._home / "work" / "filler").unlink(missing_ok=True)
        wait_until(self.is_ready, READY_LIMIT, self._what_is_not_ready)

    def settle(self) -> str | None:
        """Wait until no work and no event is left. Returns what is left if that takes too long."""
        left: list[str] = []

        def nothing_left() -> bool:
            nonlocal left
            try:
                left = self.unfinished()
            except psycopg.OperationalError as error:
                left = [str(error)]
            return not left

        try:
            wait_until(nothing_left, SETTLE_LIMIT)
        except AssertionError:
            return f"still unfinished after {SETTLE_LIMIT:.0f} s: {left}"
        return None

    def unfinished(self) -> list[str]:
        """Jobs, events and arrivals that are not at their end."""
        looks = [
            sql.SQL(
                "SELECT {name} || ' job ' || kind || ' ' || state, count(*) FROM {jobs} "
                "WHERE state IN ('queued', 'running') GROUP BY 1 "
                "UNION ALL SELECT {name} || ' outbox', count(*) FROM {outbox} WHERE settled_at IS NULL HAVING count(*) > 0 "
                "UNION ALL SELECT {name} || ' inbox', count(*) FROM {inbox} "
                "WHERE handled_at IS NULL AND body IS NOT NULL HAVING count(*) > 0"
            ).format(
                name=sql.Literal(service),
                jobs=sql.Identifier(service, "jobs"),
                outbox=sql.Identifier(service, "outbox"),
                inbox=sql.Identifier(service, "inbox"),
            )
            for service in SERVICES
        ]
        with self.database() as connection:
            return [f"{what}: {count}" for what, count in connection.execute(sql.SQL(" UNION ALL ").join(looks))]

    def sweep(self) -> None:
        """Have every service that owns objects look for orphans, without grace, and remove them."""
        sweep(self.place, grace=0, apply=True)

    def keep_logs(self, folder: Path) -> None:
        """Copy the logs to where they outlive this world."""
        shutil.copytree(self._home / "logs", folder, dirs_exist_ok=True)

    # how -------------------------------------------------------------------------------------------------------------

    def _note(self, kind: str, **about: Any) -> None:
        self.history.fault(self.schedule, kind, **about)

    def _signal(self, kind: str, name: str, number: signal.Signals) -> None:
        process = self.processes().get(name)
        if process is None:
            return  # it is being restarted
        self._note(f"{kind}-server" if name in SERVERS else kind, process=name)
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)

    def _resume(self, family: list[psutil.Process]) -> None:
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.resume()
            self._paused.discard(member)

    def _later(self, seconds: float, undo: Any) -> None:
        timer = threading.Timer(seconds, undo)
        timer.daemon = True
        timer.start()
        self._timers.append(timer)

    def _valkey_client(self) -> redis.Redis:
        return redis.Redis.from_url(self._valkey.url, socket_timeout=2, socket_connect_timeout=1)

    def _what_is_not_ready(self) -> str:
        state = running.current(self.place)
        entries = state.processes if state else []
        return ", ".join(f"{one.name}: {one.state} {one.why}" for one in entries if one.state not in {"ready", "done"})


def _mounted(folder: Path, stack: ExitStack) -> bool:
    """Put a small disk there, if this system lets us."""
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={WORK_DISK}m,mode=755", "scratch", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False
    if mounted:
        stack.callback(subprocess.run, ["umount", "--lazy", str(folder)], check=False)
    return mounted


def _ended(supervisor: subprocess.Popen[str]) -> None:
    """Stop the platform; nothing of it may stay."""
    family = psutil.Process(supervisor.pid).children(recursive=True) if supervisor.poll() is None else []
    supervisor.terminate()
    supervisor.wait(90)
    if supervisor.stdout is not None:
        supervisor.stdout.close()
    _, alive = psutil.wait_procs(family, timeout=10)
    for process in alive:
        process.kill()
    if alive:
        raise AssertionError(f"left behind: {alive}")
