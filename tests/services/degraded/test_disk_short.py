"""The disk is full: nothing new is let in, what is there can be read and deleted, work waits, and no half file stays.

The services run as processes of their own, in a mount namespace of their own, on a disk of 48 MiB.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import httpx
import psutil
import psycopg
import pytest

from infra.onehost.servers import Valkey, free_port
from libs.database import new_id
from tests.factories.platform import wait_until
from tests.factories.recordings import tone
from tests.factories.services import ROOT, Calls, Databases, Keys

MIB = 1 << 20
RESERVE = 8 * MIB
ME = new_id()
TUS = {"Tus-Resumable": "1.0.0"}
BODY = {"Content-Type": "application/offset+octet-stream"}
FORM = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n%b\r\n--b--\r\n'


def refusal() -> str | None:
    """Why a small disk can't be had here."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return "optional: needs root and unshare for a disk of its own"
    tried = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "mount", "-t", "tmpfs", "tmpfs", "/mnt"],
        capture_output=True,
        check=False,
    )
    return None if tried.returncode == 0 else "optional: this system lets nobody mount a disk of their own"


@dataclass
class Small:
    """A service on a small disk."""

    call: Calls
    home: Path  # as its processes see it, seen from here
    database_url: str

    def fill(self, leave: int) -> None:
        """Take all room but ``leave`` bytes, as somebody else's files would."""
        stuff = self.home / "stuff"
        with stuff.open("ab") as file:
            taken = stuff.stat().st_size + shutil.disk_usage(self.home).free - leave
            os.posix_fallocate(file.fileno(), 0, taken)

    def make_room(self) -> None:
        """Remove somebody else's files."""
        (self.home / "stuff").unlink()

    def files(self) -> list[str]:
        """All files on the disk but somebody else's."""
        return [path.name for path in self.home.rglob("*") if path.is_file() and path.name not in ("stuff", "log")]

    def state(self, media_id: UUID) -> tuple[str, str, int]:
        """How a recording stands, its job, and how often that failed."""
        with psycopg.connect(self.database_url) as connection:
            row = connection.execute(
                "SELECT r.state, j.state, j.failures FROM recordings r JOIN jobs j ON j.subject = r.id WHERE r.id = %s",
                (media_id,),
            ).fetchone()
        assert row is not None
        return row


@contextmanager
def small_disk(name: str, databases: Databases, valkey: Valkey, keys: Keys, folder: Path) -> Iterator[Small]:
    """Run a service and its worker on a disk of 48 MiB."""
    folder.mkdir()
    port, url = free_port(), databases.ready(name)
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "CLIPSTEAD_HOME": str(folder),
        "CLIPSTEAD_PORT": str(port),
        "CLIPSTEAD_DATABASE_URL": url,
        "CLIPSTEAD_REDIS_URL": valkey.url,
        "CLIPSTEAD_STORAGE_URL": f"file://{folder}/objects",
        "CLIPSTEAD_SERVICE_KEY": keys.private[name],
        "CLIPSTEAD_SERVICE_PUBLIC_KEYS": str(keys.folder),
        "CLIPSTEAD_DISK_RESERVE": str(RESERVE),
    }
    run = f"{sys.executable} -m libs.web"
    script = f"""
        mount -t tmpfs -o size=48m tmpfs {folder}
        {run} worker {name} 2>{folder}/log & worker=$!
        {run} http {name} 2>>{folder}/log & http=$!
        trap 'kill $worker $http' TERM
        wait $http; wait $worker
    """
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True)
    call = Calls(f"http://127.0.0.1:{port}", name, keys)
    try:
        wait_until(lambda: answers(call), 30)
        yield Small(call, Path(f"/proc/{process.pid}/root") / folder.relative_to("/"), url)
    finally:
        family = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        process.wait(30)
        _, alive = psutil.wait_procs(family, timeout=20)
        call.close()
        assert alive == []


def answers(call: Calls) -> bool:
    try:
        return call("GET", "/health/ready").status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture
def ingest(databases: Databases, valkey: Valkey, keys: Keys, tmp_path: Path) -> Iterator[Small]:
    reason = refusal()
    if reason:
        pytest.skip(reason)
    with small_disk("ingest", databases, valkey, keys, tmp_path / "small") as made:
        yield made


def announce(ingest: Small, length: int) -> httpx.Response:
    return ingest.call("POST", "/v1/uploads", by=ME, headers=TUS | {"Upload-Length": str(length)})


def patch(ingest: Small, path: str, offset: int, data: bytes) -> httpx.Response:
    return ingest.call("PATCH", path, by=ME, headers=TUS | BODY | {"Upload-Offset": str(offset)}, content=data)


def path_of(reply: httpx.Response) -> str:
    assert reply.status_code == 201, reply.text
    return reply.headers["Location"].removeprefix("/api")


