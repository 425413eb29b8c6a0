"""Facts that services tell each other. Each is named for what happened, and carries ids and small facts, never payloads.

Names outlive code. A listener is named in ``subscriptions.py``; receiving twice must change nothing (see ``libs.bus``).
"""

from __future__ import annotations

from typing import ClassVar, Literal
from uuid import UUID

from libs.contracts.media import Contract, EngineSpan, Origin, Original, Preset, Visibility, Wishes


class Event(Contract):
    """Base of all events. ``name`` is the wire name."""

    name: ClassVar[str]


# auth ---------------------------------------------------------------------------------------------------------------


class UserChanged(Event):
    """A person signed up, or changed what others may see of them."""

    name: ClassVar[str] = "user.changed"
    user_id: UUID
    display_name: str


class UserDeleted(Event):
    """A person is gone; so is everything of theirs."""

    name: ClassVar[str] = "user.deleted"
    user_id: UUID


class UserSuspended(Event):
    """An administrator disabled somebody, or let them in again. What they shared is not to be had meanwhile."""

    name: ClassVar[str] = "user.suspended"
    user_id: UUID
    suspended: bool


class SessionsEnded(Event):
    """Sessions of somebody's are over; what was granted to them is, too."""

    name: ClassVar[str] = "sessions.ended"
    user_id: UUID
    session_ids: tuple[UUID, ...]


class GroupChanged(Event):
    """A group was made, renamed or, with ``deleted``, dissolved."""

    name: ClassVar[str] = "group.changed"
    group_id: UUID
    group_name: str
    deleted: bool = False


class MemberLeft(Event):
    """Somebody is no member of a group any more."""

    name: ClassVar[str] = "group.member.left"
    group_id: UUID
    user_id: UUID


# ingest -------------------------------------------------------------------------------------------------------------


class MediaAnnounced(Event):
    """A recording is on its way: an upload has begun, or an import was accepted."""

    name: ClassVar[str] = "media.announced"
    media_id: UUID
    owner_id: UUID
    title: str
    origin: Origin


class MediaProgress(Event):
    """Bytes of a recording have come in. ``total`` is None while the sender has not said it."""

    name: ClassVar[str] = "media.progress"
    media_id: UUID
    stage: Literal["receive", "check"]
    done: int
    total: int | None = None


class MediaReceived(Event):
    """A recording is whole, probed, hashed and stored: the pipeline may begin."""

    name: ClassVar[str] = "media.received"
    media_id: UUID
    owner_id: UUID
    original: Original
    wishes: Wishes
    engine: tuple[EngineSpan, ...] = ()


class MediaRejected(Event):
    """A recording can't be used. ``code`` is stable (``unsupported_media``), ``detail`` a sentence a person can act on."""

    name: ClassVar[str] = "media.rejected"
    media_id: UUID
    owner_id: UUID
    stage: Literal["receive", "check"]
    code: str
    detail: str


class OriginalDropped(Event):
    """The bytes of an original are gone, as the platform's rules say. Transcript, moments and clips stay."""

    name: ClassVar[str] = "original.dropped"
    media_id: UUID
    owner_id: UUID
    object_key: str


# transcription ------------------------------------------------------------------------------------------------------


class TranscriptProgress(Event):
    """Seconds of sound transcribed of those there are. The first one, with ``done`` 0, says that work began."""

    name: ClassVar[str] = "transcript.progress"
    media_id: UUID
    done: float
    total: float
    eta: float | None = None  # seconds
    detail: str = ""  # "PocketSphinx, draft quality"


class TranscriptReady(Event):
    """A transcript can be read. ``words`` is 0 where nobody speaks."""

    name: ClassVar[str] = "transcript.ready"
    media_id: UUID
    owner_id: UUID
    transcript_engine: str
    model: str
    quality: Literal["standard", "draft"]
    language: str
    words: int
    speakers: int
    wishes: Wishes
    engine: tuple[EngineSpan, ...] = ()


