"""Every process is restarted while people use the platform, and nobody has a request fail."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from infra.onehost import restarts, topology
from infra.onehost.place import Place
from libs.database.bootstrap import DATABASE
from tests.factories.platform import Person, Platform, running_platform, wait_until
from tests.factories.recordings import tone

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]


@pytest.fixture
def restarted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    from tempfile import TemporaryDirectory

    with (
        TemporaryDirectory(prefix="clipstead-") as folder,
        running_platform(Path(folder) / "home", CLIPSTEAD_USER_LIMIT="100000/minute") as platform,
    ):
        yield platform


@dataclass
class Load:
    """People at work until told to stop: each does the same over and over, and notes what failed."""

    over: threading.Event = field(default_factory=threading.Event)
    done: dict[str, int] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)

    def go(self, name: str, act: Callable[[int], httpx.Response | None], every: float = 0.05) -> None:
        """Do something every so many seconds in a thread of its own."""

        def work() -> None:
            number = 0
            while not self.over.wait(every):
                number += 1
                try:
                    answer = act(number)
                except httpx.HTTPError as error:
                    self.failed.append(f"{name} {number}: {error!r}")
                    continue
                if answer is not None and answer.status_code >= 400:
                    self.failed.append(f"{name} {number}: {answer.status_code} {answer.text[:200]}")
                self.done[name] = self.done.get(name, 0) + 1

        self.threads.append(threading.Thread(target=work, name=name))
        self.threads[-1].start()

    def stop(self) -> None:
        """Let everybody finish."""
        self.over.set()
        for thread in self.threads:
            thread.join(60)


class SlowUpload:
    """A recording that is sent in small pieces for as long as the restarts go on; it resumes where it is cut off."""

    def __init__(self, person: Person, data: bytes) -> None:
        self._person, self._data = person, data
        self.path = person.begin_upload("slow.wav", len(data))
        self._piece = len(data) // 40
        self.resumed = 0

    def send(self, _: int) -> None:
        """Send the next piece from where the server says that it stands."""
        try:
            self.step(self._piece)
        except httpx.HTTPError:
            self.resumed += 1

    def step(self, size: int) -> bool:
        """Send up to ``size`` bytes. True when all are there."""
        answer = self._person.http.head(self.path, headers={"Tus-Resumable": "1.0.0"})
        offset = int(answer.headers["Upload-Offset"])
        if offset < len(self._data):
            piece = self._data[offset : offset + size]
            self._person.patch(self.path, offset, _slowly(piece)).raise_for_status()
            offset += len(piece)
        return offset == len(self._data)


def _slowly(data: bytes) -> Iterator[bytes]:
    half = len(data) // 2
    yield data[:half]
    threading.Event().wait(0.2)  # a slow line
    yield data[half:]


class Feed:
    """Somebody who watches their library live, and comes back whenever the stream ends."""

    def __init__(self, person: Person) -> None:
        self._person = person
        self.titles: set[str] = set()
        self.connections = 0
        self.over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        while not self.over.is_set():
            try:
                with self._person.http.stream("GET", "/api/v1/events", timeout=5) as stream:
                    self.connections += 1
                    for line in stream.iter_lines():
                        if line.startswith("data:"):
                            self._hear(line.removeprefix("data:"))
                        if self.over.is_set():
                            return
            except httpx.HTTPError:
                continue

    def _hear(self, text: str) -> None:
        try:
            view: Any = json.loads(text)
        except ValueError:
            return
        if isinstance(view, dict) and "title" in view:
            self.titles.add(view["title"])

    def stop(self) -> None:
        """Watch no more."""
        self.over.set()
        self._thread.join(30)


def test_nobody_notices_a_rolling_restart(restarted: Platform, short_speech: bytes) -> None:
    people = [restarted.person() for _ in range(6)]
    reader, writer, sharer, sender, watcher, maker = people
    media = {person: person.upload("talk.flac", short_speech, count=1) for person in (reader, writer, sharer, maker)}
    for person, media_id in media.items():
        assert person.until_ended(media_id)["status"] == "ready"
    wait_until(lambda: sharer.http.post("/api/v1/shares", json={"media_id": media[sharer]}).status_code == 201, 30)

    load, feed = Load(), Feed(writer)
    slow_data = tone(20)
    slow = SlowUpload(sender, slow_data)
    load.go("read", lambda _: reader.http.get(f"/api/v1/library/{media[reader]}"))
    load.go("list", lambda _: watcher.http.get("/api/v1/library"))
    load.go("transcript", lambda _: reader.http.get(f"/api/v1/media/{media[reader]}/transcript"), every=0.2)
    load.go("rename", lambda n: _rename(writer, media[writer], f"Title {n}"), every=0.1)
    load.go("share", lambda _: sharer.http.post("/api/v1/shares", json={"media_id": media[sharer]}), every=0.2)
    load.go("moments", lambda _: reader.http.get(f"/api/v1/media/{media[reader]}/moments"), every=0.2)
    load.go("clips", lambda _: maker.http.get("/api/v1/clips"), every=0.2)
    load.go("upload", slow.send, every=0.3)
    clip = maker.http.post(
        "/api/v1/clips", json={"media_id": media[maker], "start": 1, "end": 8, "preset": "square"}
    ).json()

    place = Place(restarted.home, int(restarted.environment["CLIPSTEAD_PORT"]))
    before = {entry["name"]: entry["identity"] for entry in restarted.status()["processes"] if entry["port"]}
    began = time.monotonic()
    rolled = list(restarts.ask(place))
    seconds = time.monotonic() - began
    after = {entry["name"]: entry["identity"] for entry in restarted.status()["processes"] if entry["port"]}
    load.stop()

    assert all(one.seconds is not None for one in rolled)
    assert {one.name for one in rolled} == set(after) - {"postgres", "valkey"}
    assert all(after[one.name] != before[one.name] for one in rolled)
    assert load.failed == [], f"{load.done} in {seconds:.0f} s"
    assert all(load.done[name] >= 10 for name in ("read", "list", "rename", "share", "transcript"))

    while not slow.step(len(slow_data)):
        pass
    view = sender.until_ended(slow.path.rsplit("/", 1)[-1])
    assert view["size"] == len(slow_data)
    assert _stored_sha256(place, view["id"]) == hashlib.sha256(slow_data).hexdigest()
    last = writer.media(media[writer])["title"]
    wait_until(lambda: last in feed.titles, 20, lambda: f"{last} was not heard of")
    feed.stop()
    assert feed.connections > 1
    wait_until(lambda: maker.media(clip["id"])["status"] == "ready", 60)


def _rename(person: Person, media_id: str, title: str) -> httpx.Response:
    return person.http.patch(f"/api/v1/library/{media_id}", json={"title": title}, headers={"If-Match": "*"})


def _stored_sha256(place: Place, media_id: str) -> str:
    postgres, _ = topology.servers(place)
    with psycopg.connect(postgres.url, dbname=DATABASE) as connection:
        row = connection.execute("SELECT sha256 FROM ingest.originals WHERE media_id = %s", (media_id,)).fetchone()
    assert row is not None
    return str(row[0])


def test_a_process_that_hangs_is_killed_and_comes_back(restarted: Platform) -> None:
    def entry() -> dict[str, Any]:
        found: dict[str, Any] = next(entry for entry in restarted.status()["processes"] if entry["name"] == "highlight")
        return found

    def identity() -> object:
        return entry()["identity"]

    before = identity()
    restarted.process("highlight").suspend()
    wait_until(lambda: identity() != before, 60, lambda: "it still hangs")
    person = restarted.person()
    wait_until(lambda: person.http.get(f"/api/v1/media/{person_id(person)}/moments").status_code == 404, 30)
    assert entry()["silences"] >= 3
    told = httpx.get(f"http://127.0.0.1:{entry()['port']}/metrics", trust_env=False).text
    assert f'probe_failures_total{{probe="live",service="highlight"}} {entry()["silences"]}.0' in told


def person_id(person: Person) -> str:
    """An id that nobody has a recording of: the person's own."""
    return str(person.http.get("/api/v1/session").json()["user"]["id"])
