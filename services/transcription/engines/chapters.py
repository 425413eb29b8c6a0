"""Chapters of a recording, proposed from changes of topic in what is said. Pure.

After Utiyama and Isahara, "A Statistical Model for Domain-Independent Text Segmentation" (ACL 2001): the most probable way
to cut a text, where each part has a distribution of words of its own. It needs neither training nor thresholds, and dynamic
programming finds the best of all cuts. Pauses and changes of speaker make a cut more probable, and a chapter has a shortest
length: without one, every aside would be one.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, TfidfVectorizer

from services.transcription.engines.sentences import Sentence

__all__ = ["Chapter", "proposed"]

SHORTEST = 60.0  # seconds of a chapter
AVERAGE = 120.0  # seconds of a chapter, on average, at least
MOST_UNITS = 800  # what is cut apart; in recordings above an hour or so, sentences are taken together
STEM = 6  # letters that tell words apart: inflections go, in most European languages
PAUSE = 2.0  # seconds: a pause that is worth as much as anything longer
PAUSE_WORTH, SPEAKER_WORTH = 0.3, 0.1  # shares of a cut's price that a long pause and a new speaker take off
PRICIER = 1.25  # what a cut's price is multiplied by until there are few enough chapters
TITLE_TERMS = 2
SHORT = 3  # letters of a word that can't be a title by itself
WORD = re.compile(r"[^\W\d_]{3,}(?:['’-][^\W\d_]+)*")
# Spoken language is full of these, and no topic is: verbs of saying, adverbs, and numbers as they are said.
SPOKEN = """
actually bit came come could did didn't does doesn't doing don't done everybody everything get gets getting give going
gonna good got great hundred i'm it's just kind know known let's like little look looks lot made make makes many maybe
mean much okay one people point probably put quite really right said say saying says see seen something sort take
takes talk tell that's there's thing things think thought thousand three time today told took two use used using want
wanted way we're well went what's work would year years yeah yes you're
"""
STOP_WORDS = ENGLISH_STOP_WORDS | frozenset(SPOKEN.split())
VERBAL = re.compile(r".{3,}(?:ly|ing|ed)$")  # what a title had better not begin or end with


class Chapter(NamedTuple):
    """Where a chapter begins, in seconds, and what it is about."""

    start: float
    title: str


class Unit(NamedTuple):
    """One or more sentences that stay together."""

    first: int  # index of the first sentence
    start: float
    end: float
    speaker: int | None
    stems: Counter[str]


def proposed(sentences: Sequence[Sentence]) -> list[Chapter]:
    """Chapters in order; the first begins with the first sentence. None without sentences.

    Each begins with a sentence and lasts a minute at least, and there is no more than one in two minutes.
    """
    spoken = [sentence for sentence in sentences if sentence.words]
    if not spoken:
        return []
    units = _units(spoken)
    most = max(1, int((units[-1].end - units[0].start) / AVERAGE))
    prices, cohesion = _prices(units), _cohesion(units)
    cuts = _best_cuts(units, cohesion, prices)
    while len(cuts) > most:
        prices = prices * PRICIER
        cuts = _best_cuts(units, cohesion, prices)
    firsts = [units[cut].first for cut in cuts]
    texts = [" ".join(one.text for one in spoken[first:last]) for first, last in pairwise([*firsts, len(spoken)])]
    titles = _titles(texts)
    return [Chapter(spoken[first].words[0].start, title) for first, title in zip(firsts, titles, strict=True)]


def _units(sentences: Sequence[Sentence]) -> list[Unit]:
    together = math.ceil(len(sentences) / MOST_UNITS)
    return [
        Unit(
            first,
            sentences[first].words[0].start,
            sentences[min(first + together, len(sentences)) - 1].words[-1].end,
            sentences[first].speaker,
            Counter(stem for one in sentences[first : first + together] for stem in _stems(one.text)),
        )
        for first in range(0, len(sentences), together)
    ]


def _stems(text: str) -> list[str]:
    words = (word.lower().replace("’", "'") for word in WORD.findall(text))
    return [word[:STEM] for word in words if word not in STOP_WORDS]


def _prices(units: Sequence[Unit]) -> NDArray[np.float64]:
    """What it costs to begin a chapter with each unit: log of the number of words, less what speaks for a cut there."""
    price = math.log(max(2, sum(unit.stems.total() for unit in units)))
    signs = [0.0]
    for before, unit in pairwise(units):
        pause = min(1.0, max(0.0, unit.start - before.end) / PAUSE)
        signs.append(PAUSE_WORTH * pause + SPEAKER_WORTH * (before.speaker != unit.speaker))
    return price * (1 - np.array(signs))


def _cohesion(units: Sequence[Unit]) -> NDArray[np.float64]:
    """Cost, as negative log likelihood, of each stretch of units (first, end) as one chapter (equation 6 of the paper)."""
    totals = sum((unit.stems for unit in units), Counter[str]())
    # A word that occurs once adds the same wherever the cuts are: it counts as a word, and needs no column.
    columns = {stem: column for column, stem in enumerate(stem for stem, count in totals.items() if count > 1)}
    counts = np.zeros((len(units) + 1, len(columns)), np.int32)
    lengths = np.zeros(len(units) + 1)
    for row, unit in enumerate(units, 1):
        lengths[row] = unit.stems.total()
        for stem in unit.stems.keys() & columns.keys():
            counts[row, columns[stem]] = unit.stems[stem]
    sums, words_before = counts.cumsum(axis=0), lengths.cumsum()
    most = np.arange(max(totals.values(), default=0) + 1)
    gain = most * np.log(most + 1.0)
    costs = np.zeros((len(units), len(units) + 1))
    for first in range(len(units)):
        inside = sums[first + 1 :] - sums[first]
        words = words_before[first + 1 :] - words_before[first]
        costs[first, first + 1 :] = words * np.log(words + max(1, len(totals))) - gain[inside].sum(axis=1)
    return costs


def _best_cuts(units: Sequence[Unit], cohesion: NDArray[np.float64], prices: NDArray[np.float64]) -> list[int]:
    """Units that begin a chapter, of the cheapest way to cut."""
    starts = np.array([unit.start for unit in units])
    ends = [*starts[1:], units[-1].end]
    best = np.full(len(units) + 1, np.inf)
    best[0] = 0.0
    previous = np.zeros(len(units) + 1, int)
    for end in range(1, len(units) + 1):
        costs = best[:end] + cohesion[:end, end] + prices[:end]
        costs[(ends[end - 1] - starts[:end] < SHORTEST) & (np.arange(end) > 0)] = np.inf
        if end < len(units) and ends[end - 1] - starts[0] < SHORTEST:
            continue  # the first would be too short
        previous[end] = int(costs.argmin())
        best[end] = costs[previous[end]]
    cuts = [len(units)]
    while cuts[-1] > 0:
        cuts.append(int(previous[cuts[-1]]))
    return cuts[:0:-1]


def _titles(texts: Sequence[str]) -> list[str]:
    """What sets each text apart from the others: the terms with the highest TF-IDF, cased as they are in the text."""
    vectorizer = TfidfVectorizer(analyzer=_terms, sublinear_tf=True, norm=None)
    try:
        weights = vectorizer.fit_transform(texts).toarray()
    except ValueError:  # there is no term at all
        return [_opening(text) for text in texts]
    terms = vectorizer.get_feature_names_out()
    titles = []
    for text, row in zip(texts, weights, strict=True):
        ranked = [str(terms[column]) for column in np.argsort(-row, kind="stable") if row[column] > 0]
        chosen: list[str] = []
        for term in ranked:
            if not any(
                {word[:STEM] for word in term.split()} & {word[:STEM] for word in one.split()} for one in chosen
            ):
                chosen.append(term)
            if len(chosen) == TITLE_TERMS:
                break
        title = ", ".join(_as_written(term, text) for term in chosen) or _opening(text)
        titles.append(title[:1].upper() + title[1:])
    return titles


def _terms(text: str) -> list[str]:
    """Words that may stand for a topic, and pairs of them that stand together more than once."""
    words = [word.lower() for word in WORD.findall(text)]
    fit = [word not in STOP_WORDS and not VERBAL.match(word) for word in words]
    singles = [word for word, good in zip(words, fit, strict=True) if good and len(word) > SHORT]
    neighbours = zip(pairwise(words), pairwise(fit), strict=True)
    pairs = Counter(" ".join(pair) for pair, good in neighbours if all(good))
    return singles + [pair for pair, count in pairs.items() if count > 1 for _ in range(2 * count)]


def _as_written(term: str, text: str) -> str:
    """The way that the text writes a term most often, but for sentence beginnings."""
    pattern = r"\W+".join(map(re.escape, term.split()))
    found = re.findall(rf"(?<![.!?…] )\b{pattern}\b", text, re.IGNORECASE)
    return " ".join(Counter(found).most_common(1)[0][0].split()) if found else term


def _opening(text: str) -> str:
    words = text.split()
    return " ".join(words[:6]).rstrip(".,;:!?") + ("…" if len(words) > 6 else "")
