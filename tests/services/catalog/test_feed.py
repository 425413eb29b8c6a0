"""The live feed, over real HTTP: every change, in order, to whom it concerns, until the server stops."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest

from infra.onehost.servers import free_port
from libs.database import new_id
from services.catalog import feed, streams
from services.catalog.feed import Subscription
from tests.factories.services import UnderTest
from tests.services.catalog.conftest import Story

PATIENCE = 15.0  # seconds


class Listener:
    """An event stream being read, as a browser would."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._events: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._read, args=(lines,), daemon=True)
        self._thread.start()

    def _read(self, lines: Iterator[str]) -> None:
        event: dict[str, Any] = {}
        with suppress(httpx.HTTPError):  # being cut off is an end as well
            for line in lines:
                if not line and event:
                    self._events.put(event)
                    event = {}
                elif line:
                    name, _, value = line.partition(":")
                    event[name or "comment"] = value.removeprefix(" ")
        self._events.put(None)

    def next(self) -> dict[str, Any] | None:
        """The next event of a media, with its data parsed; None at the end of the stream."""
        while True:
            event = self._events.get(timeout=PATIENCE)
            if event is None:
                return None
            if "data" in event:
                return event | {"data": json.loads(event["data"])}

    def until(self, status: str) -> list[dict[str, Any]]:
        """All events up to the first with that status."""
        seen = []
        while not seen or seen[-1]["data"]["status"] != status:
            event = self.next()
            assert event is not None, "the stream ended early"
            seen.append(event)
        return seen

    def comment(self) -> str:
        """The next comment."""
        while True:
            event = self._events.get(timeout=PATIENCE)
            assert event is not None, "the stream ended early"
            if "comment" in event:
                return str(event["comment"])

    def quiet(self) -> bool:
        """Tell whether nothing more has come so far."""
        return self._events.empty()


@contextmanager
def listening(catalog: UnderTest, path: str, by: UUID | None, **headers: str) -> Iterator[Listener]:
    """Read an event stream within the block."""
    with (
        httpx.Client(base_url=catalog.url, timeout=PATIENCE * 2, trust_env=False) as client,
        client.stream("GET", path, headers=catalog.call.headers(by, method="GET", path=path) | headers) as reply,
    ):
        assert reply.status_code == 200
        assert reply.headers["content-type"].startswith("text/event-stream")
        yield Listener(reply.iter_lines())


def test_changes_come_in_order_after_the_current_state(catalog: UnderTest, story: Story) -> None:
    good = story.good()
    story.tell(catalog, *good[:2])
    path = f"/v1/library/{story.media}/events"
    with listening(catalog, path, story.owner, **{"Last-Event-ID": "not-a-number"}) as stream:
        first = stream.next()
        assert first is not None
        assert (first["event"], first["data"]["status"]) == ("media", "receiving")
        assert first["id"] == str(first["data"]["version"])
        story.tell(catalog, *good[2:])
        seen = stream.until("ready")
        versions = [event["data"]["version"] for event in seen]
        assert versions == sorted(set(versions))
        assert seen[-1]["data"] == story.view(catalog)


def test_a_library_stream_tells_of_all_of_ones_own_and_nothing_else(catalog: UnderTest, story: Story) -> None:
    story.tell(catalog, story.announced())
    other = Story()
    with listening(catalog, "/v1/events", story.owner) as stream:
        first = stream.next()
        assert first is not None
        assert first["data"]["id"] == str(story.media)
        other.tell(catalog, *other.good())
        story.tell(catalog, *story.good()[1:])
        seen = []
        while {str(clip) for clip in story.clips} - {event["data"]["id"] for event in seen if event["data"]["files"]}:
            event = stream.next()
            assert event is not None
            seen.append(event)
        assert {event["data"]["owner_id"] for event in seen} == {str(story.owner)}


def test_deletion_is_told_and_ends_the_stream(catalog: UnderTest, story: Story) -> None:
    story.tell(catalog, story.announced())
    with listening(catalog, f"/v1/library/{story.media}/events", story.owner) as stream:
        assert stream.next() is not None
        catalog.call("DELETE", f"/v1/library/{story.media}", by=story.owner)
        assert stream.next() == {"event": "deleted", "data": {"id": str(story.media)}}
        assert stream.next() is None


def test_who_may_no_longer_see_it_hears_no_more(catalog: UnderTest, story: Story) -> None:
    story.tell(catalog, story.announced())
    path = f"/v1/library/{story.media}"

    def make(visibility: str) -> None:
        catalog.call("PATCH", path, by=story.owner, json={"visibility": visibility}, headers={"If-Match": "*"})

    make("public")
    with listening(catalog, f"{path}/events", None) as stream:
        first = stream.next()
        assert first is not None
        assert first["data"]["origin"] is None
        make("private")
        gone = stream.next()
        assert gone is not None
        assert gone["event"] == "deleted"
        assert stream.next() is None


def test_streams_end_on_sigterm_so_that_the_process_drains(catalog: UnderTest, story: Story) -> None:
    story.tell(catalog, story.announced())
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "libs.web", "http", "catalog"],
        env=os.environ | {"CLIPSTEAD_PORT": str(port)},
        stderr=subprocess.DEVNULL,
    )
    try:
        own = replace(catalog, url=f"http://127.0.0.1:{port}")
        _wait_until_ready(own.url)
        with listening(own, "/v1/events", story.owner) as stream:
            assert stream.next() is not None
            process.send_signal(signal.SIGTERM)
            assert stream.next() is None
            assert process.wait(8) in {0, -signal.SIGTERM}  # well before the server would cut requests off
    finally:
        process.kill()
        process.wait()


def _wait_until_ready(url: str) -> None:
    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        with suppress(httpx.TransportError):
            if httpx.get(f"{url}/health/ready", trust_env=False).is_success:
                return
        time.sleep(0.1)
    raise AssertionError("the service did not start")


def test_a_lost_connection_is_made_again_and_nothing_is_missed(catalog: UnderTest, story: Story) -> None:
    story.tell(catalog, story.announced())
    with listening(catalog, f"/v1/library/{story.media}/events", story.owner) as stream:
        assert stream.next() is not None
        catalog.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE usename = current_user AND query LIKE 'LISTEN%%' AND pid <> pg_backend_pid()"
        )
        story.tell(catalog, *story.good()[1:])
        assert stream.until("ready")


def test_a_quiet_stream_gets_heartbeats(catalog: UnderTest, story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT", 0.2)
    with listening(catalog, "/v1/events", story.owner) as stream:
        assert stream.comment() == "still here"


def test_a_slow_client_costs_a_bounded_set_of_ids() -> None:
    behind = Subscription(owner_id=new_id())
    behind.take()
    media = new_id()
    for _ in range(10 * feed.MOST_PENDING):
        behind.add(media)
    assert behind.take() == (False, [media])
    for _ in range(feed.MOST_PENDING + 1):
        behind.add(new_id())
    assert behind.take() == (True, [])


def test_nothing_is_announced_of_what_did_not_happen(catalog: UnderTest, story: Story) -> None:
    """A repeated delivery changes nothing and wakes nobody."""
    told = story.tell(catalog, story.announced(), story.received())
    with psycopg.connect(catalog.database_url, autocommit=True) as connection:
        connection.execute(f"LISTEN {feed.CHANNEL}")
        for one in told:
            one.to(catalog)
        catalog.call("DELETE", f"/v1/library/{story.media}", by=story.owner)
        heard = [notice.payload for notice in connection.notifies(timeout=PATIENCE, stop_after=1)]
        heard += [notice.payload for notice in connection.notifies(timeout=0.2)]
        assert len(heard) == 1
