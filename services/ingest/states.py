"""The life of a recording from its first byte to a stored original."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["ARRIVING", "MOVES", "IllegalMove", "State", "move"]


class State(StrEnum):
    """Where a recording stands."""

    RECEIVING = "receiving"  # an upload's bytes are coming in
    IMPORTING = "importing"  # a URL is being fetched
    CHECKING = "checking"  # whole; being probed, hashed and stored
    RECEIVED = "received"
    REJECTED = "rejected"
    CANCELLED = "cancelled"


MOVES: dict[State, frozenset[State]] = {
    State.RECEIVING: frozenset({State.CHECKING, State.REJECTED, State.CANCELLED}),
    State.IMPORTING: frozenset({State.CHECKING, State.REJECTED, State.CANCELLED}),
    State.CHECKING: frozenset({State.RECEIVED, State.REJECTED, State.CANCELLED}),
    State.RECEIVED: frozenset(),
    State.REJECTED: frozenset(),
    State.CANCELLED: frozenset(),
}

ARRIVING = frozenset({State.RECEIVING, State.IMPORTING})


class IllegalMove(Exception):
    """Code asked for a move that the machine doesn't have: a bug, or a race that was lost."""

    def __init__(self, old: State, new: State) -> None:
        super().__init__(f"a recording that is {old} can't become {new}")
        self.old, self.new = old, new


def move(old: State, new: State) -> State:
    """Return ``new`` if the machine has that move. Raises IllegalMove."""
    if new not in MOVES[old]:
        raise IllegalMove(old, new)
    return new
