"""Scores of diarization and of words with speakers, by the field's own scorers (dependency group ``measure``).

DER as NIST defines it ("The rich transcription 2009 evaluation plan") by pyannote.metrics; cpWER (Watanabe et al., "CHiME-6
challenge", 2020) and tcpWER (von Neumann et al., "MeetEval", 2023) by MeetEval.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["Errors", "Said", "Span", "errors_of", "rttm", "stm", "uem", "word_errors"]

TOLERANCE = 5.0  # seconds that words may be off in time-constrained scores: MeetEval's own choice for meetings


class Span(NamedTuple):
    """Somebody speaks, in seconds."""

    start: float
    end: float
    speaker: str


class Said(NamedTuple):
    """What somebody says from when to when, in seconds."""

    start: float
    end: float
    speaker: str
    text: str


class Errors(NamedTuple):
    """Seconds missed, invented and given to the wrong speaker, of the seconds that speakers speak. They add up."""

    missed: float = 0.0
    invented: float = 0.0
    confused: float = 0.0
    total: float = 0.0

    def __add__(self, other: Any) -> Errors:  # a tuple's own sum would be longer
        return Errors(*(one + more for one, more in zip(self, other, strict=True)))

    @property
    def rate(self) -> float:
        """Diarization error rate, 0 where nobody speaks."""
        return (self.missed + self.invented + self.confused) / self.total if self.total else 0.0


def errors_of(
    reference: Sequence[Span], found: Sequence[Span], within: Sequence[tuple[float, float]], collar: float
) -> Errors:
    """Errors within some stretches, overlapped speech included.

    What lies within ``collar`` seconds before or after a border of the reference does not count.
    """
    from pyannote.core import Segment, Timeline
    from pyannote.metrics.diarization import DiarizationErrorRate

    metric = DiarizationErrorRate(collar=2 * collar)  # pyannote counts both sides of the border
    scored = Timeline([Segment(*stretch) for stretch in within])
    parts = metric(_annotation(reference), _annotation(found), uem=scored, detailed=True)
    return Errors(parts["missed detection"], parts["false alarm"], parts["confusion"], parts["total"])


def _annotation(spans: Sequence[Span]) -> Any:
    from pyannote.core import Annotation, Segment

    annotation = Annotation()
    for track, span in enumerate(spans):
        annotation[Segment(span.start, span.end), track] = span.speaker
    return annotation


def word_errors(reference: Sequence[Said], found: Sequence[Said]) -> tuple[float, float]:
    """Give cpWER and tcpWER. Case and punctuation don't count."""
    import meeteval

    truth, heard = _seglst(reference), _seglst(found)
    return (
        float(meeteval.wer.cpwer(truth, heard)["only"].error_rate),
        float(meeteval.wer.tcpwer(truth, heard, collar=TOLERANCE)["only"].error_rate),
    )


def _seglst(said: Sequence[Said]) -> Any:
    import meeteval

    return meeteval.io.SegLST(
        [
            {
                "session_id": "only",
                "start_time": each.start,
                "end_time": each.end,
                "speaker": each.speaker,
                "words": " ".join(re.findall(r"[\w']+", each.text.lower())),
            }
            for each in said
        ]
    )


def rttm(files: Iterable[Path]) -> dict[str, list[Span]]:
    """Who speaks when, by recording, of RTTM files."""
    spans: dict[str, list[Span]] = {}
    for fields in _lines(files):
        if fields[0] == "SPEAKER":
            start = float(fields[3])
            spans.setdefault(fields[1], []).append(Span(start, start + float(fields[4]), fields[7]))
    return spans


def uem(files: Iterable[Path]) -> dict[str, list[tuple[float, float]]]:
    """Which stretches are scored, by recording, of UEM files."""
    stretches: dict[str, list[tuple[float, float]]] = {}
    for fields in _lines(files):
        stretches.setdefault(fields[0], []).append((float(fields[2]), float(fields[3])))
    return stretches


def stm(files: Iterable[Path]) -> dict[str, list[Said]]:
    """Who says what, by recording, of STM files."""
    said: dict[str, list[Said]] = {}
    for fields in _lines(files):
        said.setdefault(fields[0], []).append(Said(float(fields[3]), float(fields[4]), fields[2], " ".join(fields[5:])))
    return said


def _lines(files: Iterable[Path]) -> list[list[str]]:
    lines = [line.split() for file in files for line in file.read_text().splitlines()]
    return [fields for fields in lines if fields and not fields[0].startswith(";")]
