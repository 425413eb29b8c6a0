"""Joining what neighbouring chunks heard, so that each word is there once.

Where the cut lies in a pause there is nothing to decide. Where it goes through speech both chunks heard the seconds around
it, and a word near a rim may be torn: the join is made at a word that both heard alike, nearest to the cut. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

from services.transcription.engines.cutting import OVERLAP
from services.transcription.engines.protocol import Word

__all__ = ["TOLERANCE", "stitched"]

TOLERANCE = 0.3  # seconds that two hearings of one word may lie apart
LETTERS = str.maketrans("", "", ".,;:!?…\"'“”‘’()[]-–—")


def stitched(parts: Sequence[Sequence[Word]], cuts: Sequence[float]) -> list[Word]:
    """The words of all chunks in order. ``cuts`` are the times between them, one fewer than there are ``parts``.

    For a recogniser that hears a word alike wherever it is whole, within TOLERANCE, this gives the words of hearing all at
    once, whatever the cuts.
    """
    words: list[Word] = list(parts[0]) if parts else []
    for part, cut in zip(parts[1:], cuts, strict=True):
        left, right = _join(words, part, cut)
        words = [*words[:left], *part[right:]]
    return words


def _join(before: Sequence[Word], after: Sequence[Word], cut: float) -> tuple[int, int]:
    """How many words of ``before`` stay, and from which word of ``after`` on."""
    best: tuple[float, int, int] | None = None
    first = next((index for index, word in enumerate(after) if word.end >= cut - OVERLAP), len(after))
    for left in range(len(before) - 1, -1, -1):
        word = before[left]
        if word.end < cut - OVERLAP:
            break
        for right in range(first, len(after)):
            other = after[right]
            if other.start > word.start + TOLERANCE:
                break
            if _same(word, other):
                distance = abs(_middle(word) - cut)
                if best is None or distance < best[0]:
                    best = distance, left + 1, right + 1
    if best is not None:
        return best[1], best[2]
    left = next((index for index, word in enumerate(before) if _middle(word) >= cut), len(before))
    return left, next((index for index, word in enumerate(after) if _middle(word) >= cut), len(after))


def _same(one: Word, other: Word) -> bool:
    near = abs(one.start - other.start) <= TOLERANCE and abs(one.end - other.end) <= TOLERANCE
    return near and _letters(one.text) == _letters(other.text)


def _letters(text: str) -> str:
    return text.translate(LETTERS).casefold() or text


def _middle(word: Word) -> float:
    return (word.start + word.end) / 2
