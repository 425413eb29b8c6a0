"""Captions made elsewhere, as transcripts: SubRip and WebVTT (W3C), as ``formats`` writes them and as others do.

Read by hand, because the parsers there are drop what they don't understand (webvtt-py) or misread hours that are left out
(srt), and none tells the line. Here a cue that can't be read is an error with its line, and every size has a bound. What
comes out is plain text: tags go, and whoever writes it into a file again has to escape it, as ``formats`` does.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from libs.contracts.transcripts import Segment, Speaker, Word

__all__ = ["MOST_BYTES", "MOST_CUES", "MOST_LINES", "Imported", "Unreadable", "read"]

MOST_BYTES = 4 << 20  # an hour of talk takes 100 kB
MOST_CUES = 50_000  # one a second, for fourteen hours
MOST_LINES = 6 * MOST_CUES
MOST_CHARACTERS = 5_000  # of one cue
LONGEST_NAME = 200  # characters

Format = Literal["srt", "vtt"]

CLOCK = r"(?:(\d{1,3}):)?([0-5]?\d):([0-5]?\d)(?:[.,](\d{1,3}))?"
TIMING = re.compile(rf"[ \t]*{CLOCK}[ \t]*-->[ \t]*{CLOCK}(?:[ \t].*)?", re.ASCII)  # settings follow
STAMP = re.compile(rf"<{CLOCK}>", re.ASCII)
VOICE = re.compile(r"<v(?:\.[^\s<>]*)?[ \t]+([^<>]*)>|</v>")
TAG = re.compile(r"</?[a-zA-Z][^<>]{0,500}>|</?>")
OVERRIDE = re.compile(r"\{\\[^{}]{0,200}\}")  # "{\an8}", which SubRip has from SubStation
NUMBER = re.compile(r"[ \t]*\d+[ \t]*", re.ASCII)
SIGNATURE = re.compile(r"WEBVTT(?:[ \t].*)?")
ASIDE = re.compile(r"(?:NOTE|STYLE|REGION)(?:[ \t].*)?")


class Unreadable(Exception):
    """Captions that can't be read. ``line`` counts from 1."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(f"line {line}: {why}")
        self.line = line
        self.why = why


class Imported(NamedTuple):
    """What captions hold: a segment for each cue, or for each voice in one, in order of time."""

    segments: tuple[Segment, ...]
    speakers: tuple[Speaker, ...]


class Line(NamedTuple):
    """A line of the file, counted from 1."""

    number: int
    text: str


class Cue(NamedTuple):
    """One caption with its markup. Times are seconds."""

    line: int
    start: float
    end: float
    text: str


class Part(NamedTuple):
    """Words of one voice between two times."""

    start: float
    end: float
    speaker: str
    words: list[str]


def read(data: bytes, form: Format) -> Imported:
    """Read a file. Raises Unreadable, naming the line.

    Words get times by their share of the letters of their cue. Where a cue lasts into the next one, it ends there.
    """
    lines = _lines(data)
    found = list(_vtt(lines) if form == "vtt" else _srt(lines))
    if not found:
        raise Unreadable(1, "there is no cue")
    cues = sorted(found, key=lambda cue: cue.start)
    parts = [part for cue, following in pairwise([*cues, None]) if cue for part in _parts(cue, following, form)]
    names = list(dict.fromkeys(part.speaker for part in parts if part.speaker))
    labels = {name: f"S{number}" for number, name in enumerate(names, 1)}
    segments = tuple(_segment(part, labels.get(part.speaker)) for part in parts)
    seconds = dict.fromkeys(names, 0.0)
    for part in parts:
        if part.speaker:
            seconds[part.speaker] += part.end - part.start
    speakers = tuple(Speaker(label=labels[name], name=name, seconds=round(seconds[name], 3)) for name in names)
    return Imported(segments, speakers)


