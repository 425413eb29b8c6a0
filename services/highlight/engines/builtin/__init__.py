"""The built-in scorer: in plain Python, without a model, the same answer for the same transcript and wishes.

``units`` turns a transcript into sentences with what surrounds them, ``dimensions`` measures each, ``candidates``
scores every span of a wanted length by the table in ``weights``, ``selection`` picks, ``wording`` says what and why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from time import monotonic

from libs.contracts.media import EngineSpan, Wishes
from libs.contracts.transcripts import Transcript
from services.highlight.engines import BUILT_IN, Choice, Found
from services.highlight.engines.builtin import lexicon
from services.highlight.engines.builtin.candidates import Candidate, candidates
from services.highlight.engines.builtin.dimensions import Measures, measure
from services.highlight.engines.builtin.selection import select
from services.highlight.engines.builtin.units import recording
from services.highlight.engines.builtin.weights import FLOOR
from services.highlight.engines.builtin.wording import plain, reason, title

LEAST_SPEECH = 5.0  # seconds: with less there is nothing to share
SHORTER = 5.0  # seconds: what is offered where no span of the wanted length exists
SHORTEST = 1.0  # seconds: and where none of those does either
NO_MOMENTS = "no_moments"


class BuiltIn:
    """The finder that always works."""

    def find(self, transcript: Transcript, wishes: Wishes, taken: Sequence[tuple[float, float]] = ()) -> Choice:
        """Find up to ``wishes.count`` moments. Where none is good, the best few are offered and ``detail`` says so."""
        return self.shortlist(transcript, wishes, taken, more=0)[0]

    def shortlist(
        self, transcript: Transcript, wishes: Wishes, taken: Sequence[tuple[float, float]], *, more: int
    ) -> tuple[Choice, tuple[Found, ...]]:
        """Do as ``find``, and list up to ``more`` moments that another finder may choose from, in order of time."""
        began, clock = datetime.now(UTC), monotonic()
        choice, others = _shortlist(transcript, wishes, taken, more)
        span = EngineSpan(engine=BUILT_IN, started_at=began, seconds=round(monotonic() - clock, 6))
        return replace(choice, engine=(span,)), others


def _shortlist(
    transcript: Transcript, wishes: Wishes, taken: Sequence[tuple[float, float]], more: int
) -> tuple[Choice, tuple[Found, ...]]:
    low, high = sorted((wishes.min_duration, wishes.max_duration))
    whole = recording(transcript, high)
    speech = sum(unit.end - unit.start for unit in whole.units)
    if speech < LEAST_SPEECH:
        return Choice((), BUILT_IN, NO_MOMENTS, f"Only {speech:.0f} s of speech were heard, too little for a clip."), ()
    measures = measure(whole, wishes.prompt)
    found = _candidates(measures, low, high)
    picked = select(found, wishes.count, whole.duration, taken)
    if not picked:
        return Choice((), BUILT_IN, NO_MOMENTS, _nothing(taken)), ()
    moments = tuple(_found(measures, candidate) for candidate in picked)
    code, detail = _remarks(moments, measures)
    others = select(found, more, whole.duration, taken) if more else []
    in_time = sorted({*picked, *others}, key=lambda candidate: candidate.start)
    return Choice(moments, BUILT_IN, code, detail), tuple(_found(measures, candidate) for candidate in in_time)


def _candidates(measures: Measures, low: float, high: float) -> list[Candidate]:
    """List spans of the wanted length; the whole where it is shorter than that; else what there is."""
    whole = measures.closing[-1] - measures.opening[0]
    for least in (min(low, whole), min(low, SHORTER), SHORTEST):
        found = candidates(measures, least, high)
        if found:
            return found
    return []


def _found(measures: Measures, candidate: Candidate) -> Found:
    units = measures.recording.units[candidate.first : candidate.last + 1]
    return Found(
        start=max(0.0, round(candidate.start, 3)),
        end=min(measures.recording.duration, round(candidate.end, 3)),
        title=title(measures, candidate),
        text=plain(lexicon.joined([unit.text for unit in units], measures.recording.language)),
        score=round(candidate.score, 4),
        scores={name: round(score, 4) for name, score in candidate.scores.items()},
        reason=reason(measures, candidate),
    )


def _nothing(taken: Sequence[tuple[float, float]]) -> str:
    if taken:
        return "Everything worth a clip was already found; ask for other lengths or another subject."
    return "The speech has no break at which a clip of the wanted length could begin and end; ask for longer clips."


def _remarks(found: Sequence[Found], measures: Measures) -> tuple[str, str]:
    """Say what the owner should know about a choice, if anything."""
    if measures.unsaid and not measures.wanted:
        return "", f"Nothing was heard about “{' '.join(measures.unsaid)}”, so these are the best moments overall."
    if all(moment.score < FLOOR for moment in found):
        return NO_MOMENTS, "No part of this recording stands out; these are the best few."
    return "", ""
