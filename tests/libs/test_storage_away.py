"""A store that hangs, breaks off, lies or is full: told in time, never taken for an answer, and no half is left behind."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from prometheus_client import REGISTRY

from libs import disk, storage
from libs.database import new_id
from libs.disk import DiskShort
from libs.storage import StorageUnavailable, Store
from libs.storage import s3 as s3_module
from libs.storage.gate import FAILURES
from tests.factories.faultproxy import Blackhole, Clear, Cut, FaultProxy, Garble, Reset
from tests.factories.loopback import LoopbackServer
from tests.factories.s3 import s3_server

PART = s3_module.PART
BYTES = os.urandom(600_000)
LARGE = bytes(32_000_000)  # more than the sockets on the way take in


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with s3_server() as url:
        yield url


@pytest.fixture
def proxy(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultProxy]:
    """The way to an S3 server, with this process's store configured to take it. Waits are a fraction of what they are."""
    for name in ("CONNECT", "ANSWER", "WRITE"):
        monkeypatch.setattr(s3_module, name, 2.0)
    parts = urlsplit(server)
    with FaultProxy(str(parts.hostname), parts.port or 80) as made:
        place = f"{parts.username}:{parts.password}@127.0.0.1:{made.port}"
        storage.configure(parts._replace(netloc=place, path=f"/test-{uuid4().hex[:12]}").geturl(), tmp_path / "scratch")
        yield made
        made.fault = Reset()


@pytest.fixture
def store(proxy: FaultProxy) -> Store:
    del proxy
    return storage.store()


@pytest.fixture
def folder(tmp_path: Path) -> Store:
    storage.configure(f"file://{tmp_path}/objects", tmp_path)
    return storage.store()


def key() -> str:
    return storage.new_key("originals", new_id(), ".mp4")


def kept(store: Store) -> str:
    name = key()
    store.put(name, [BYTES], "video/mp4")
    return name


def seconds(work: object) -> float:
    started = time.monotonic()
    with pytest.raises(StorageUnavailable):
        work()  # type: ignore[operator]
    return time.monotonic() - started


@pytest.mark.parametrize("fault", [Blackhole(), Reset(), Cut(after=0)], ids=["hangs", "resets", "ends"])
def test_once_a_store_is_known_to_be_away_nobody_waits_for_it(proxy: FaultProxy, store: Store, fault: object) -> None:
    name = kept(store)
    proxy.fault = fault  # type: ignore[assignment]
    for _ in range(FAILURES):
        assert seconds(lambda: store.size(name)) < 10
    for work in (
        lambda: store.size(name),
        lambda: store.read(name),
        lambda: store.put(key(), [b"x"], "video/mp4"),
        lambda: list(store.keys()),
        lambda: store.delete(name),
    ):
        assert seconds(work) < 0.1
    assert REGISTRY.get_sample_value("store_breaker_open") == 1

    proxy.fault = Clear()
    until = time.monotonic() + 10
    while True:
        try:
            assert store.size(name) == len(BYTES)
            break
        except StorageUnavailable:
            assert time.monotonic() < until
            threading.Event().wait(0.1)
    assert REGISTRY.get_sample_value("store_breaker_open") == 0


def test_a_short_outage_is_not_even_noticed(proxy: FaultProxy, store: Store) -> None:
    name = kept(store)
    proxy.fault = Reset()
    threading.Timer(0.15, lambda: setattr(proxy, "fault", Clear())).start()
    assert store.size(name) == len(BYTES)


@pytest.mark.parametrize("asked", [(0, None), (0, len(LARGE)), (1000, 30_000_000)])
def test_what_breaks_off_never_looks_whole(proxy: FaultProxy, store: Store, asked: tuple[int, int | None]) -> None:
    name = key()
    store.put(name, [LARGE], "video/mp4")
    reader = store.read(name, *asked)
    next(reader)
    proxy.fault = Cut(after=100_000)
    came: list[int] = []
    with pytest.raises(StorageUnavailable):
        came.extend(map(len, reader))
    assert sum(came) < 30_000_000


def test_a_download_that_breaks_off_gives_no_file(proxy: FaultProxy, store: Store, tmp_path: Path) -> None:
    name = kept(store)
    proxy.fault = Cut(after=100_000)
    with pytest.raises(StorageUnavailable), store.local(name, len(BYTES)):
        pytest.fail("there is nothing to work with")
    assert [path for path in (tmp_path / "scratch").rglob("*") if path.is_file()] == []


