"""Transcripts as files. Generated, never assembled from text that was not escaped.

Captions: WebVTT and TTML (W3C), SubRip, Advanced SubStation Alpha. To read: plain text and Markdown. For programs: JSON, one
entry for each word. A caption is at most two lines of about forty characters; sentences are cut at word boundaries, where
the times are known. All of them can leave out fillers and star out swear words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from itertools import groupby
from typing import NamedTuple, Protocol
from xml.etree import ElementTree as ET

from libs.contracts.transcripts import Segment, Transcript, Word

__all__ = [
    "EXPORTS",
    "Cue",
    "Export",
    "Options",
    "ass",
    "cues",
    "markdown",
    "prepared",
    "srt",
    "text",
    "ttml",
    "vtt",
    "words",
]

MOST_CHARACTERS = 84  # two lines of 42, as the large subtitling guides have it
MOST_SECONDS = 7.0

# Anything that could end a cue, a line or a tag: controls, line and paragraph separators, and bidirectional overrides.
UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


# What Markdown takes for markup (CommonMark 0.31, 2.4: each may be escaped with a backslash).
MARKUP = re.compile(r"([\\`*_{}\[\]()#+\-.!<>|~])")
ENDING = re.compile(r"[.!?…]['\"”’)]*$")
LATER_LETTER = re.compile(r"(?<=\w)[^\W_]")  # any but the first of each run
ASS_STYLE = (
    "Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, "
    "Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, "
    "MarginV, Encoding"
)
TTML, STYLING = "http://www.w3.org/ns/ttml", "http://www.w3.org/ns/ttml#metadata"


class Options(NamedTuple):
    """What is done to marked words on their way into a file."""

    censor: bool = False  # star out swear words
    fillers: bool = True  # keep "um" and false starts


PLAIN = Options()


class Writer(Protocol):
    """Writes a transcript down."""

    def __call__(self, transcript: Transcript, options: Options = ...) -> str:
        """Text of the file."""
        ...


class Export(NamedTuple):
    """A way to write a transcript down, under the ending of its file."""

    suffix: str
    media_type: str
    written: Writer


class Turn(NamedTuple):
    """What somebody says until somebody else does."""

    start: float  # seconds
    speaker: str  # a name, or empty
    text: str


class Cue(NamedTuple):
    """One caption."""

    start: float  # seconds
    end: float
    text: str
    speaker: str  # a name, or empty


def prepared(transcript: Transcript, options: Options) -> Transcript:
    """Leave out fillers and star out swear words, as asked for. Sentences of nothing but fillers go as a whole.

    A sentence whose first word goes gets its capital back, and one whose last word goes its full stop.
    """
    if options == PLAIN:
        return transcript
    segments = [_segment(segment, options) for segment in transcript.segments]
    return transcript.model_copy(update={"segments": tuple(one for one in segments if one is not None)})


def _segment(segment: Segment, options: Options) -> Segment | None:
    if all(word.mark is None for word in segment.words):
        return segment
    words = list(segment.words) if options.fillers else _fluent(segment.words)
    if not words:
        return None
    if options.censor:
        words = [_starred(word) if word.mark == "profanity" else word for word in words]
    times = {"start": words[0].start, "end": words[-1].end}
    return segment.model_copy(update={"words": tuple(words), "text": " ".join(word.text for word in words), **times})


def _fluent(words: Sequence[Word]) -> list[Word]:
    kept = [word for word in words if word.mark != "filler"]
    if kept and kept[0] is not words[0] and words[0].text[:1].isupper():
        kept[0] = kept[0].model_copy(update={"text": kept[0].text[:1].upper() + kept[0].text[1:]})
    stop = ENDING.search(words[-1].text)
    if kept and kept[-1] is not words[-1] and stop and not ENDING.search(kept[-1].text):
        kept[-1] = kept[-1].model_copy(update={"text": kept[-1].text.rstrip(",;:") + stop[0]})
    return kept


def _starred(word: Word) -> Word:
    return word.model_copy(update={"text": LATER_LETTER.sub("*", word.text)})


def _with_options(write: Callable[[Transcript], str]) -> Writer:
    """Let a function that writes a transcript prepare it first."""

    @wraps(write)
    def written(transcript: Transcript, options: Options = PLAIN) -> str:
        return write(prepared(transcript, options))

    return written


def cues(transcript: Transcript) -> Iterator[Cue]:
    """Captions in order: sentences, cut where they are too long to be read at once."""
    names = {speaker.label: speaker.name for speaker in transcript.speakers}
    for segment in transcript.segments:
        name = names.get(segment.speaker or "", "")
        for words in _lines(segment):
            yield Cue(words[0].start, words[-1].end, " ".join(word.text for word in words), name)
        if not segment.words:
            yield Cue(segment.start, segment.end, segment.text, name)


@_with_options
def vtt(transcript: Transcript) -> str:
    """WebVTT with voice tags. Text is escaped, so that nothing spoken or typed can become markup or timing."""
    blocks = [
        f"{_stamp(cue.start, '.')} --> {_stamp(_after(cue), '.')}\n{_voice(cue.speaker)}{_escaped(cue.text)}"
        for cue in cues(transcript)
    ]
    return "\n\n".join(["WEBVTT", *blocks]) + "\n"


@_with_options
def srt(transcript: Transcript) -> str:
    """SubRip. The format knows no escaping: angle brackets, which players take for tags, are replaced."""
    numbered = enumerate(cues(transcript), 1)
    blocks = [
        f"{number}\n{_stamp(cue.start, ',')} --> {_stamp(_after(cue), ',')}\n{_bare(cue.text)}\n"
        for number, cue in numbered
    ]
    return "\n".join(blocks)


@_with_options
def ttml(transcript: Transcript) -> str:
    """TTML 2 (W3C), with an agent for each speaker."""
    ET.register_namespace("", TTML)
    ET.register_namespace("ttm", STYLING)
    root = ET.Element(f"{{{TTML}}}tt", {"{http://www.w3.org/XML/1998/namespace}lang": transcript.language})
    metadata = ET.SubElement(ET.SubElement(root, f"{{{TTML}}}head"), f"{{{TTML}}}metadata")
    agents: dict[str, str] = {}
    for number, speaker in enumerate(transcript.speakers, 1):
        identity = {"type": "person", "{http://www.w3.org/XML/1998/namespace}id": f"agent{number}"}
        agent = ET.SubElement(metadata, f"{{{STYLING}}}agent", identity)
        ET.SubElement(agent, f"{{{STYLING}}}name", {"type": "full"}).text = _plain(speaker.name)
        agents[speaker.name] = f"agent{number}"
    division = ET.SubElement(ET.SubElement(root, f"{{{TTML}}}body"), f"{{{TTML}}}div")
    for cue in cues(transcript):
        times = {"begin": _stamp(cue.start, "."), "end": _stamp(_after(cue), ".")}
        who = {f"{{{STYLING}}}agent": agents[cue.speaker]} if cue.speaker in agents else {}
        ET.SubElement(division, f"{{{TTML}}}p", {**times, **who}).text = _plain(cue.text)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


@_with_options
def ass(transcript: Transcript) -> str:
    """Advanced SubStation Alpha, version 4+. Braces, which begin its commands, and backslashes are replaced."""
    lines = [
        "[Script Info]",
        "ScriptType: v4.00+",
        "WrapStyle: 0",
        "ScaledBorderAndShadow: yes",
        "PlayResX: 1920",
        "PlayResY: 1080",
        "",
        "[V4+ Styles]",
        ASS_STYLE,
        "Style: Default,Inter,60,&H00FFFFFF,&H00FFFFFF,&H00000000,&H80000000,-1,0,0,0,100,100,0,0,1,3,1,2,120,120,80,1",
        "",
        "[Events]",
        "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text",
    ]
    for cue in cues(transcript):
        name = _unbraced(cue.speaker).replace(",", ";")
        times = f"{_hundredths(cue.start)},{_hundredths(max(cue.end, cue.start + 0.01))}"
        lines.append(f"Dialogue: 0,{times},Default,{name},0,0,0,,{_unbraced(cue.text)}")
    return "\n".join(lines) + "\n"


@_with_options
def text(transcript: Transcript) -> str:
    """Plain text: a paragraph for each turn, with its time and who speaks."""
    blocks = [
        f"[{_clock(turn.start)}] {f'{turn.speaker}: ' if turn.speaker else ''}{turn.text}"
        for turn in _turns(transcript)
    ]
    return "\n\n".join(blocks) + "\n"


@_with_options
def markdown(transcript: Transcript) -> str:
    """Markdown (CommonMark): a paragraph for each turn below its speaker and time."""
    blocks = []
    for turn in _turns(transcript):
        who = f"**{_marked(turn.speaker)}** " if turn.speaker else ""
        blocks.append(f"{who}`{_clock(turn.start)}`\n\n{_marked(turn.text)}")
    return "\n\n".join(blocks) + "\n"


@_with_options
def words(transcript: Transcript) -> str:
    """JSON: one entry for each word, with the speaker's name."""
    names = {speaker.label: speaker.name for speaker in transcript.speakers}
    entries = [
        {
            "text": word.text,
            "start": word.start,
            "end": word.end,
            "confidence": word.confidence,
            "speaker": names.get(segment.speaker or ""),
            "segment": position,
            "mark": word.mark,
        }
        for position, segment in enumerate(transcript.segments)
        for word in segment.words
    ]
    return json.dumps({"language": transcript.language, "duration": transcript.duration, "words": entries})


EXPORTS: tuple[Export, ...] = (
    Export("vtt", "text/vtt", vtt),
    Export("srt", "application/x-subrip", srt),
    Export("ttml", "application/ttml+xml", ttml),
    Export("ass", "text/x-ssa", ass),
    Export("txt", "text/plain", text),
    Export("md", "text/markdown", markdown),
    Export("words.json", "application/json", words),
)
"""All of them."""


def _turns(transcript: Transcript) -> Iterator[Turn]:
    names = {speaker.label: _plain(speaker.name) for speaker in transcript.speakers}
    for label, said in groupby(transcript.segments, key=lambda segment: segment.speaker):
        segments = list(said)
        yield Turn(segments[0].start, names.get(label or "", ""), _plain(" ".join(one.text for one in segments)))


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


def _marked(text: str) -> str:
    return MARKUP.sub(r"\\\1", _plain(text))


def _unbraced(text: str) -> str:
    return _plain(text).replace("\\", "∖").replace("{", "(").replace("}", ")")


def _hundredths(seconds: float) -> str:
    hundredths = round(seconds * 100)
    minutes, rest = divmod(hundredths, 6000)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest // 100:02d}.{rest % 100:02d}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
