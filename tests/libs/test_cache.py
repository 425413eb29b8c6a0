"""Objects kept for a while: fetched once, whole or not at all, never taken from who uses them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from libs.storage import NotStored, StorageUnavailable, new_key
from libs.storage.cache import Cache
from libs.storage.s3 import S3Store
from tests.factories.s3 import s3_server

ROOT = Path(__file__).resolve().parents[2]


class Origin:
    """Gives objects of ten bytes, and counts who asks."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def of(self, key: str) -> Callable[[], Iterator[bytes]]:
        def fetch() -> Iterator[bytes]:
            self.asked.append(key)
            yield key.encode()[:5].ljust(5)
            yield b"bytes"

        return fetch

    def read(self, cache: Cache, key: str) -> bytes:
        with cache.held(key, 10, self.of(key)) as path:
            return path.read_bytes()


def test_what_was_fetched_is_not_fetched_again(tmp_path: Path) -> None:
    origin, cache = Origin(), Cache(tmp_path)
    assert origin.read(cache, "a.mp4") == origin.read(Cache(tmp_path), "a.mp4") == b"a.mp4bytes"
    assert origin.asked == ["a.mp4"]


def test_the_least_lately_used_goes_first_and_what_is_used_stays(tmp_path: Path) -> None:
    origin, cache = Origin(), Cache(tmp_path, limit=20)
    with cache.held("a", 10, origin.of("a")) as held:
        for key in ("b", "c", "d"):
            origin.read(cache, key)
        assert held.read_bytes() == b"a    bytes"
        assert len(list(tmp_path.iterdir())) == 2
    origin.read(cache, "d")
    origin.read(cache, "a")
    assert origin.asked == ["a", "b", "c", "d"]
    origin.read(cache, "c")
    assert origin.asked[4:] == ["c"]


def test_an_object_larger_than_all_the_room_is_used_and_then_gone(tmp_path: Path) -> None:
    origin, cache = Origin(), Cache(tmp_path, limit=5)
    assert origin.read(cache, "a") == b"a    bytes"
    assert list(tmp_path.iterdir()) == []


def test_half_an_object_is_none(tmp_path: Path) -> None:
    origin, cache = Origin(), Cache(tmp_path)
    with pytest.raises(StorageUnavailable), cache.held("a", 11, origin.of("a")):
        pass
    assert list(tmp_path.iterdir()) == []
    origin.read(cache, "a")
    [entry] = tmp_path.iterdir()
    entry.write_bytes(b"torn")
    assert origin.read(cache, "a") == b"a    bytes"
    entry.rename(entry.with_suffix(".part"))  # as a process leaves it that is killed before the end
    assert origin.read(cache, "a") == b"a    bytes"
    assert origin.asked == ["a"] * 4


def test_what_nobody_uses_any_more_goes(tmp_path: Path) -> None:
    origin, cache = Origin(), Cache(tmp_path, idle=100)
    origin.read(cache, "a")
    origin.read(cache, "b")
    [old] = [path for path in tmp_path.iterdir() if path.read_bytes().startswith(b"a")]
    os.utime(old, (1, 1))
    cache.tidy()
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"b    bytes"]


def test_many_processes_fetch_once_and_all_have_it(tmp_path: Path) -> None:
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom libs.storage.cache import Cache\n"
        "def fetch():\n"
        "    with open(sys.argv[2], 'a') as note: note.write('x')\n"
        "    for _ in range(10):\n"
        "        time.sleep(0.05)\n"
        "        yield b'x' * 1000\n"
        "for _ in range(20):\n"
        "    with Cache(Path(sys.argv[1])).held('key', 10_000, fetch) as path:\n"
        "        assert path.read_bytes() == b'x' * 10_000\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "objects"), str(tmp_path / "note")]
    started = [subprocess.Popen(command, cwd=ROOT) for _ in range(4)]
    assert [each.wait(60) for each in started] == [0] * 4
    assert (tmp_path / "note").read_text() == "x"


def test_evicting_and_fetching_at_once_hurt_nobody(tmp_path: Path) -> None:
    script = (
        "import random, sys\nfrom pathlib import Path\nfrom libs.storage.cache import Cache\n"
        "cache = Cache(Path(sys.argv[1]), limit=25)\n"
        "for _ in range(300):\n"
        "    key = random.choice('abcde')\n"
        "    with cache.held(key, 10, lambda: [key.encode() * 10]) as path:\n"
        "        assert path.read_bytes() == key.encode() * 10\n"
    )
    started = [subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], cwd=ROOT) for _ in range(4)]
    assert [each.wait(60) for each in started] == [0] * 4
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 25


def test_a_deleted_object_is_not_to_be_had_from_here_either(tmp_path: Path) -> None:
    with s3_server() as url:
        address = url.removeprefix("s3://").partition("/")[0]
        account, _, endpoint = address.rpartition("@")
        access, _, secret = account.partition(":")

        def store(scratch: str) -> S3Store:
            return S3Store(
                endpoint=endpoint,
                access_key=access,
                secret_key=secret,
                bucket="kept",
                secure=False,
                scratch=tmp_path / scratch,
            )

        here, there = store("here"), store("there")
        key = new_key("originals", uuid4(), ".mp4")
        here.put(key, [b"bytes"], "video/mp4")
        for each in (here, there):
            with each.local(key, 5) as path:
                assert path.read_bytes() == b"bytes"
        here.delete(key)
        assert list((tmp_path / "here" / "objects").iterdir()) == []
        with pytest.raises(NotStored), there.local(key):
            pass
