"""Selection: the best candidates that do not repeat each other, spread over the recording."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp

from services.highlight.engines.builtin.candidates import Candidate

MOST_SHARED = 0.5  # of the shorter of two spans
NEARNESS = 0.06  # what standing right beside a chosen span costs: breaks ties towards other parts of the recording
_EPSILON = 0.01  # seconds: cuts in the middle of one silence touch


def select(
    candidates: Sequence[Candidate], count: int, duration: float, taken: Sequence[tuple[float, float]] = ()
) -> list[Candidate]:
    """Choose up to ``count``, best first. Those that touch no other come first, then ones that share half at most."""
    chosen: list[Candidate] = []
    for most in (0.0, MOST_SHARED):
        spans = [*taken, *((candidate.start, candidate.end) for candidate in chosen)]
        chosen += _greedily(candidates, count - len(chosen), max(1.0, duration / (2 * count)), spans, most)
    return sorted(chosen, key=lambda candidate: (-candidate.score, candidate.start, candidate.end))


def _greedily(
    candidates: Sequence[Candidate], count: int, reach: float, spans: Sequence[tuple[float, float]], most: float
) -> list[Candidate]:
    """Take the best left, time and again; what shares more than ``most`` with a span, or with one taken, is out."""
    open_ = [(candidate, 0.0) for candidate in candidates]
    for span in spans:
        open_ = _after(open_, span, most, reach)
    chosen: list[Candidate] = []
    while open_ and len(chosen) < count:
        best, _ = max(open_, key=lambda pair: (pair[0].score - pair[1], -pair[0].start, -pair[0].end))
        chosen.append(best)
        open_ = _after(open_, (best.start, best.end), most, reach)
    return chosen


def _after(
    open_: list[tuple[Candidate, float]], span: tuple[float, float], most: float, reach: float
) -> list[tuple[Candidate, float]]:
    """Keep what may still be chosen once ``span`` is, with the larger of each one's costs of nearness."""
    start, end = span
    left: list[tuple[Candidate, float]] = []
    for candidate, cost in open_:
        if _shared(candidate, start, end) > most:
            continue
        distance = max(0.0, candidate.start - end, start - candidate.end)
        left.append((candidate, max(cost, NEARNESS * exp(-distance / reach))))
    return left


def _shared(candidate: Candidate, start: float, end: float) -> float:
    common = min(candidate.end, end) - max(candidate.start, start)
    if common <= _EPSILON:
        return 0.0
    return common / max(_EPSILON, min(candidate.end - candidate.start, end - start))
