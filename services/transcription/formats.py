"""Captions as files: WebVTT (W3C) and SubRip. Generated, never assembled from text that was not escaped.

A caption is at most two lines of about forty characters; sentences are cut at word boundaries, where the times are known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from libs.contracts.transcripts import Segment, Transcript, Word

__all__ = ["Cue", "cues", "srt", "vtt"]

MOST_CHARACTERS = 84  # two lines of 42, as the large subtitling guides have it
MOST_SECONDS = 7.0

# Anything that could end a cue, a line or a tag: controls, line and paragraph separators, and bidirectional overrides.
UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


class Cue(NamedTuple):
    """One caption."""

    start: float  # seconds
    end: float
    text: str
    speaker: str  # a name, or empty


def cues(transcript: Transcript) -> Iterator[Cue]:
    """Captions in order: sentences, cut where they are too long to be read at once."""
    names = {speaker.label: speaker.name for speaker in transcript.speakers}
    for segment in transcript.segments:
        name = names.get(segment.speaker or "", "")
        for words in _lines(segment):
            yield Cue(words[0].start, words[-1].end, " ".join(word.text for word in words), name)
        if not segment.words:
            yield Cue(segment.start, segment.end, segment.text, name)


def vtt(transcript: Transcript) -> str:
    """WebVTT with voice tags. Text is escaped, so that nothing spoken or typed can become markup or timing."""
    blocks = [
        f"{_stamp(cue.start, '.')} --> {_stamp(_after(cue), '.')}\n{_voice(cue.speaker)}{_escaped(cue.text)}"
        for cue in cues(transcript)
    ]
    return "\n\n".join(["WEBVTT", *blocks]) + "\n"


def srt(transcript: Transcript) -> str:
    """SubRip. The format knows no escaping: angle brackets, which players take for tags, are replaced."""
    numbered = enumerate(cues(transcript), 1)
    blocks = [
        f"{number}\n{_stamp(cue.start, ',')} --> {_stamp(_after(cue), ',')}\n{_bare(cue.text)}\n"
        for number, cue in numbered
    ]
    return "\n".join(blocks)


def _lines(segment: Segment) -> Iterator[Sequence[Word]]:
    line: list[Word] = []
    for word in segment.words:
        length = sum(len(part.text) + 1 for part in line) + len(word.text)
        if line and (length > MOST_CHARACTERS or word.end - line[0].start > MOST_SECONDS):
            yield line
            line = []
        line.append(word)
    if line:
        yield line


def _after(cue: Cue) -> float:
    """A cue has to end after it begins, by the millisecond that is written."""
    return max(cue.end, cue.start + 0.001)


def _stamp(seconds: float, point: str) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}{point}{rest % 1000:03d}"


def _plain(text: str) -> str:
    return UNSAFE.sub(" ", text).strip()


def _escaped(text: str) -> str:
    return _plain(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _voice(name: str) -> str:
    return f"<v {_escaped(name)}>" if _plain(name) else ""


def _bare(text: str) -> str:
    return _plain(text).replace("-->", "→").replace("<", "‹").replace(">", "›")
