"""What the tests of the stream service share: one running service, and recordings and clips it was told of."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import httpx
import pytest

from libs import database, storage
from libs.contracts import events
from libs.contracts.media import Original, Preset, Wishes
from tests.factories.services import UnderTest

BYTES = bytes(n * 7 % 251 for n in range(600_000))
POSTER = b"\xff\xd8\xff" + b"a picture" * 100


@dataclass
class Stage:
    """A stream service with things to play."""

    service: UnderTest
    owner: UUID = field(default_factory=uuid4)

    def recording(self, title: str = "Episode 12", **facts: Any) -> UUID:
        """Tell of a recording, and store its bytes."""
        media_id = facts.pop("media_id", None) or database.new_id()
        key = storage.new_key("originals", media_id, ".mp4")
        stored = storage.store().put(key, [BYTES], "video/mp4")
        original = Original(
            media_id=media_id,
            owner_id=self.owner,
            title=title,
            object_key=key,
            size=stored.size,
            sha256=stored.sha256,
            **{
                "container": "mov",
                "mime": "video/mp4",
                "duration": 61.4,
                "has_audio": True,
                "has_video": True,
                "width": 1920,
                "height": 1080,
                **facts,
            },
        )
        told = events.MediaReceived(media_id=media_id, owner_id=self.owner, original=original, wishes=Wishes())
        self.service.tell(told)
        return media_id

    def rendition(
        self, clip_id: UUID | None = None, title: str = "The best bit", **facts: Any
    ) -> events.RenditionReady:
        """Store a rendered clip's bytes; say what would be told of it."""
        clip_id, rendition_id = clip_id or database.new_id(), database.new_id()
        content = facts.pop("content", BYTES)
        key = storage.new_key("renditions", clip_id, ".mp4")
        stored = storage.store().put(key, [content], "video/mp4")
        poster = storage.new_key("posters", clip_id, ".jpg")
        storage.store().put(poster, [POSTER], "image/jpeg")
        return events.RenditionReady(
            clip_id=clip_id,
            media_id=uuid4(),
            owner_id=self.owner,
            rendition_id=rendition_id,
            preset=Preset.SHORTS,
            title=title,
            object_key=key,
            poster_key=poster,
            mime="video/mp4",
            size=stored.size,
            sha256=hashlib.sha256(content).hexdigest(),
            width=1080,
            height=1920,
            duration=21.0,
        )

    def clip(self, title: str = "The best bit") -> UUID:
        """Tell of a rendered clip."""
        told = self.rendition(title=title)
        self.service.tell(told)
        return told.clip_id

    def share(self, media_id: UUID, *, by: UUID | None = None, **more: Any) -> httpx.Response:
        """Ask for a share link."""
        return self.service.call("POST", "/v1/shares", by=by or self.owner, json={"media_id": str(media_id), **more})

    def play(self, media_id: UUID, *, by: UUID | None) -> httpx.Response:
        """Ask for a playback grant."""
        return self.service.call("POST", "/v1/playback", by=by, json={"media_id": str(media_id)})

    def shared(self, media_id: UUID) -> str:
        """The path of a fresh share link."""
        return self.path(self.share(media_id).json()["url"])

    def granted(self, media_id: UUID) -> str:
        """The path of a fresh playback grant of the owner's."""
        return self.path(self.play(media_id, by=self.owner).json()["url"])

    def path(self, url: str) -> str:
        """A public URL's path."""
        return urlsplit(url).path

    def get(self, path: str, method: str = "GET", **headers: str) -> httpx.Response:
        """Ask as anybody on the internet would: without any token, or a memory for cookies."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        with httpx.Client(base_url=self.service.url, trust_env=False, timeout=30) as client:
            return client.request(method, path, headers=named)


@pytest.fixture
def stage(start: Callable[..., UnderTest]) -> Stage:
    """A stream service."""
    return Stage(start("stream", CLIPSTEAD_LINK_SECRET="l" * 40, CLIPSTEAD_PUBLIC_URL="https://clips.example.org"))