def _lines(data: bytes) -> list[Line]:
    if len(data) > MOST_BYTES:
        raise Unreadable(1, f"the file is larger than {MOST_BYTES >> 20} MiB")
    try:
        text = data.decode("utf-16" if data[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(data.count(b"\n", 0, error.start) + 1, "the text is not UTF-8") from error
    lines = re.split(r"\r\n|\r|\n", text)
    if len(lines) > MOST_LINES:
        raise Unreadable(MOST_LINES + 1, f"there are more than {MOST_LINES} lines")
    for number, line in enumerate(lines, 1):
        if "\0" in line:
            raise Unreadable(number, "there is a NUL: this is no text")
    return [Line(number, line) for number, line in enumerate(lines, 1)]


def _blocks(lines: Sequence[Line]) -> Iterator[list[Line]]:
    """Runs of lines that aren't empty."""
    block: list[Line] = []
    for line in lines:
        if line.text.strip():
            block.append(line)
        elif block:
            yield block
            block = []
    if block:
        yield block


def _vtt(lines: Sequence[Line]) -> Iterator[Cue]:
    if not SIGNATURE.fullmatch(lines[0].text):
        raise Unreadable(1, "the file does not begin with WEBVTT")
    first = next((index for index, line in enumerate(lines) if not line.text.strip()), len(lines))
    cues = 0
    for block in _blocks(lines[first:]):
        if ASIDE.fullmatch(block[0].text) and "-->" not in block[0].text:
            continue
        timing = 0 if "-->" in block[0].text else 1  # an identifier may stand before it
        if timing >= len(block) or "-->" not in block[timing].text:
            raise Unreadable(block[0].number, "this is neither a cue nor a NOTE")
        for line in block[timing + 1 :]:
            if "-->" in line.text:
                raise Unreadable(
                    line.number, "“-->” can't stand in a cue's text, and a cue needs an empty line before it"
                )
        cues += 1
        yield _cue(block[timing], block[timing + 1 :], cues)


def _srt(lines: Sequence[Line]) -> Iterator[Cue]:
    """Cues begin at their timing; what follows an empty line belongs to the text unless it is a cue."""
    timings = [index for index, line in enumerate(lines) if TIMING.fullmatch(line.text)]
    for index, line in enumerate(lines[: timings[0] if timings else len(lines)]):
        if line.text.strip() and not (NUMBER.fullmatch(line.text) and index + 1 in timings[:1]):
            raise Unreadable(line.number, "this is not the number or the time of a cue")
    for count, (at, following) in enumerate(pairwise([*timings, len(lines)]), 1):
        text = list(lines[at + 1 : following])
        if following < len(lines) and text and NUMBER.fullmatch(text[-1].text):
            text.pop()  # the next cue's
        for line in text:
            if "-->" in line.text and re.match(r"[ \t]*\d+:", line.text):
                raise Unreadable(line.number, "this time can't be read")
        yield _cue(lines[at], text, count)


def _cue(timing: Line, text: Sequence[Line], count: int) -> Cue:
    if count > MOST_CUES:
        raise Unreadable(timing.number, f"there are more than {MOST_CUES} cues")
    if sum(len(line.text) + 1 for line in text) > MOST_CHARACTERS:
        raise Unreadable(timing.number, f"the cue holds more than {MOST_CHARACTERS} characters")
    match = TIMING.fullmatch(timing.text)
    if match is None:
        raise Unreadable(timing.number, "this time can't be read")
    start, end = _seconds(*match.groups()[:4]), _seconds(*match.groups()[4:])
    if end < start:
        raise Unreadable(timing.number, "the cue ends before it begins")
    return Cue(timing.number, start, end, " ".join(line.text for line in text))


def _seconds(hours: str | None, minutes: str, seconds: str, fraction: str | None) -> float:
    milliseconds = int((fraction or "").ljust(3, "0"))
    return ((int(hours or 0) * 60 + int(minutes)) * 60 + int(seconds)) + milliseconds / 1000


def _parts(cue: Cue, following: Cue | None, form: Format) -> Iterator[Part]:
    """What each voice says between one time stamp and the next; WebVTT may have both within a cue."""
    end = cue.end if following is None or following.start <= cue.start else min(cue.end, following.start)
    plain = html.unescape if form == "vtt" else str
    said: list[tuple[float | None, str, list[str]]] = []
    stamp: float | None = cue.start
    speaker = ""
    at = 0
    text = cue.text if form == "vtt" else OVERRIDE.sub("", cue.text)
    for mark in [*_marks(text), None]:
        words = plain(TAG.sub("", text[at : mark.start() if mark else len(text)])).split()
        if words:
            said.append((stamp, speaker, words))
            stamp = None
        if mark is None:
            break
        at = mark.end()
        if mark.re is STAMP:
            stamp = min(max(_seconds(*mark.groups()), cue.start), end)
        else:
            speaker = " ".join(plain(mark[1] or "").split())[:LONGEST_NAME]
    yield from _timed(said, end)


def _marks(text: str) -> list[re.Match[str]]:
    """Voices and time stamps, in order."""
    return sorted([*VOICE.finditer(text), *STAMP.finditer(text)], key=lambda mark: mark.start())


def _timed(said: Sequence[tuple[float | None, str, list[str]]], end: float) -> Iterator[Part]:
    """Give runs without a time stamp of their own a share of the time up to the next one."""
    known = [index for index, (stamp, _, _) in enumerate(said) if stamp is not None]
    for first, following in pairwise([*known, len(said)]):
        start = said[first][0] or 0.0
        until = max(start, said[following][0] or 0.0) if following < len(said) else max(start, end)
        total = sum(_length(words) for _, _, words in said[first:following])
        for _, speaker, words in said[first:following]:
            stop = start + (until - start) * _length(words) / total
            total -= _length(words)
            yield Part(start, stop, speaker, words)
            start = stop


def _length(words: Sequence[str]) -> int:
    return sum(len(word) + 1 for word in words)


def _segment(part: Part, label: str | None) -> Segment:
    per_letter = (part.end - part.start) / _length(part.words)
    words: list[Word] = []
    at = part.start
    for word in part.words:
        end = min(part.end, at + (len(word) + 1) * per_letter)
        words.append(Word(text=word, start=round(at, 3), end=round(end, 3), speaker=label))
        at = end
    return Segment(
        text=" ".join(part.words),
        start=round(part.start, 3),
        end=round(part.end, 3),
        speaker=label,
        words=tuple(words),
    )
