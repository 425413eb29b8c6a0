"""From words and turns to readable sentences: times fitted to the voice, speakers smoothed, draft text made legible.

Pure. Every function keeps the order of the words it is given, and their number, but for a draft's spelt-out numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

from services.transcription.engines.numerals import cased, numbered
from services.transcription.engines.protocol import Quality, Region, Turn, Word

__all__ = ["Sentence", "attributed", "fitted", "sentences"]

SHORTEST = 0.02  # seconds of a word, where its region has room for that
PAUSE = {"draft": 0.5, "standard": 1.0}  # seconds without a word that end a sentence
MOST_WORDS = 40  # longer runs are cut at their longest pause: nobody reads them, and captions need an end
FLICKER_WORDS = 2  # a run this short inside somebody else's sentence is taken for a mistake of the diarizer
FLICKER_SECONDS = 0.8
ENDING = re.compile(r"[.!?…。！？]['\"”’)\]]*$")
FIRST_PERSON = re.compile(r"^i(?=$|')")


class Sentence(NamedTuple):
    """Words of one speaker that belong together."""

    words: list[Word]
    speaker: int | None

    @property
    def text(self) -> str:
        """The words with spaces between them."""
        return " ".join(word.text for word in self.words)


def fitted(words: Sequence[Word], regions: Sequence[Region]) -> list[Word]:
    """Word times clipped to voice activity: no word lasts through a pause, none overlaps the next. In order of time.

    Each word goes to the region it overlaps most, or to the nearest. Without regions there are no words.
    """
    placed: dict[Region, list[Word]] = {}
    first = 0
    for word in sorted(words, key=lambda word: (word.start, word.end)) if regions else ():
        first = _home(word, regions, first)
        placed.setdefault(regions[first], []).append(word)
    return [word for region, inside in placed.items() for word in _fit(inside, region)]


def _home(word: Word, regions: Sequence[Region], first: int) -> int:
    """Index of the word's region. Never before ``first``, so that order is kept."""
    best, nearest = first, -float("inf")
    for index in range(first, len(regions)):
        region = regions[index]
        overlap = min(word.end, region.end) - max(word.start, region.start)  # below 0: the distance
        if overlap > nearest:
            best, nearest = index, overlap
        if region.start > word.end:
            break
    return best


def _fit(words: Sequence[Word], region: Region) -> Iterator[Word]:
    """Squeeze words into a region, each at least ``SHORTEST`` long or an equal share of what room there is."""
    least = min(SHORTEST, (region.end - region.start) / len(words))
    starts: list[float] = []
    for index, word in enumerate(words):
        earliest = starts[-1] + least if starts else region.start
        latest = region.end - (len(words) - index) * least
        starts.append(max(earliest, min(word.start, latest)))
    for word, start, following in zip(words, starts, [*starts[1:], region.end], strict=True):
        end = min(following, max(word.end, start + least))
        yield word._replace(start=round(start, 3), end=round(end, 3))


def attributed(words: Sequence[Word], turns: Sequence[Turn]) -> list[Word]:
    """Words with the speaker whose turns overlap them most, or whose turn is nearest."""
    return [word._replace(speaker=_speaker(word, near)) for word, near in _near(words, turns)]


def _near(words: Sequence[Word], turns: Sequence[Turn]) -> Iterator[tuple[Word, list[Turn]]]:
    """Each word with the turns around it. Both come in order of time; a long turn may reach over later ones."""
    first = 0
    for word in words:
        while first + 1 < len(turns) and max(turns[first].end, turns[first + 1].start) < word.start:
            first += 1
        last = first
        while last < len(turns) and turns[last].start <= word.end:
            last += 1
        yield word, list(turns[first : last + 1])


def _speaker(word: Word, turns: Sequence[Turn]) -> int | None:
    if not turns:
        return None
    shares: dict[int, float] = {}
    for turn in turns:
        overlap = min(word.end, turn.end) - max(word.start, turn.start)
        if overlap > 0:
            shares[turn.speaker] = shares.get(turn.speaker, 0.0) + overlap
    if shares:
        return max(shares, key=lambda speaker: (shares[speaker], -speaker))
    return min(turns, key=lambda turn: max(turn.start - word.end, word.start - turn.end)).speaker


def sentences(words: Sequence[Word], quality: Quality) -> list[Sentence]:
    """Sentences of one speaker each, cut at punctuation, at pauses and where the speaker changes.

    A draft has neither capitals, full stops nor digits; it gets them here, so that it can be read.
    """
    found = [
        Sentence(list(run), speaker)
        for span in _spans(list(words), PAUSE[quality])
        for speaker, run in groupby(_smoothed(span), key=lambda word: word.speaker)
    ]
    return [_legible(sentence) for sentence in found] if quality == "draft" else found


def _spans(words: list[Word], pause: float) -> Iterator[list[Word]]:
    span: list[Word] = []
    for word, following in pairwise([*words, None]):
        assert word is not None  # only the last is None, and it has no successor
        span.append(word)
        if following is None or ENDING.search(word.text) or following.start - word.end >= pause:
            yield from _bounded(span)
            span = []


def _bounded(span: list[Word]) -> Iterator[list[Word]]:
    """Cut a run that is too long at its longest pause, away from its ends."""
    if len(span) <= MOST_WORDS:
        yield span
        return
    margin = MOST_WORDS // 5
    cut = max(range(margin, len(span) - margin), key=lambda index: span[index].start - span[index - 1].end)
    yield from _bounded(span[:cut])
    yield from _bounded(span[cut:])


def _smoothed(span: list[Word]) -> list[Word]:
    """Give short runs inside or at the rim of a sentence to whoever speaks most of it."""
    runs = [(speaker, list(run)) for speaker, run in groupby(span, key=lambda word: word.speaker)]
    if len(runs) == 1:
        return span
    seconds: dict[int | None, float] = {}
    for speaker, run in runs:
        seconds[speaker] = seconds.get(speaker, 0.0) + sum(word.end - word.start for word in run)
    main = max(seconds, key=lambda speaker: seconds[speaker])
    return [word._replace(speaker=main) if _flickers(run) else word for _, run in runs for word in run]


def _flickers(run: Sequence[Word]) -> bool:
    return len(run) <= FLICKER_WORDS and run[-1].end - run[0].start < FLICKER_SECONDS


def _legible(sentence: Sentence) -> Sentence:
    words = [word._replace(text=FIRST_PERSON.sub("I", word.text)) for word in cased(numbered(sentence.words))]
    words[0] = words[0]._replace(text=words[0].text[:1].upper() + words[0].text[1:])
    words[-1] = words[-1]._replace(text=words[-1].text + ".")
    return sentence._replace(words=words)
