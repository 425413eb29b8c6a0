"""Facts about recordings and clips, as they cross service borders."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

Visibility = Literal["private", "group", "unlisted", "public"]
"""Who may see a recording or clip: its owner, the members of one group too, who has its address, everybody."""


class Contract(BaseModel):
    """Base of everything that crosses a border. Frozen; unknown fields are ignored, so that releases can overlap."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Preset(StrEnum):
    """A platform's frame: what a person picks when asking for a clip. Sizes stand in ``services/render/presets.py``."""

    TIKTOK = "tiktok"
    REELS = "reels"
    SHORTS = "shorts"
    SQUARE = "square"
    LANDSCAPE = "landscape"
    AUDIOGRAM = "audiogram"


class Wishes(Contract):
    """What the owner asked for when handing in a recording. Every field has a sane default."""

    count: Annotated[int, Field(ge=1, le=50)] = 3
    prompt: Annotated[str, Field(max_length=500)] = ""
    preset: Preset | None = None  # None: shorts for video, audiogram for sound alone
    language: Annotated[str, Field(pattern=r"^([a-z]{2,3})?$")] = ""  # empty: detect
    min_duration: Annotated[float, Field(ge=3, le=600)] = 15.0
    max_duration: Annotated[float, Field(ge=5, le=900)] = 60.0


class Origin(Contract):
    """Where a recording came from."""

    kind: Literal["upload", "import"]
    filename: str = ""
    url: str = ""


class Original(Contract):
    """The untouched bytes of a recording, as probed. Reply of ingest's ``GET /internal/originals/{media_id}``."""

    media_id: UUID
    owner_id: UUID
    title: str
    object_key: str
    size: int  # bytes
    sha256: str
    container: str  # the forced ffmpeg demuxer: "mov", "matroska", "wav", …
    mime: str
    duration: float  # seconds
    has_audio: bool
    has_video: bool
    width: int = 0  # as displayed, after rotation
    height: int = 0
    fps: float = 0.0
    dropped_at: datetime | None = None  # since when there are no bytes any more, as the platform's rules say


class EngineSpan(Contract):
    """A stretch of wall-clock time in which a foreign engine (ffmpeg, whisper, yt-dlp, …) worked on a recording."""

    engine: str
    started_at: datetime
    seconds: float
