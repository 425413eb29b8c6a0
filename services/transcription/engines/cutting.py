"""Where a recording is cut into chunks that are heard by themselves: at pauses, and only where nobody ever pauses in speech.

Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from services.transcription.engines.protocol import Region

__all__ = ["LONGEST", "MARGIN", "OVERLAP", "Chunk", "chunks"]

FIRST = 60.0  # seconds of the first chunk: its text is there soon; each later one is twice as long
LONGEST = 300.0  # seconds between a chunk's first and last speech
ALL_BUT = 1.5  # times what is enough: so much at the end is one chunk, rather than a chunk and a crumb
PAUSE = 0.5  # seconds: a pause that parts sentences rather than words
OVERLAP = 5.0  # seconds on either side of a cut through speech that both chunks hear
MARGIN = 0.3  # seconds of sound kept around the speech of a chunk


class Chunk(NamedTuple):
    """A stretch that is heard by itself. All times in seconds of the recording.

    The chunks' spans from ``start`` to ``end`` follow each other without gap. What is heard, ``heard_from`` to ``heard_to``,
    reaches over the ends where speech goes on there; ``regions`` are the stretches of speech in it.
    """

    start: float
    end: float
    heard_from: float
    heard_to: float
    regions: tuple[Region, ...]

    @property
    def speech(self) -> float:
        """Seconds of speech between its own ends."""
        return sum(max(0.0, min(one.end, self.end) - max(one.start, self.start)) for one in self.regions)


def chunks(
    regions: Sequence[Region], target: float, quietest: Callable[[float, float], float], longest: float = LONGEST
) -> Iterator[Chunk]:
    """Cut the regions (in order, disjoint) into chunks.

    ``target`` seconds of a chunk are enough; after ``longest`` it is cut even through speech, where ``quietest`` finds the
    best spot between two times.
    """
    cutter = _Cutter(regions, min(target, longest), quietest, longest)
    while cutter.waiting:
        yield cutter.next()


class _Cutter:
    """What is not cut yet, and where the next chunk begins."""

    def __init__(
        self, regions: Sequence[Region], target: float, quietest: Callable[[float, float], float], longest: float
    ) -> None:
        self.waiting = list(regions)
        self._target = target
        self._longest = longest
        self._quietest = quietest
        self._enough = min(FIRST, target)
        self._begin = 0.0

    def next(self) -> Chunk:
        cut = self._cut()
        return self._chunk(self.waiting[-1].end + 2 * MARGIN if cut is None else cut)

    def _cut(self) -> float | None:
        """The time of the next cut; None where all that is left is one chunk."""
        first = max(self._begin, self.waiting[0].start)
        if self.waiting[-1].end - first <= min(self._longest, ALL_BUT * self._enough):
            return None
        pauses = [
            Region(one.end, other.start)
            for one, other in zip(self.waiting, self.waiting[1:], strict=False)
            if one.end - first <= self._longest
        ]
        good = (pause for pause in pauses if pause.start - first >= self._enough and pause.end - pause.start >= PAUSE)
        if (pause := next(good, None)) is not None:
            return _middle(pause)
        if self.waiting[-1].end - first <= self._longest:
            return None
        late = [pause for pause in pauses if pause.start - first >= self._enough / 2]
        if late:
            return _middle(max(late, key=lambda pause: pause.end - pause.start))
        return self._quietest(first + self._longest * 2 / 3, first + self._longest - OVERLAP)

    def _chunk(self, cut: float) -> Chunk:
        """Everything before ``cut``. Speech that goes on beyond it, or began before, is heard a little further."""
        begin, after = self._begin - OVERLAP, cut + OVERLAP
        through = any(one.start < cut < one.end for one in self.waiting)
        mine = [one for one in self.waiting if one.start < cut]
        heard = [
            Region(max(one.start, begin), min(one.end, after))
            for one in [*mine, *(one for one in self.waiting if cut <= one.start < after and through)]
        ]
        chunk = Chunk(self._begin, cut, max(0.0, heard[0].start - MARGIN), heard[-1].end + MARGIN, tuple(heard))
        # After a cut through speech the next chunk hears the last seconds again, whole words and all.
        keep = cut - OVERLAP if through else cut
        self.waiting = [Region(max(one.start, keep), one.end) for one in self.waiting if one.end > keep]
        self._begin = cut
        self._enough = min(self._target, 2 * self._enough)
        return chunk


def _middle(pause: Region) -> float:
    return (pause.start + pause.end) / 2
