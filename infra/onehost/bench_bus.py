"""``./clipstead bench bus``: events through outbox, relay, Dramatiq and inbox, beside the same actor on Dramatiq alone.

The actor writes down in a small table when it was done, in the transaction of its effect. All times are PostgreSQL's, which
runs here as it does in earnest (with fsync); publishers, relays and the worker are processes of their own.
"""

from __future__ import annotations

import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import dramatiq
import psycopg
from sqlalchemy import text

from infra.onehost.bench import until
from infra.onehost.place import REPOSITORY
from infra.onehost.servers import running_postgres, running_valkey
from libs import bus, database
from libs.bus.broker import IDLE_POLL, make_broker
from libs.contracts import events
from libs.contracts.subscriptions import SERVICES, subscribed
from libs.database import new_id
from libs.database.bootstrap import DATABASE, RELAY, bootstrap, role_of
from libs.database.migrate import migrate

__all__ = ["measure"]

TELLER, LISTENER = "stream", "catalog"  # share.viewed goes from the one to the other
EVENTS = 4000
PUBLISHERS = 4
STEADY_SECONDS = 10.0  # of the run at half load
MOVED = 20_000  # events that relays alone carry
RELAYS = (1, 2, 4)
DIRECT = "bench.direct"
INSERT = text("INSERT INTO bench_effects (id) VALUES (:id)")

Publish = Callable[[Any], None]  # of the id that the effect is known by


class _Rig:
    """PostgreSQL and Valkey of this measurement's own, with every service's schema."""

    def __init__(self, stack: ExitStack) -> None:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="clipstead-bench-")))
        folder.chmod(0o755)
        self._stack = stack
        self._postgres = stack.enter_context(running_postgres(folder, durable=True))
        self.redis_url = stack.enter_context(running_valkey(folder)).url
        self._password = secrets.token_hex(16)
        bootstrap(self._postgres.url, dict.fromkeys(SERVICES, self._password), self._password)
        for service in SERVICES:
            migrate(service, self.url(role_of(service)), REPOSITORY / "services" / service / "migrations")
        with self.connection(role_of(LISTENER)) as connection:
            connection.execute(
                "CREATE TABLE bench_effects (id uuid PRIMARY KEY, done_at timestamptz NOT NULL DEFAULT clock_timestamp())"
            )
        database.configure(self.url(role_of(TELLER)))
        stack.callback(database.dispose)

    def url(self, role: str) -> str:
        return f"postgresql://{role}:{self._password}@127.0.0.1:{self._postgres.port}/{DATABASE}"

    def connection(self, role: str) -> psycopg.Connection[Any]:
        return psycopg.connect(self.url(role), autocommit=True)

    def has_done(self, count: int) -> bool:
        with self.connection(role_of(LISTENER)) as connection:
            row = connection.execute("SELECT count(*) FROM bench_effects").fetchone()
        return row is not None and row[0] >= count

    def forget(self) -> None:
        with self.connection(role_of(LISTENER)) as connection:
            connection.execute("TRUNCATE bench_effects, inbox")
        with self.connection(role_of(TELLER)) as connection:
            connection.execute("TRUNCATE outbox")

    def latencies(self, sent: dict[Any, float]) -> list[float]:
        """Milliseconds from each sending (seconds of PostgreSQL's clock) to its effect, shortest first."""
        with self.connection(role_of(LISTENER)) as connection:
            rows = connection.execute("SELECT id, extract(epoch FROM done_at) FROM bench_effects").fetchall()
        return sorted(1000 * (float(done) - sent[one]) for one, done in rows if one in sent)

    @contextmanager
    def running(self, *argv: str, role: str, count: int = 1) -> Iterator[None]:
        """Run some processes of ours for as long as the block lasts."""
        environment = os.environ | {
            "CLIPSTEAD_DATABASE_URL": self.url(role),
            "CLIPSTEAD_REDIS_URL": self.redis_url,
            "CLIPSTEAD_LOG_LEVEL": "WARNING",
        }
        processes = [
            subprocess.Popen([sys.executable, "-m", *argv], cwd=REPOSITORY, env=environment, stdout=sys.stderr)
            for _ in range(count)
        ]
        try:
            yield
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait(30)


def measure() -> dict[str, Any]:
    """Measure; the keys are those of the JSON that is printed."""
    with ExitStack() as stack:
        rig = _Rig(stack)
        with rig.running("libs.bus", "relay", role=RELAY), rig.running(__name__, "listen", role=role_of(LISTENER)):
            ours = _throughput(rig, _tell)
        with rig.running(__name__, "direct", role=role_of(LISTENER)):
            send = _straight(rig)
            direct = _throughput(rig, send)
            rate = min(ours, direct) / 2  # beyond what the slower carries, all would be waiting in line
            straight = _steady(rig, send, rate)
        with rig.running("libs.bus", "relay", role=RELAY), rig.running(__name__, "listen", role=role_of(LISTENER)):
            mine = _steady(rig, _tell, rate)
        relays = {str(count): round(_moving(rig, count)) for count in RELAYS}
    return {
        "events_per_s": round(ours, 1),
        "direct_per_s": round(direct, 1),
        "ratio": round(ours / direct, 3),
        "half_load_per_s": round(rate, 1),
        "p50_ms": round(_percentile(mine, 50), 2),
        "p99_ms": round(_percentile(mine, 99), 2),
        "direct_p50_ms": round(_percentile(straight, 50), 2),
        "direct_p99_ms": round(_percentile(straight, 99), 2),
        "added_p99_ms": round(_percentile(mine, 99) - _percentile(straight, 99), 2),
        "relays": relays,  # events a second that so many relays move from outboxes to inboxes, with nothing else at work
        "cores": os.cpu_count(),
    }


