"""Found moments as they cross service borders."""

from __future__ import annotations

from uuid import UUID

from libs.contracts.media import Contract


class Moment(Contract):
    """A span worth sharing. ``scores`` explains ``score`` (0 to 1) by dimension; ``reason`` says it in words."""

    id: UUID
    media_id: UUID
    rank: int  # 1 is the best
    start: float  # seconds
    end: float
    title: str
    text: str
    score: float
    scores: dict[str, float]
    reason: str


class Moments(Contract):
    """Reply of highlight's ``GET /internal/moments/{media_id}``: best first."""

    media_id: UUID
    engine: str  # "built-in" or "ollama:<model>"
    moments: tuple[Moment, ...]
