"""Candidates: every span of whole units of a wanted length, scored.

Running sums make a span's score independent of its length. Of the many ends that a long ``high`` allows, only the
``MOST_ENDS`` that close best are scored for each start, which keeps four hours of talk under two seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import nlargest

from services.highlight.engines.builtin.dimensions import Measures, bounded
from services.highlight.engines.builtin.weights import weights

MOST_ENDS = 16
BEST_PER_START = 3
LONGEST_SILENCE = 6.0  # seconds: dead air within a clip loses people


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """Units ``first`` to ``last`` as one clip from ``start`` to ``end`` seconds, silence around it included."""

    first: int
    last: int
    start: float
    end: float
    score: float
    scores: dict[str, float]


def candidates(measures: Measures, low: float, high: float) -> list[Candidate]:
    """Score the spans and keep the best of ``low`` to ``high`` seconds from each start, in order of start."""
    table = weights(draft=measures.recording.draft, prompt=bool(measures.wanted))
    found: list[Candidate] = []
    for first in range(len(measures.recording.units)):
        spans = _spans(measures, first, low, high)
        if len(spans) > MOST_ENDS:
            spans = nlargest(MOST_ENDS, spans, key=lambda span: (measures.end[span.last], -span.last))
        scored = [_scored(measures, table, first, span) for span in spans]
        found.extend(nlargest(BEST_PER_START, scored, key=lambda candidate: (candidate.score, -candidate.last)))
    return found


@dataclass(frozen=True, slots=True)
class _Span:
    """What has to be gathered while a span grows, because it does not add up."""

    last: int
    information: float  # weight of its distinct terms
    quotability: float  # of its best sentence
    relevance: float  # 0 to 1


def _spans(measures: Measures, first: int, low: float, high: float) -> list[_Span]:
    units = measures.recording.units
    begin = measures.opening[first]
    seen: set[str] = set()
    said: dict[str, int] = {}
    information = quotability = 0.0
    spans: list[_Span] = []
    for last in range(first, len(units)):
        unit = units[last]
        length = measures.closing[last] - begin
        if length > high or (last > first and unit.silence_before > LONGEST_SILENCE):
            break
        for term in unit.terms:
            if term in measures.wanted:
                said[term] = said.get(term, 0) + 1
            if term not in seen:
                seen.add(term)
                information += measures.weight[term]
        quotability = max(quotability, measures.quotability[last])
        if length >= low:
            spans.append(_Span(last, information, quotability, _relevance(measures.wanted, said, length)))
    return spans


def _relevance(wanted: dict[str, float], said: dict[str, int], length: float) -> float:
    """Weigh how much of what was asked for is said, and whether more than in passing (once every 20 s or so)."""
    if not said:
        return 0.0
    enough = 1 + length / 20
    covered = sum(wanted[term] * (0.6 + 0.4 * min(1.0, count / enough)) for term, count in said.items())
    return bounded(covered / sum(wanted.values()))


def _scored(measures: Measures, table: dict[str, float], first: int, span: _Span) -> Candidate:
    last = span.last
    length = max(0.1, measures.closing[last] - measures.opening[first])
    scores = {
        "hook": measures.hook[first],
        "completeness": (measures.start[first] + measures.end[last]) / 2,
        "information": bounded(span.information / length / (1.6 * measures.typical)),
        "emotion": measures.emotion(first, last),
        "dialogue": measures.dialogue(first, last),
        "energy": measures.energy(first, last),
        "quotability": span.quotability,
    }
    if "relevance" in table:
        scores["relevance"] = span.relevance
    score = sum(weight * scores[name] for name, weight in table.items())
    return Candidate(first, last, measures.opening[first], measures.closing[last], score, scores)