def hand_in(ingest: Small, data: bytes) -> httpx.Response:
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    return ingest.call("POST", "/v1/media", by=ME, headers=kind, content=FORM % data)


def test_at_the_reserve_nothing_new_is_let_in_and_the_rest_goes_on(ingest: Small) -> None:
    whole = path_of(announce(ingest, len(tone(1))))
    assert patch(ingest, whole, 0, tone(1)).status_code == 204
    media_id = UUID(whole.rpartition("/")[2])
    wait_until(lambda: ingest.state(media_id)[0] == "received", 30)
    begun = path_of(announce(ingest, 1000))

    ingest.fill(leave=RESERVE - MIB)
    for refused in (
        announce(ingest, 10),
        hand_in(ingest, tone(1)),
        ingest.call("POST", "/v1/imports", by=ME, json={"url": "https://example.org/a.mp4"}),
    ):
        assert (refused.status_code, refused.json()["code"]) == (507, "insufficient_storage"), refused.text
    assert ingest.call("HEAD", whole, by=ME, headers=TUS).status_code == 200
    assert ingest.call("GET", f"/internal/originals/{media_id}", by=None, issuer="render").status_code == 200
    assert patch(ingest, begun, 0, b"x" * 500).status_code == 204  # this was promised room
    assert ingest.call("DELETE", begun, by=ME, headers=TUS).status_code == 204
    figures = ingest.call("GET", "/metrics").text
    [free] = [line for line in figures.splitlines() if line.startswith('disk_free_bytes{place="work"')]
    assert 0 < float(free.split()[-1]) < RESERVE

    ingest.make_room()
    assert announce(ingest, 10).status_code == 201


def test_an_upload_that_meets_a_full_disk_goes_on_later(ingest: Small) -> None:
    data = tone(60)  # nearly 2 MB
    path = path_of(announce(ingest, len(data)))
    ingest.fill(leave=MIB)

    full = patch(ingest, path, 0, data)
    assert (full.status_code, full.json()["code"]) == (507, "insufficient_storage")
    offset = int(ingest.call("HEAD", path, by=ME, headers=TUS).headers["Upload-Offset"])
    assert offset < len(data)
    assert "enospc_total 1.0" in ingest.call("GET", "/metrics").text

    ingest.make_room()
    assert patch(ingest, path, offset, data[offset:]).status_code == 204
    media_id = UUID(path.rpartition("/")[2])
    wait_until(lambda: ingest.state(media_id)[0] == "received", 30)


def test_a_form_that_meets_a_full_disk_leaves_nothing(ingest: Small) -> None:
    ingest.fill(leave=RESERVE + 3 * MIB)
    assert hand_in(ingest, tone(600)).status_code == 507  # 19 MB
    assert ingest.files() == []


def test_work_that_meets_a_full_disk_waits_and_leaves_no_half(ingest: Small) -> None:
    data = tone(120)  # nearly 4 MB
    path = path_of(announce(ingest, len(data)))
    media_id = UUID(path.rpartition("/")[2])
    half = len(data) // 2
    assert patch(ingest, path, 0, data[:half]).status_code == 204
    ingest.fill(leave=len(data) - half + 200_000)  # room for the rest of it, and none for its copy in the store
    assert patch(ingest, path, half, data[half:]).status_code == 204

    def tried() -> bool:
        with psycopg.connect(ingest.database_url) as connection:
            row = connection.execute("SELECT attempt, state FROM jobs WHERE subject = %s", (media_id,)).fetchone()
        return row is not None and row[0] >= 2 and row[1] == "queued"

    wait_until(tried, 30, lambda: str(ingest.state(media_id)))
    assert ingest.state(media_id) == ("checking", "queued", 0)
    assert ingest.files() == [f"{media_id}.part"]

    ingest.make_room()
    wait_until(lambda: ingest.state(media_id)[0] == "received", 60)
    assert ingest.state(media_id) == ("received", "done", 0)
    [stored] = ingest.files()
    assert stored.endswith(".wav")


def test_a_clip_and_a_search_are_not_begun_either(
    databases: Databases, valkey: Valkey, keys: Keys, tmp_path: Path
) -> None:
    reason = refusal()
    if reason:
        pytest.skip(reason)
    started = time.monotonic()
    for name, path, body in (
        ("render", "/v1/clips", {"media_id": str(ME), "start": 0, "end": 10}),
        ("render", f"/v1/clips/{ME}/retry", None),
        ("highlight", f"/v1/media/{ME}/moments", {}),
    ):
        with small_disk(name, databases, valkey, keys, tmp_path / f"small-{time.monotonic() - started}") as small:
            small.fill(leave=RESERVE - MIB)
            refused = small.call("POST", path, by=ME, json=body)
            assert (refused.status_code, refused.json()["code"]) == (507, "insufficient_storage"), refused.text
            assert int(refused.headers["retry-after"]) > 0