def test_bytes_that_changed_on_the_way_are_not_kept(proxy: FaultProxy, store: Store) -> None:
    kept(store)  # the bucket is there
    name = key()
    proxy.fault = Garble(after=300_000, way="up")
    with pytest.raises(StorageUnavailable):
        store.put(name, [BYTES], "video/mp4")
    proxy.fault = Clear()
    with pytest.raises(storage.NotStored):
        store.size(name)


@pytest.mark.parametrize("size", [0, 1, PART - 1, PART, PART + 1, 2 * PART, 2 * PART + 5])
def test_the_name_that_s3_gives_to_bytes_is_known_beforehand(
    store: Store, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(store), "_read_back", lambda *_: pytest.fail("it was not known"))
    data = os.urandom(size)
    stored = store.put(key(), iter([data[:100], data[100:]]), "video/mp4")
    assert (stored.size, stored.sha256) == (size, hashlib.sha256(data).hexdigest())


def test_an_upload_in_parts_that_fails_is_aborted(store: Store) -> None:
    def breaks() -> Iterator[bytes]:
        yield os.urandom(PART + 1)
        yield os.urandom(PART)
        raise RuntimeError("the disk that it comes from")

    with pytest.raises(RuntimeError):
        store.put(key(), breaks(), "video/mp4")
    assert list(store._begun()) == []  # type: ignore[attr-defined]


def test_left_over_parts_are_found_and_dropped_later(proxy: FaultProxy, store: Store) -> None:
    def cut_off() -> Iterator[bytes]:
        yield os.urandom(PART + 1)
        proxy.fault = Reset()  # neither the next part gets through, nor the abort
        yield os.urandom(PART)

    kept(store)
    with pytest.raises(StorageUnavailable):
        store.put(key(), cut_off(), "video/mp4")
    proxy.fault = Clear()
    assert store.abort_left_over(1e9) == 0  # it may still be under way (moto says that all began in 2010)
    assert REGISTRY.get_sample_value("s3_orphan_parts") == 1
    assert store.abort_left_over(0) == 1
    assert REGISTRY.get_sample_value("s3_orphan_parts") == 0
    assert list(store._begun()) == []  # type: ignore[attr-defined]


def test_a_store_that_only_says_503_is_asked_a_few_times(tmp_path: Path) -> None:
    asked: list[float] = []

    class Busy(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            asked.append(time.monotonic())
            self.send_response(503)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

    server = LoopbackServer(Busy)
    try:
        storage.configure(f"s3://test:{'s' * 16}@{urlsplit(server.url).netloc}/bucket?secure=0", tmp_path)
        assert seconds(lambda: storage.store().size(key())) < 5
    finally:
        server.close()
    assert 3 <= len(asked) <= 4
    assert asked[-1] - asked[-2] > asked[1] - asked[0]  # longer and longer


def test_a_file_that_could_not_be_synced_is_lost(
    folder: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, failures = os.fsync, [OSError(errno.EIO, "Input/output error")]

    def sync(handle: int) -> None:
        if failures:
            raise failures.pop()
        real(handle)

    monkeypatch.setattr(os, "fsync", sync)
    name = key()
    with pytest.raises(StorageUnavailable):
        folder.put(name, [BYTES], "video/mp4")
    with pytest.raises(storage.NotStored):
        folder.size(name)
    assert [path for path in (tmp_path / "objects").rglob("*") if path.is_file()] == []


def test_an_object_of_another_size_is_not_worked_with(folder: Store, tmp_path: Path) -> None:
    name = kept(folder)
    os.truncate(tmp_path / "objects" / name, 1000)
    with pytest.raises(StorageUnavailable), folder.local(name, len(BYTES)):
        pytest.fail("it was opened")
    with pytest.raises(StorageUnavailable):
        list(folder.read(name, 0, len(BYTES)))
    assert len(b"".join(folder.read(name))) == 1000


def test_left_over_files_are_dropped(folder: Store, tmp_path: Path) -> None:
    (tmp_path / "objects/.incoming/cut-off").write_bytes(b"half")
    assert folder.abort_left_over(3600) == 0
    assert folder.abort_left_over(-1) == 1


def test_nothing_is_begun_that_would_eat_into_the_reserve(folder: Store, tmp_path: Path) -> None:
    disk.configure("test", 1 << 60, {"objects": tmp_path})
    try:
        with pytest.raises(DiskShort):
            folder.put(key(), [b"x"], "video/mp4")
    finally:
        disk.configure("test", 0, {})
