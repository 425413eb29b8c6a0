"""Words that people may want to leave out or star out: fillers, false starts and swear words. Pure.

What counts as a filler follows the filled pauses, discourse markers and edited-out words of Meteer et al., "Dysfluency
Annotation Stylebook for the Switchboard Corpus" (1995), as far as they can be told without a parser: a mark that is missing
costs less than one that takes a word of what was said.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

from services.transcription.engines.swearing import SWEARING

__all__ = ["Mark", "marked"]

Mark: TypeAlias = Literal["filler", "profanity"]

PAUSES = {
    "en": re.compile(r"u+h+|u+h*m+|e+r+m?|h+m+|m+h+m+|m{2,}"),
    "de": re.compile(r"ä+h*m*|ö+h+m*|h+m+|m+h+m+|m{2,}"),
    "es": re.compile(r"e+h+|e+m+|m{2,}|h+m+"),
    "fr": re.compile(r"e+u+h+|h+e+u+|h+u*m+|m{2,}"),
}
"""Sounds that fill a pause."""

PHRASES = {
    "en": (("you", "know"), ("i", "mean")),
    "de": (("weißt", "du"), ("wissen", "sie"), ("ich", "mein")),
    "es": (("o", "sea"), ("este",)),
    "fr": (("tu", "vois"), ("tu", "sais"), ("vous", "savez")),
}
"""Words that fill a pause where commas set them off, and mean what they say elsewhere."""

REPEATED = {
    "en": "i the a an and we he she it they to of on but was my your our its if or with for at from as i'm it's we're",
    "de": "ich wir er es und ein eine einen zu mit von auf im ist aber",
    "es": "yo el los las un una y de en que con por pero mi",
    "fr": "je le les un une et de il elle dans avec pour mais mon c'est j'ai",
}
"""Words that nobody says twice on purpose: "very very", "had had", "nous nous" and "la la la" are none of them."""

TWICE = {language: frozenset(words.split()) for language, words in REPEATED.items()}
CUT_OFF = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?-[,.]?")  # "th-"
JOINING = frozenset(
    ["and", "or", "to", "und", "oder", "bis", "als", "y", "o", "e", "et", "ou"]
)  # after them "pre-" is a whole word: "pre- and post-war"
OPENED = re.compile(r"[,.!?;:…—–]['\"”’)]*$")
CLOSED = re.compile(r"[,.!?…]['\"”’)]*$")
OWNED = re.compile(r"['’]s?$")


def marked(texts: Sequence[str], language: str) -> list[Mark | None]:
    """A mark or None for each word, in order. Words carry their punctuation; ``language`` is a BCP 47 tag.

    In a language that isn't known there are no marks. A repetition's last word stays: it is what was meant.
    """
    spoken = language.split("-", maxsplit=1)[0].lower()
    bare = [_bare(text) for text in texts]
    marks: list[Mark | None] = [None] * len(texts)
    for index in _fillers(texts, bare, spoken):
        marks[index] = "filler"
    swearing = SWEARING.get(spoken, frozenset())
    for index, word in enumerate(bare):
        if swearing & {word, OWNED.sub("", word), *re.split(r"[-–]", word)}:
            marks[index] = "profanity"
    return marks


def _bare(text: str) -> str:
    folded = unicodedata.normalize("NFC", text).lower().replace("’", "'")
    return folded.strip("\"'“”„‘«»()[]¡¿.,;:!?…—–- ")


def _fillers(texts: Sequence[str], bare: Sequence[str], language: str) -> Iterator[int]:
    """Indices of fillers; some more than once."""
    pause, twice = PAUSES.get(language), TWICE.get(language, frozenset())
    if pause is None:
        return
    for index, word in enumerate(bare):
        following = bare[index + 1] if index + 1 < len(bare) else None
        repeated = word in twice and word == following and not re.search(r"[.!?;:]", texts[index])
        cut_off = CUT_OFF.fullmatch(texts[index]) and following is not None and following not in JOINING
        if pause.fullmatch(word) or repeated or cut_off:
            yield index
    for phrase in PHRASES[language]:
        for first in range(len(bare) - len(phrase) + 1):
            end = first + len(phrase)
            if tuple(bare[first:end]) == phrase and _set_off(texts, first, end):
                yield from range(first, end)


def _set_off(texts: Sequence[str], first: int, end: int) -> bool:
    """Tell whether punctuation parts words from both neighbours, with a comma on one side at least."""
    before = texts[first - 1] if first else "."
    opened, closed = OPENED.search(before), CLOSED.search(texts[end - 1])
    within = any(CLOSED.search(text) for text in texts[first : end - 1])
    return bool(opened and closed and not within and ("," in before[-2:] or "," in texts[end - 1][-2:]))
