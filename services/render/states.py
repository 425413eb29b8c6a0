"""The states of a rendition."""

from __future__ import annotations

from enum import StrEnum


class RenditionState(StrEnum):
    """Where one file of a clip stands; a clip with one file stands where that stands."""

    QUEUED = "queued"
    RENDERING = "rendering"
    READY = "ready"
    FAILED = "failed"  # ``problem`` says why
    DROPPED = "dropped"  # there was a file; the platform's rules took it away


MOVES: dict[RenditionState, frozenset[RenditionState]] = {
    RenditionState.QUEUED: frozenset({RenditionState.RENDERING, RenditionState.FAILED}),
    # To itself: a worker vanished, and another one begins anew.
    RenditionState.RENDERING: frozenset({RenditionState.RENDERING, RenditionState.READY, RenditionState.FAILED}),
    RenditionState.READY: frozenset({RenditionState.DROPPED}),
    RenditionState.FAILED: frozenset({RenditionState.QUEUED}),  # its owner asks again
    RenditionState.DROPPED: frozenset({RenditionState.QUEUED}),
}


def moved(state: RenditionState, to: RenditionState) -> RenditionState:
    """Make a legal move. Raises ValueError for any other."""
    if to not in MOVES[state]:
        raise ValueError(f"a rendition can't go from {state} to {to}")
    return to
