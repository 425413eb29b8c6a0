"""Every move that the machine doesn't have raises."""

import itertools

import pytest

from services.ingest.states import MOVES, IllegalMove, State, move


@pytest.mark.parametrize(("old", "new"), list(itertools.product(State, State)))
def test_moves(old: State, new: State) -> None:
    if new in MOVES[old]:
        assert move(old, new) is new
    else:
        with pytest.raises(IllegalMove, match=f"{old} can't become {new}"):
            move(old, new)


def test_ended_is_ended() -> None:
    assert [state for state in State if not MOVES[state]] == [State.RECEIVED, State.REJECTED, State.CANCELLED]
