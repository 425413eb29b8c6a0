"""The live feed over HTTP: server-sent events (WHATWG HTML, section 9.2)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from libs import database
from libs.database import DatabaseUnavailable
from libs.telemetry import log
from libs.web import Caller, OptionalCaller
from libs.web.describing import carries
from libs.web.problems import NotFound, Unavailable
from services.catalog.api import Media, viewer_of
from services.catalog.feed import Feed, Subscription, TooManyStreamsError
from services.catalog.operations import library
from services.catalog.queries import Viewer

router = APIRouter(prefix="/v1")

HEARTBEAT = 15.0  # seconds: under every proxy's patience
MOST_REMEMBERED = 5000  # media of which a stream knows what it sent
RECONNECT = 2000  # milliseconds that a browser waits before it comes back
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

FEED = carries("text/event-stream", description="Events without end: media, deleted, and comments as heartbeat.")

Current = Callable[[], list[dict[str, Any]]]


@router.get("/library/{media_id}/events", response_class=StreamingResponse, responses=FEED)
async def of_one(media_id: UUID, request: Request, caller: OptionalCaller) -> StreamingResponse:
    """Follow a recording or clip: its state now, then each change. Ends when it is deleted or no longer shown."""
    viewer = viewer_of(caller)
    await run_in_threadpool(library.view, media_id, viewer)  # a 404 while there still can be one

    def current() -> list[dict[str, Any]]:
        return [library.view(media_id, viewer)]

    return _streamed(request, Subscription(media_id=media_id), viewer, current)


@router.get("/events", response_class=StreamingResponse, responses=FEED)
async def of_mine(request: Request, caller: Caller) -> StreamingResponse:
    """Follow one's whole library: what changed last, oldest first, then each change."""
    owner = caller.require("read")
    await run_in_threadpool(database.ready)  # a 503 while there still can be one

    def current() -> list[dict[str, Any]]:
        return library.recent(owner)

    return _streamed(request, Subscription(owner_id=owner), viewer_of(caller), current)


def _streamed(request: Request, subscription: Subscription, viewer: Viewer, current: Current) -> StreamingResponse:
    feed: Feed = request.app.state.feed
    if feed.full:
        raise Unavailable("Too many people are watching right now; this page still works, it just won't update itself.")
    # A client's Last-Event-ID is of no use here: the current state comes first in any case.
    events = _events(feed, subscription, viewer, current)
    return StreamingResponse(events, media_type="text/event-stream", headers=HEADERS)


async def _events(feed: Feed, subscription: Subscription, viewer: Viewer, current: Current) -> AsyncIterator[str]:
    sent = _Sent(subscription.media_id)
    yield f"retry: {RECONNECT}\n\n"
    try:
        async with feed.subscribed(subscription):
            while not subscription.over:
                stale, changed = subscription.take()
                for media in await run_in_threadpool(current) if stale else ():
                    yield sent.event(media)
                for media_id in changed:
                    yield sent.event(await run_in_threadpool(_or_gone, media_id, viewer))
                if sent.over:
                    return
                if not await subscription.news(HEARTBEAT):
                    yield ": still here\n\n"
    except (DatabaseUnavailable, NotFound, TooManyStreamsError) as error:
        # The client comes back by itself, and then gets an answer that says what is wrong.
        log.info("event stream ended", extra={"why": type(error).__name__})


def _or_gone(media_id: UUID, viewer: Viewer) -> dict[str, Any]:
    try:
        return library.view(media_id, viewer)
    except NotFound:
        return {"id": media_id, "version": None}


class _Sent:
    """What one stream has sent, so that no state goes out twice."""

    def __init__(self, followed: UUID | None) -> None:
        self._versions: dict[UUID, int] = {}
        self._followed = followed
        self.over = False  # the one that is followed is gone

    def event(self, media: dict[str, Any]) -> str:
        """Write a state as an event; nothing if it was sent already. Without a version it is gone."""
        media_id: UUID = media["id"]
        version: int | None = media["version"]
        if version is None:
            self._versions.pop(media_id, None)
            self.over = media_id == self._followed
            return f'event: deleted\ndata: {{"id":"{media_id}"}}\n\n'
        if self._versions.get(media_id) == version:
            return ""
        if len(self._versions) >= MOST_REMEMBERED:
            self._versions.clear()
        self._versions[media_id] = version
        data = Media.model_validate(media).model_dump_json()
        return f"event: media\nid: {version}\ndata: {data}\n\n"