def _tell(event_id: Any) -> None:
    with database.transaction() as session:
        bus.publish(session, events.ShareViewed(share_id=event_id, media_id=event_id))


def _straight(rig: _Rig) -> Publish:
    broker = make_broker(rig.redis_url)
    broker.declare_queue(DIRECT)

    def send(event_id: Any) -> None:
        message: dramatiq.Message[None] = dramatiq.Message(
            queue_name=DIRECT, actor_name=DIRECT, args=(), kwargs={"event_id": str(event_id)}, options={}
        )
        broker.enqueue(message)

    return send


def _throughput(rig: _Rig, publish: Publish) -> float:
    """Events a second from the first sending to the last effect."""
    for warm_up in (True, False):
        rig.forget()
        count = EVENTS // 10 if warm_up else EVENTS
        began = time.monotonic()
        with ThreadPoolExecutor(PUBLISHERS) as pool:
            for _ in pool.map(publish, [new_id() for _ in range(count)]):
                pass
        until(partial(rig.has_done, count))
    return EVENTS / (time.monotonic() - began)


def _steady(rig: _Rig, publish: Publish, rate: float) -> list[float]:
    """Latencies in milliseconds while so many events a second are sent, evenly, to a worker that has warmed up."""
    rig.forget()
    for _ in range(EVENTS // 10):
        publish(new_id())
    until(partial(rig.has_done, EVENTS // 10))
    rig.forget()
    sent: dict[Any, float] = {}
    with rig.connection(role_of(TELLER)) as connection:
        row = connection.execute("SELECT extract(epoch FROM clock_timestamp())").fetchone()
    assert row is not None
    skew = float(row[0]) - time.time()
    began = time.monotonic()
    pause = threading.Event()
    with ThreadPoolExecutor(PUBLISHERS) as pool:
        for number in range(int(rate * STEADY_SECONDS)):
            pause.wait(max(0.0, began + number / rate - time.monotonic()))
            event_id = new_id()
            sent[event_id] = time.time() + skew
            pool.submit(publish, event_id)
    until(partial(rig.has_done, len(sent)))
    return rig.latencies(sent)


def _moving(rig: _Rig, count: int) -> float:
    """Events a second that ``count`` relays carry of a full outbox."""
    rig.forget()
    with rig.connection(role_of(TELLER)) as connection:
        connection.execute(
            "INSERT INTO outbox (id, topic, body, correlation_id) SELECT gen_random_uuid(), 'of.tomorrow', "
            "jsonb_build_object('share_id', gen_random_uuid(), 'media_id', gen_random_uuid()), 'bench' "
            "FROM generate_series(1, %s)",
            (MOVED,),
        )
        with rig.running("libs.bus", "relay", role=RELAY, count=count):
            _relays_listen(rig, count)
            began = time.monotonic()
            connection.execute("UPDATE outbox SET topic = 'share.viewed'")
            connection.execute("NOTIFY clipstead_outbox")
            until(lambda: not connection.execute("SELECT 1 FROM outbox WHERE settled_at IS NULL LIMIT 1").fetchone())
            return MOVED / (time.monotonic() - began)


def _relays_listen(rig: _Rig, count: int) -> None:
    look = "SELECT count(*) FROM pg_stat_activity WHERE usename = %s AND state = 'idle'"

    def all_there() -> bool:
        with psycopg.connect(rig._postgres.url, autocommit=True) as connection:  # noqa: SLF001  this file's own
            row = connection.execute(look, (RELAY,)).fetchone()
        return row is not None and row[0] >= count

    until(all_there)


def _percentile(ordered: list[float], percent: int) -> float:
    return statistics.quantiles(ordered, n=100)[percent - 1]


# the processes at the other end ---------------------------------------------------------------------------------------


def _listen() -> None:
    """Be catalog's worker, whose handlers do nothing but note when."""
    from libs.bus.worker import Worker
    from libs.web.service import stop_signal

    actors = bus.Actors(LISTENER)

    def note(event: events.Event, delivery: bus.Delivery) -> None:
        with database.transaction() as session:
            if delivery.first(session) and isinstance(event, events.ShareViewed):
                session.execute(INSERT, {"id": event.share_id})

    for event in subscribed(LISTENER):
        actors.on(event)(note)
    until_stopped = stop_signal()
    worker = Worker(actors, os.environ["CLIPSTEAD_REDIS_URL"])
    worker.start()
    until_stopped.wait()
    worker.stop()


def _direct() -> None:
    """Be a plain Dramatiq worker with the same effect: Dramatiq's own prefetch, and as many threads as our lane has, one."""
    from libs.web.service import stop_signal

    def note(event_id: str) -> None:
        with database.transaction() as session:
            session.execute(INSERT, {"id": event_id})

    until_stopped = stop_signal()
    broker = make_broker(os.environ["CLIPSTEAD_REDIS_URL"])
    dramatiq.Actor(note, broker=broker, actor_name=DIRECT, queue_name=DIRECT, priority=0, options={})
    worker = dramatiq.Worker(broker, worker_timeout=IDLE_POLL, worker_threads=1)
    worker.start()
    until_stopped.wait()
    worker.stop()


if __name__ == "__main__":
    database.configure(os.environ["CLIPSTEAD_DATABASE_URL"])
    {"listen": _listen, "direct": _direct}[sys.argv[1]]()
    database.dispose()
