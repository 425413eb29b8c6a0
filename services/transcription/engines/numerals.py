"""Numbers, days and months of an English draft, as people write them. Pure.

A recogniser with a dictionary hears "nineteen sixty one"; a reader wants 1961. text2num finds the numbers; what is decided
here is which of them are better left alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from text_to_num import Token, find_numbers

from services.transcription.engines.protocol import Word

__all__ = ["cased", "numbered"]

SEPARATE = 0.3  # seconds of silence that part two numbers: "twenty … five"
LEAST = 10  # smaller numbers stay words, unless a unit follows
CENTURIES = range(15, 21)  # what a year begins with when it is said in two halves
GROUPED = 10_000  # from here on, thousands are set apart
UNITS = {"dollars": "${}", "percent": "{}%"}
SCALES = {"hundred", "thousand", "million", "billion"}

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTHS = ("january", "february", "april", "june", "july", "august", "september", "october", "november", "december")
NAMES = frozenset((*DAYS, *MONTHS))
VERBS_TOO = frozenset(("march", "may"))
BEFORE_MONTHS = frozenset(("in", "of", "last", "next", "since", "until", "early", "late", "by"))


@dataclass(frozen=True)
class Spoken(Token):  # type: ignore[misc]  # text2num has no types
    """A word as text2num takes it."""

    word: Word

    def text(self) -> str:
        """What was said."""
        return self.word.text

    def nt_separated(self, previous: Spoken) -> bool:
        """Tell whether silence or another voice parts it from the word before."""
        apart = self.word.start - previous.word.end
        return apart > SEPARATE or self.word.speaker != previous.word.speaker


class Number(NamedTuple):
    """Digits that stand for some of the words: their indices, and what is written instead."""

    first: int
    end: int  # exclusive
    value: float
    digits: str


def numbered(words: Sequence[Word]) -> list[Word]:
    """Words with their numbers in digits, each of which lasts as long as the words that it stands for.

    Below ten they stay words: "one" is a pronoun more often than a number.
    """
    written: list[Word] = []
    at = 0
    for number in _chosen(_years(_found(words), words), words):
        said = words[number.first : number.end]
        written += words[at : number.first]
        confidence = round(sum(word.confidence for word in said) / len(said), 3)
        written.append(said[0]._replace(text=number.digits, end=said[-1].end, confidence=confidence))
        at = number.end
    return written + list(words[at:])


def _found(words: Sequence[Word]) -> Iterator[Number]:
    for one in find_numbers([Spoken(word) for word in words], "en"):
        article = one.start > 0 and words[one.start].text in SCALES and words[one.start - 1].text == "a"
        digits = f"{int(one.text):,}" if one.text.isdigit() and one.value >= GROUPED else one.text
        yield Number(one.start - article, one.end, one.value, digits)


def _years(numbers: Iterator[Number], words: Sequence[Word]) -> list[Number]:
    """Join the halves of a year: "nineteen sixty one", "nineteen oh five"."""
    joined: list[Number] = []
    for number in numbers:
        before = joined[-1] if joined else None
        between = [word.text for word in words[before.end : number.first]] if before else []
        plain = number.digits.isdigit() and before is not None and before.digits.isdigit()
        tens = not between and LEAST <= number.value < 100
        ones = between in (["oh"], ["o"]) and number.value < LEAST
        if (
            before
            and plain
            and before.value in CENTURIES
            and (tens or ones)
            and _together(words, before.first, number.end)
        ):
            value = before.value * 100 + number.value
            joined[-1] = Number(before.first, number.end, value, str(int(value)))
        else:
            joined.append(number)
    return joined


def _together(words: Sequence[Word], first: int, end: int) -> bool:
    return not any(Spoken(word).nt_separated(Spoken(before)) for before, word in pairwise(words[first:end]))


def _chosen(numbers: Sequence[Number], words: Sequence[Word]) -> Iterator[Number]:
    """Numbers worth digits, with their units. Where several small ones follow each other, none says what it counts."""
    for number in numbers:
        unit = UNITS.get(words[number.end].text) if number.end < len(words) else None
        if unit and _together(words, number.first, number.end + 1):
            yield number._replace(end=number.end + 1, digits=unit.format(number.digits))
        elif number.value >= LEAST or "." in number.digits:
            yield number


def cased(words: Sequence[Word]) -> list[Word]:
    """Words with the capitals of days and months. "may" and "march" get theirs only where no verb can stand."""
    return [
        word._replace(text=word.text.capitalize()) if _is_name(words, index) else word
        for index, word in enumerate(words)
    ]


def _is_name(words: Sequence[Word], index: int) -> bool:
    text = words[index].text.split("'")[0]
    if text not in VERBS_TOO:
        return text in NAMES
    before = words[index - 1].text if index else ""
    after = words[index + 1].text if index + 1 < len(words) else ""
    return before in BEFORE_MONTHS or before[:1].isdigit() or after[:1].isdigit()
