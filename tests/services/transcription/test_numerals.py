"""Numbers of a draft become digits where that is safe, and keep their times."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.transcription.engines.numerals import cased, numbered
from services.transcription.engines.protocol import Word
from services.transcription.engines.sentences import sentences


def said(text: str, *, pause: float = 0.0) -> list[Word]:
    return [
        Word(one, index * (0.3 + pause), index * (0.3 + pause) + 0.3, 0.5, 0) for index, one in enumerate(text.split())
    ]


def written(text: str, *, pause: float = 0.0) -> str:
    return " ".join(word.text for word in cased(numbered(said(text, pause=pause))))


@pytest.mark.parametrize(
    ("heard", "read"),
    [
        ("in nineteen sixty one we paid twenty five dollars", "in 1961 we paid $25"),
        ("nineteen oh five", "1905"),
        ("twenty twenty five", "2025"),
        ("two thousand and one", "2001"),
        ("a hundred and five people", "105 people"),
        ("a hundred thousand", "100,000"),
        ("three point one four", "3.14"),
        ("five percent of twelve", "5% of 12"),
        ("the twenty first of may", "the 21st of May"),
        ("on monday in march or february", "on Monday in March or February"),
        ("sunday's paper", "Sunday's paper"),
        ("may twenty third", "May 23rd"),
        # Better left alone.
        ("one of them has five or six", "one of them has five or six"),
        ("for one thing the second one", "for one thing the second one"),
        ("one two three four", "one two three four"),
        ("they march and i may go", "they march and i may go"),
        ("ten twenty", "10 20"),
        ("a house", "a house"),
    ],
)
def test_numbers_are_written_as_people_do(heard: str, read: str) -> None:
    assert written(heard) == read


def test_a_pause_parts_numbers() -> None:
    assert written("nineteen sixty one", pause=0.5) == "19 60 one"
    assert written("twenty dollars", pause=0.5) == "20 dollars"


def test_a_number_lasts_as_long_as_its_words() -> None:
    (first, number, last) = numbered(said("in nineteen sixty one then"))
    assert (number.text, number.start, number.end) == ("1961", first.end, last.start)
    assert (number.confidence, number.speaker) == (0.5, 0)


def test_drafts_get_numbers_and_whisper_is_left_alone() -> None:
    words = said("nineteen sixty one was on a monday i think")
    assert [one.text for one in sentences(words, "draft")] == ["1961 was on a Monday I think."]
    assert [one.text for one in sentences(words, "standard")] == ["nineteen sixty one was on a monday i think"]


VOCABULARY = [
    "a",
    "and",
    "oh",
    "one",
    "nineteen",
    "sixty",
    "hundred",
    "thousand",
    "point",
    "dollars",
    "may",
    "well",
    "1",
    "",
]


@given(st.lists(st.tuples(st.sampled_from(VOCABULARY), st.floats(0, 0.6)), max_size=20))
def test_times_stay_in_order_and_nothing_but_numbers_changes(heard: list[tuple[str, float]]) -> None:
    words: list[Word] = []
    for text, pause in heard:
        start = (words[-1].end if words else 0.0) + pause
        words.append(Word(text, start, start + 0.2, 0.5))
    found = numbered(words)
    assert [word for word in found if word.text == "well"] == [word for word in words if word.text == "well"]
    assert all(word in words or any(letter.isdigit() for letter in word.text) for word in found)
    assert [word.start for word in found] == sorted(word.start for word in found)
    if words:
        assert (found[0].start, found[-1].end) == (words[0].start, words[-1].end)
