"""Stories that the pipeline tells of a recording, as the bus would deliver them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from libs.bus import Delivery
from libs.contracts import events
from libs.contracts.media import EngineSpan, Origin, Original, Preset, Wishes
from libs.database import new_id
from tests.factories.services import UnderTest

SIZE, DURATION = 1_000_000, 120.0


@dataclass(frozen=True)
class Told:
    """An event with the ids that the bus gave it when it was told."""

    event: events.Event
    event_id: UUID = field(default_factory=new_id)

    def to(self, service: UnderTest) -> None:
        """Deliver it."""
        message = UUID(int=self.event_id.int ^ 1)
        delivery = Delivery(message, self.event.name, self.event_id)
        service.module.service.actors.handlers[self.event.name](self.event, delivery)


@dataclass
class Story:
    """What services tell of one recording."""

    media: UUID = field(default_factory=new_id)
    owner: UUID = field(default_factory=new_id)
    clips: list[UUID] = field(default_factory=lambda: [new_id(), new_id()])
    renditions: list[UUID] = field(default_factory=lambda: [new_id(), new_id()])

    def announced(self) -> events.Event:
        origin = Origin(kind="upload", filename="talk.mp4")
        return events.MediaAnnounced(media_id=self.media, owner_id=self.owner, title="A talk", origin=origin)

    def progress(self, stage: str, done: int, total: int | None = SIZE) -> events.Event:
        return events.MediaProgress(media_id=self.media, stage=stage, done=done, total=total)

    def received(self) -> events.Event:
        original = Original(
            media_id=self.media,
            owner_id=self.owner,
            title="A talk",
            object_key="originals/x.mp4",
            size=SIZE,
            sha256="0" * 64,
            container="mov",
            mime="video/mp4",
            duration=DURATION,
            has_audio=True,
            has_video=True,
            width=640,
            height=360,
            fps=25,
        )
        return events.MediaReceived(
            media_id=self.media, owner_id=self.owner, original=original, wishes=Wishes(), engine=self.span("pyav")
        )

    def rejected(self, stage: str = "check") -> events.Event:
        return events.MediaRejected(
            media_id=self.media, owner_id=self.owner, stage=stage, code="unsupported_media", detail="This is a text."
        )

    def transcribing(self, done: float) -> events.Event:
        return events.TranscriptProgress(media_id=self.media, done=done, total=DURATION, eta=9.0, detail="PocketSphinx")

    def transcribed(self, words: int = 300) -> events.Event:
        return events.TranscriptReady(
            media_id=self.media,
            owner_id=self.owner,
            transcript_engine="pocketsphinx",
            model="en-us",
            quality="draft",
            language="en",
            words=words,
            speakers=2,
            wishes=Wishes(),
            engine=self.span("pocketsphinx"),
        )

    def untranscribed(self, code: str = "no_audio") -> events.Event:
        return events.TranscriptFailed(media_id=self.media, code=code, detail="There is no sound in this video.")

    def finding(self) -> events.Event:
        return events.HighlightsProgress(media_id=self.media, done=0, total=1, detail="Looking for moments")

    def found(self, count: int = 2, code: str = "", detail: str = "") -> events.Event:
        return events.HighlightsReady(
            media_id=self.media,
            owner_id=self.owner,
            count=count,
            chosen_by="built-in",
            code=code,
            detail=detail,
            wishes=Wishes(),
        )

    def planned(self, at: int, score: float | None = 0.7) -> events.Event:
        return events.ClipPlanned(
            clip_id=self.clips[at],
            media_id=self.media,
            owner_id=self.owner,
            rendition_id=self.renditions[at],
            preset=Preset.SHORTS,
            title=f"Moment {at}",
            start=10.0 * at,
            end=10.0 * at + 20,
            score=score,
            reason="It opens with a question.",
        )

    def rendering(self, at: int, done: float) -> events.Event:
        return events.RenditionProgress(
            clip_id=self.clips[at],
            media_id=self.media,
            rendition_id=self.renditions[at],
            preset=Preset.SHORTS,
            done=done,
            total=20.0,
            eta=4.0,
        )

    def rendered(self, at: int) -> events.Event:
        return events.RenditionReady(
            clip_id=self.clips[at],
            media_id=self.media,
            owner_id=self.owner,
            rendition_id=self.renditions[at],
            preset=Preset.SHORTS,
            title=f"Moment {at}",
            object_key="clips/x.mp4",
            poster_key="clips/x.jpg",
            mime="video/mp4",
            size=5000,
            sha256="1" * 64,
            width=1080,
            height=1920,
            duration=20.02,
            engine=self.span("ffmpeg"),
        )

    def unrendered(self, at: int) -> events.Event:
        return events.RenditionFailed(
            clip_id=self.clips[at],
            media_id=self.media,
            rendition_id=self.renditions[at],
            preset=Preset.SHORTS,
            code="encode_failed",
            detail="ffmpeg stopped.",
        )

    def span(self, engine: str) -> tuple[EngineSpan, ...]:
        return (EngineSpan(engine=engine, started_at=datetime(2026, 1, 1, tzinfo=UTC), seconds=2.5),)

    def good(self) -> list[events.Event]:
        """A recording in, two clips out."""
        return [
            self.announced(),
            self.progress("receive", 0),
            self.progress("receive", 400_000),
            self.progress("receive", SIZE),
            self.progress("check", 500_000),
            self.received(),
            self.transcribing(0),
            self.transcribing(60),
            self.transcribed(),
            self.finding(),
            self.found(),
            self.planned(0),
            self.planned(1),
            self.rendering(0, 10),
            self.rendered(0),
            self.rendering(1, 20),
            self.rendered(1),
        ]

    def tell(self, service: UnderTest, *told: events.Event) -> list[Told]:
        """Tell events in order; gives what was delivered."""
        deliveries = in_order(told)
        for one in deliveries:
            one.to(service)
        return deliveries

    def view(self, service: UnderTest, media: UUID | None = None) -> dict[str, Any]:
        """Read the media view as its owner."""
        reply = service.call("GET", f"/v1/library/{media or self.media}", by=self.owner)
        assert reply.status_code == 200, reply.text
        view: dict[str, Any] = reply.json()
        return view


def in_order(told: Sequence[events.Event]) -> list[Told]:
    """Give events their ids, in the order of telling."""
    return [Told(event) for event in told]


def stage(view: dict[str, Any], name: str) -> dict[str, Any]:
    """One stage of a view."""
    return next(stage for stage in view["stages"] if stage["name"] == name)


@pytest.fixture
def catalog(start: Callable[..., UnderTest]) -> UnderTest:
    """The service."""
    return start("catalog")


@pytest.fixture
def story() -> Story:
    """A recording that nobody has heard of yet."""
    return Story()
