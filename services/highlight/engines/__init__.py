"""Who chooses moments, behind one protocol.

The built-in scorer always works; Ollama re-ranks and titles what the built-in scorer found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from libs.contracts.media import EngineSpan, Wishes
from libs.contracts.transcripts import Transcript

BUILT_IN = "built-in"


@dataclass(frozen=True, slots=True)
class Found:
    """A span worth sharing, in seconds. ``scores`` (0 to 1 each) explain ``score``; ``reason`` says it in words."""

    start: float
    end: float
    title: str
    text: str
    score: float
    scores: dict[str, float]
    reason: str

    def shared(self, start: float, end: float) -> float:
        """Say how much of the shorter of the two spans both cover, 0 to 1."""
        shorter = min(self.end - self.start, end - start)
        common = min(self.end, end) - max(self.start, start)
        return max(0.0, common) / shorter if shorter > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Choice:
    """A finder's answer: moments, best first, and who chose them. Without moments, ``code`` and ``detail`` say why."""

    moments: tuple[Found, ...]
    chosen_by: str
    code: str = ""
    detail: str = ""
    engine: tuple[EngineSpan, ...] = field(default=())


class Finder(Protocol):
    """Chooses up to ``wishes.count`` moments of a transcript.

    Promises of every implementation: spans lie within the recording and begin and end outside words; no two share more
    than half of the shorter; none shares more than half with a span in ``taken``; an empty choice has a ``code`` and a
    sentence in ``detail``.
    """

    def find(self, transcript: Transcript, wishes: Wishes, taken: Sequence[tuple[float, float]] = ()) -> Choice:
        """Choose for this transcript. Never raises for any legal one."""
        ...