class TranscriptFailed(Event):
    """No transcript will come. ``code``: ``no_audio``, ``engine_failed``, ``interrupted`` and the like."""

    name: ClassVar[str] = "transcript.failed"
    media_id: UUID
    code: str
    detail: str


# highlight ----------------------------------------------------------------------------------------------------------


class HighlightsProgress(Event):
    """Moments are being looked for."""

    name: ClassVar[str] = "highlights.progress"
    media_id: UUID
    done: float
    total: float
    detail: str = ""


class HighlightsReady(Event):
    """Moments were found, or, with ``count`` 0, why there are none (``code``, ``detail``)."""

    name: ClassVar[str] = "highlights.ready"
    media_id: UUID
    owner_id: UUID
    count: int
    chosen_by: str  # "built-in" or "ollama:<model>"
    code: str = ""
    detail: str = ""
    wishes: Wishes
    engine: tuple[EngineSpan, ...] = ()


# render -------------------------------------------------------------------------------------------------------------


class ClipPlanned(Event):
    """A clip of a recording will be rendered. ``clip_id`` is its media id from now on."""

    name: ClassVar[str] = "clip.planned"
    clip_id: UUID
    media_id: UUID  # the recording
    owner_id: UUID
    rendition_id: UUID
    preset: Preset
    title: str
    start: float
    end: float
    score: float | None = None
    reason: str = ""


class RenditionProgress(Event):
    """Seconds of a clip encoded, of its length."""

    name: ClassVar[str] = "rendition.progress"
    clip_id: UUID
    media_id: UUID
    rendition_id: UUID
    preset: Preset
    done: float
    total: float
    eta: float | None = None


class RenditionReady(Event):
    """A clip's file can be played: probed, hashed and in its final place."""

    name: ClassVar[str] = "rendition.ready"
    clip_id: UUID
    media_id: UUID
    owner_id: UUID
    rendition_id: UUID
    preset: Preset
    title: str
    object_key: str
    poster_key: str
    mime: str
    size: int
    sha256: str
    width: int
    height: int
    duration: float
    engine: tuple[EngineSpan, ...] = ()


class RenditionFailed(Event):
    """A clip could not be rendered, and why."""

    name: ClassVar[str] = "rendition.failed"
    clip_id: UUID
    media_id: UUID
    rendition_id: UUID
    preset: Preset
    code: str
    detail: str


class RenditionDropped(Event):
    """The file and poster of a clip are gone, as the platform's rules say. The clip stays, and can be rendered again."""

    name: ClassVar[str] = "rendition.dropped"
    clip_id: UUID
    media_id: UUID
    owner_id: UUID
    rendition_id: UUID
    preset: Preset
    object_key: str


# catalog ------------------------------------------------------------------------------------------------------------


class MediaChanged(Event):
    """The owner changed what others may see of a recording or clip."""

    name: ClassVar[str] = "media.changed"
    media_id: UUID
    owner_id: UUID
    title: str
    visibility: Visibility
    group_id: UUID | None = None  # whose members may see it, where the visibility is "group"


class MediaDeleted(Event):
    """A recording or clip is gone. Deleting a recording tells this of each of its clips too."""

    name: ClassVar[str] = "media.deleted"
    media_id: UUID
    owner_id: UUID
    parent_id: UUID | None = None


class RetentionChanged(Event):
    """An administrator said for how many days each kind is kept; None is for ever."""

    name: ClassVar[str] = "retention.changed"
    originals: int | None
    renditions: int | None
    imports: int | None


# stream -------------------------------------------------------------------------------------------------------------


class ShareViewed(Event):
    """Somebody played what a share link leads to."""

    name: ClassVar[str] = "share.viewed"
    share_id: UUID
    media_id: UUID


EVENTS: dict[str, type[Event]] = {event.name: event for event in Event.__subclasses__()}
