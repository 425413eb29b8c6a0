"""The live feed: one connection that listens for every open event stream of this process.

Changes are announced by NOTIFY in the transaction that makes them (``operations/announcing.py``), with ids only. Each
stream keeps the set of ids that it has yet to send, so a slow client costs a set of ids, and gets the newest state of each
once it reads again. What is sent is read at that moment, with the viewer's rights at that moment.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from uuid import UUID

import psycopg
from fastapi import FastAPI
from psycopg import sql

from libs.database import TCP
from libs.telemetry import log
from services.catalog.operations.announcing import CHANNEL
from services.catalog.settings import settings

MOST_STREAMS = 2000
MOST_PENDING = 1000  # ids; a stream further behind is told to look at everything again
FIRST_WAIT, LONGEST_WAIT = 0.2, 10.0  # seconds between tries to connect


class TooManyStreamsError(Exception):
    """This process serves as many event streams as it will."""


class Subscription:
    """What one stream wants to hear of, and what it has yet to send. ``stale``: anything may have changed."""

    def __init__(self, *, media_id: UUID | None = None, owner_id: UUID | None = None) -> None:
        self.media_id, self.owner_id = media_id, owner_id
        self.pending: dict[UUID, None] = {}
        self.stale = True
        self.over = False
        self._news = asyncio.Event()

    def wants(self, media_id: UUID, owner_id: UUID) -> bool:
        """Tell whether a change concerns it."""
        return media_id == self.media_id or owner_id == self.owner_id

    def add(self, media_id: UUID) -> None:
        """Note a change; several of the same media are one."""
        if len(self.pending) >= MOST_PENDING:
            self.refresh()
            return
        self.pending[media_id] = None
        self._news.set()

    def refresh(self) -> None:
        """Note that changes may have been missed."""
        self.pending.clear()
        self.stale = True
        self._news.set()

    def end(self) -> None:
        """Have the stream end."""
        self.over = True
        self._news.set()

    async def news(self, patience: float) -> bool:
        """Wait for something to send, ``patience`` seconds at most. False: nothing came."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._news.wait()
        came = self._news.is_set()
        self._news.clear()
        return came

    def take(self) -> tuple[bool, list[UUID]]:
        """Take what is to be sent: whether everything is, and the ids that changed, oldest change first."""
        stale, changed = self.stale, list(self.pending)
        self.stale = False
        self.pending.clear()
        return stale, changed


class Feed:
    """Hears of all changes and hands them to those whom they concern."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._subscriptions: set[Subscription] = set()
        self._over = False

    @property
    def full(self) -> bool:
        """True while no stream more is served."""
        return len(self._subscriptions) >= MOST_STREAMS

    @asynccontextmanager
    async def subscribed(self, subscription: Subscription) -> AsyncIterator[Subscription]:
        """Hear of changes within the block. Raises TooManyStreamsError."""
        if self.full:
            raise TooManyStreamsError
        if self._over:
            subscription.end()
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)

    async def listen(self) -> None:
        """Listen until cancelled, outliving the database. After each gap, everybody looks again."""
        wait = FIRST_WAIT
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(
                    self._url, autocommit=True, connect_timeout=5, **TCP
                ) as link:
                    await link.execute(sql.SQL("LISTEN {}").format(sql.Identifier(CHANNEL)))
                    wait = FIRST_WAIT
                    for subscription in self._subscriptions:
                        subscription.refresh()
                    async for notice in link.notifies():
                        self.hear(notice.payload)
            except psycopg.Error as error:
                log.warning("live feed: database unavailable", extra={"error": str(error)})
            await asyncio.sleep(wait * random.uniform(0.7, 1.3))  # noqa: S311  jitter
            wait = min(LONGEST_WAIT, wait * 2)

    def hear(self, payload: str) -> None:
        """Hand one announcement on."""
        told = json.loads(payload)
        media_id, owner_id = UUID(told["id"]), UUID(told["owner"])
        for subscription in self._subscriptions:
            if subscription.wants(media_id, owner_id):
                subscription.add(media_id)

    async def end_at(self, stopping: asyncio.Event) -> None:
        """End all streams once the server stops, so that it need not wait for them."""
        await stopping.wait()
        self._over = True
        for subscription in self._subscriptions:
            subscription.end()


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Run the feed of an HTTP process."""
    feed = Feed(settings().database_url.get_secret_value())
    app.state.feed = feed
    tasks = [asyncio.create_task(feed.listen()), asyncio.create_task(feed.end_at(app.state.stopping))]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
