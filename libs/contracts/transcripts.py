"""Transcripts as they cross service borders. All times are seconds from the start of the recording."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from libs.contracts.media import Contract


class Word(Contract):
    """One spoken word. ``text`` carries its punctuation and no surrounding space."""

    text: str
    start: float
    end: float
    confidence: float = 1.0  # 0 to 1
    speaker: str | None = None  # a Speaker's label
    mark: Literal["filler", "profanity"] | None = None  # what somebody may want to leave out or star out


class Segment(Contract):
    """A sentence, or as much of one as was heard between two pauses, by one speaker."""

    id: UUID | None = None  # what edits name it by; an imported one has none
    text: str
    start: float
    end: float
    speaker: str | None = None
    words: tuple[Word, ...] = ()


class Suggestion(Contract):
    """A name that somebody seems to have, and the words that say so ("I'm Ana")."""

    name: str
    quote: str


class Speaker(Contract):
    """One voice in a recording. ``label`` ("S1") is stable; ``name`` ("Speaker 1") is what people see."""

    label: str
    name: str
    seconds: float = 0.0  # speech time
    suggestion: Suggestion | None = None


class Chapter(Contract):
    """A stretch about one topic, from its start to the next one's."""

    start: float
    title: str


class Loudness(Contract):
    """Short-term level of the sound: one value per ``hop`` seconds, dB relative to full scale, floor -90."""

    hop: float
    levels: tuple[float, ...]


class Transcript(Contract):
    """Reply of transcription's ``GET /internal/transcripts/{media_id}`` and, less ``loudness``, of its public twin."""

    media_id: UUID
    engine: str  # "faster-whisper", "hosted" or "pocketsphinx"
    model: str  # "small", "en-us", …
    quality: Literal["standard", "draft"]
    language: str  # BCP 47, "en"
    language_confidence: float | None = None  # 0 to 1; None where nobody was asked
    reason: str = ""  # why the engine ran as it did
    version: int = 1
    tag: str = ""  # what If-Match takes, without quotes
    complete: bool = True  # False while it is still being heard: then it holds what was heard so far, without speakers
    edited_at: datetime | None = None  # by people
    reviewed_at: datetime | None = None  # somebody says that it is right
    duration: float
    segments: tuple[Segment, ...]
    speakers: tuple[Speaker, ...]
    chapters: tuple[Chapter, ...] = ()  # proposed from changes of topic; none in what is short
    loudness: Loudness | None = None

    def words(self) -> list[Word]:
        """All words in order."""
        return [word for segment in self.segments for word in segment.words]
