"""Times of words that people changed: what stays keeps its time, what is new shares the time of what it replaces.

Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

from libs.contracts.transcripts import Word

__all__ = ["retimed"]

LETTERS = re.compile(r"\W+")
CERTAIN = 1.0  # confidence of what a person wrote
ROOM = 0.05  # seconds of pause for each word that is put into it


def retimed(words: Sequence[Word], texts: Sequence[str], start: float, end: float) -> list[Word]:
    """Give each text a time. ``words`` are those that were there, between ``start`` and ``end`` (seconds).

    A word that differs in case or punctuation alone is the same. Replaced words share the stretch from the first to the last
    of those that they replace, by their letters. Words that stand where there was none share the pause there; where there
    is none, they share the time of the word before, or of the one after at the very beginning.
    """
    texts = list(texts)
    if not words:
        return list(_shared(texts, start, end))
    matcher = SequenceMatcher(
        None, [_bare(word.text) for word in words], [_bare(text) for text in texts], autojunk=False
    )
    found: list[Word] = []
    for tag, old, old_end, new, new_end in matcher.get_opcodes():
        if tag == "equal":
            pairs = zip(words[old:old_end], texts[new:new_end], strict=True)
            found += [word.model_copy(update={"text": text}) for word, text in pairs]
        elif tag == "replace":
            found += _shared(texts[new:new_end], words[old].start, words[old_end - 1].end)
        elif tag == "insert":
            following = words[old].start if old < len(words) else end
            begin = words[old - 1].end if old else start
            if following - begin >= ROOM * (new_end - new):
                found += _shared(texts[new:new_end], begin, following)
            elif found:
                last = found.pop()
                found += _beside(last, [last.text, *texts[new:new_end]], 0)
            else:
                # Nothing before: they share the time of the first word, which comes next and is left out there.
                first, *rest = words[old:]
                whole = _beside(first, [*texts[new:new_end], texts[new_end]], -1)
                return [*whole, *retimed(rest, texts[new_end + 1 :], first.end, end)]
    return found


def _beside(word: Word, texts: Sequence[str], own: int) -> list[Word]:
    """The time of a word shared with others; the one at index ``own`` stays itself otherwise."""
    shared = list(_shared(texts, word.start, word.end))
    shared[own] = word.model_copy(update={"start": shared[own].start, "end": shared[own].end, "text": texts[own]})
    return shared


def _shared(texts: Sequence[str], start: float, end: float) -> Iterator[Word]:
    """Words that share a stretch by their letters."""
    lengths = [max(1, len(_bare(text))) for text in texts]
    at, each = start, (end - start) / (sum(lengths) or 1)
    for text, length in zip(texts, lengths, strict=True):
        yield Word(text=text, start=round(at, 3), end=round(at + each * length, 3), confidence=CERTAIN)
        at += each * length


def _bare(text: str) -> str:
    return LETTERS.sub("", text).casefold() or text
