"""The states of a search for moments."""

from __future__ import annotations

from enum import StrEnum


class SearchState(StrEnum):
    """Where the search through one recording stands."""

    LOOKING = "looking"
    FOUND = "found"
    NOTHING = "nothing"  # looked, and ``code`` and ``detail`` say why there is nothing


MOVES: dict[SearchState, frozenset[SearchState]] = {
    SearchState.LOOKING: frozenset({SearchState.LOOKING, SearchState.FOUND, SearchState.NOTHING}),
    SearchState.FOUND: frozenset({SearchState.LOOKING}),  # the owner asks for others
    SearchState.NOTHING: frozenset({SearchState.LOOKING}),
}


def moved(state: SearchState, to: SearchState) -> SearchState:
    """Make a legal move. Raises ValueError for any other."""
    if to not in MOVES[state]:
        raise ValueError(f"a search can't go from {state} to {to}")
    return to
