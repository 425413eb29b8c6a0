"""Times of corrected words."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.contracts.transcripts import Word
from services.transcription.retiming import retimed


def said(*words: tuple[str, float, float]) -> list[Word]:
    return [Word(text=text, start=start, end=end, confidence=0.5) for text, start, end in words]


WORDS = said(("And", 1.0, 1.2), ("so", 1.2, 1.5), ("my", 2.5, 2.7), ("fellow", 2.7, 3.1), ("Americans", 3.1, 4.0))


def times(texts: str, words: list[Word] = WORDS) -> list[tuple[str, float, float]]:
    return [(word.text, word.start, word.end) for word in retimed(words, texts.split(), 1.0, 4.0)]


def test_what_stays_keeps_its_time_and_its_confidence() -> None:
    assert retimed(WORDS, [word.text for word in WORDS], 1.0, 4.0) == WORDS
    found = retimed(WORDS, ["and,", "so", "my", "fellow", "Americans!"], 1.0, 4.0)
    assert [word.text for word in found] == ["and,", "so", "my", "fellow", "Americans!"]
    assert [(word.start, word.confidence) for word in found] == [(word.start, 0.5) for word in WORDS]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ("And so my yellow Americans", ("yellow", 2.7, 3.1)),  # one for one
        ("And so my fell owls Americans", ("fell", 2.7, 2.9)),  # two share the time of one
        ("And so compatriots Americans", ("compatriots", 2.5, 3.1)),  # one has the time of two
        ("And so dear my fellow Americans", ("dear", 1.5, 2.5)),  # into a pause
        ("And so my dear fellow Americans", ("dear", 2.567, 2.7)),  # where there is none: beside the word before
        ("Oh And so my fellow Americans", ("Oh", 1.0, 1.08)),  # at the very beginning
        ("And so my fellow", ("fellow", 2.7, 3.1)),  # taken out
    ],
)
def test_new_words_share_the_time_of_what_they_replace(texts: str, expected: tuple[str, float, float]) -> None:
    found = times(texts)
    assert expected in found
    assert [text for text, _, _ in found] == texts.split()


def test_words_where_there_were_none_share_the_segment() -> None:
    assert times("one two", []) == [("one", 1.0, 2.5), ("two", 2.5, 4.0)]


@given(
    st.lists(st.sampled_from(["a", "b", "cc", "ddd", "eeee"]), max_size=12),
    st.lists(st.sampled_from(["a", "b", "cc", "ddd", "eeee", "ffff"]), min_size=1, max_size=15),
)
def test_every_word_is_there_in_order_inside_the_segment(old: list[str], new: list[str]) -> None:
    words = [Word(text=text, start=index * 0.5, end=index * 0.5 + 0.4) for index, text in enumerate(old)]
    end = len(old) * 0.5 or 1.0
    found = retimed(words, new, 0.0, end)
    assert [word.text for word in found] == new
    assert all(word.start <= word.end for word in found)
    assert all(one.end <= other.start + 1e-6 for one, other in pairwise(found))
    assert found[0].start >= 0
    assert found[-1].end <= end
