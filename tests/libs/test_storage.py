"""One contract for every store. The S3 half runs against a real S3 server where one is given (CLIPSTEAD_TEST_S3)."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from libs import storage
from libs.database import new_id
from libs.storage import NotStored, StorageUnavailable, Store, check_key
from libs.storage.s3 import S3Store
from tests.factories.s3 import s3_server


@pytest.fixture(scope="module")
def s3_url() -> Iterator[str]:
    given = os.environ.get("CLIPSTEAD_TEST_S3")
    if given:
        yield given
        return
    with s3_server() as url:
        yield url


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "folder":
        storage.configure(f"file://{tmp_path}/objects", tmp_path)
    else:
        parts = urlsplit(request.getfixturevalue("s3_url"))
        url = parts._replace(path=f"/test-{uuid4().hex[:12]}").geturl()
        storage.configure(url, tmp_path)
    return storage.store()


def key() -> str:
    return storage.new_key("originals", new_id(), ".mp4")


def test_bytes_come_back_whole_and_in_part(store: Store) -> None:
    name, data = key(), os.urandom(300_000)
    stored = store.put(name, iter([data[:1000], data[1000:]]), "video/mp4")
    assert (stored.size, stored.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert b"".join(store.read(name)) == data
    assert b"".join(store.read(name, 100, 50)) == data[100:150]
    assert b"".join(store.read(name, 299_990)) == data[-10:]
    assert b"".join(store.read(name, 5, 0)) == b""
    assert store.size(name) == len(data)


def test_file_goes_in_and_is_read_locally(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x" * 70_000)
    name = key()
    store.put_file(name, source, "video/mp4")
    assert source.exists()
    with store.local(name) as path:
        assert path.read_bytes() == source.read_bytes()


def test_empty_object(store: Store) -> None:
    name = key()
    assert store.put(name, iter([]), "text/plain").size == 0
    assert b"".join(store.read(name)) == b""


def test_what_is_not_there_says_so(store: Store) -> None:
    store.put(key(), iter([b"other"]), "text/plain")
    name = key()
    with pytest.raises(NotStored):
        store.read(name)
    with pytest.raises(NotStored):
        store.size(name)
    with pytest.raises(NotStored), store.local(name):
        pass
    store.delete(name)


def test_half_an_object_is_no_object(store: Store) -> None:
    def broken() -> Iterator[bytes]:
        yield b"x" * 100
        raise InterruptedError

    name = key()
    with pytest.raises((InterruptedError, StorageUnavailable)):
        store.put(name, broken(), "video/mp4")
    with pytest.raises(NotStored):
        store.size(name)


def test_listing_and_deleting(store: Store) -> None:
    subject = new_id()
    names = sorted(storage.new_key("posters", subject, ".jpg") for _ in range(3))
    for name in names:
        store.put(name, iter([b"p"]), "image/jpeg")
    store.put(key(), iter([b"other"]), "video/mp4")
    assert sorted(store.keys(f"posters/{subject}/")) == names
    store.delete(names[0])
    assert sorted(store.keys("posters/")) == names[1:]


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "/etc/passwd",
        "../x",
        "a/../b",
        "a//b",
        "a\\b",
        "A/b",
        "a/b.",
        "a/.hidden",
        "a\x00b",
        "a%2fb",
        "a/",
        "x" * 201,
    ],
)
def test_keys_that_are_none(bad: str) -> None:
    with pytest.raises(ValueError):
        check_key(bad)


def test_dead_s3_is_unavailable_within_seconds(tmp_path: Path) -> None:
    dead = S3Store(
        endpoint="127.0.0.1:1",
        access_key="a" * 8,
        secret_key="b" * 8,
        bucket="x-bucket",
        secure=False,
        scratch=tmp_path,
    )
    with pytest.raises(StorageUnavailable):
        dead.size(key())
