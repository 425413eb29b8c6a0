"""Chapters begin where the topic changes, measured as text segmentation is: by Pk and WindowDiff."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.transcription.engines.chapters import Chapter, proposed
from services.transcription.engines.protocol import Word
from services.transcription.engines.sentences import Sentence
from tests.services.transcription.topics import TALKS

WORDS_PER_SECOND = 1.3  # a slow speaker: each talk lasts two and a half minutes


def spoken(*texts: str, start: float = 0.0, pause: float = 0.0, speaker: int | None = 0) -> list[Sentence]:
    """Sentences of texts, one after the other, with a pause between texts."""
    said: list[Sentence] = []
    at = start
    for text in texts:
        for sentence in re.split(r"(?<=[.!?]) ", text):
            words = sentence.split()
            times = [at + index / WORDS_PER_SECOND for index in range(len(words) + 1)]
            said.append(
                Sentence(
                    [Word(one, *span, 1.0, speaker) for one, span in zip(words, pairwise(times), strict=True)], speaker
                )
            )
            at = times[-1]
        at += pause
    return said


def window(cuts: Sequence[int], length: int) -> int:
    return max(1, round(length / len(cuts) / 2))


def parts(cuts: Sequence[int], length: int) -> np.ndarray:
    """The number of the part that each sentence lies in."""
    return np.cumsum([index in cuts for index in range(length)])


def pk(true: Sequence[int], found: Sequence[int], length: int) -> float:
    """Beeferman, Berger and Lafferty (1999): how often two sentences are wrongly taken to lie in one part, or in two."""
    k, one, other = window(true, length), parts(true, length), parts(found, length)
    return float(np.mean((one[k:] == one[:-k]) != (other[k:] == other[:-k])))


def window_diff(true: Sequence[int], found: Sequence[int], length: int) -> float:
    """Pevzner and Hearst (2002): how often the number of cuts between two sentences is wrong."""
    k, one, other = window(true, length), parts(true, length), parts(found, length)
    return float(np.mean((one[k:] - one[:-k]) != (other[k:] - other[:-k])))


def indices(chapters: Sequence[Chapter], sentences: Sequence[Sentence]) -> list[int]:
    starts = [sentence.words[0].start for sentence in sentences]
    return [starts.index(chapter.start) for chapter in chapters]


def test_cuts_are_far_better_than_even_and_random_ones() -> None:
    """Even ones are told how many topics there are; ours aren't."""
    chance = random.Random(1)
    scores: dict[str, list[float]] = {}
    for _ in range(10):
        names = chance.sample(list(TALKS), chance.choice([3, 4, 5, 6]))
        talks = [spoken(TALKS[name]) for name in names]
        true = [sum(map(len, talks[:index])) for index in range(len(talks))]
        said = spoken(*(TALKS[name] for name in names))
        length = len(said)
        ways = {
            "ours": [indices(proposed(said), said)],
            "even": [[round(index * length / len(true)) for index in range(len(true))]],
            "random": [[0, *sorted(chance.sample(range(1, length), len(true) - 1))] for _ in range(30)],
        }
        for way, cuts in ways.items():
            scores.setdefault(f"{way} pk", []).append(fmean(pk(true, one, length) for one in cuts))
            scores.setdefault(f"{way} wd", []).append(fmean(window_diff(true, one, length) for one in cuts))
    means = {way: fmean(values) for way, values in scores.items()}
    assert means["ours pk"] < 0.5 * means["even pk"] < means["random pk"]
    assert means["ours wd"] < 0.5 * means["even wd"] < means["random wd"]


def test_titles_say_what_a_chapter_is_about() -> None:
    titles = [chapter.title for chapter in proposed(spoken(TALKS["steam"], TALKS["ice"], TALKS["tides"]))]
    assert titles == ["Steam, coal", "Glacier, snow", "Moon, tide"]


def test_names_keep_their_capitals() -> None:
    text = "We met in New York. They love New York here. Oh, New York has rain. Every street in New York is wet."
    (chapter,) = proposed(spoken(text))
    assert chapter.title.startswith("New York")


def test_a_pause_and_a_new_speaker_speak_for_a_cut() -> None:
    """Two halves of a talk that are one without either."""
    half = len(TALKS["bees"]) // 2
    first, second = TALKS["bees"][:half].rsplit(". ", 1)[0] + ".", TALKS["bees"][half:].split(". ", 1)[1]
    together = spoken(first, second)
    assert len(proposed(together)) == 1
    later = spoken(second, start=together[len(spoken(first)) - 1].words[-1].end + 5, speaker=1)
    apart = proposed(spoken(first) + later)
    alone = proposed(spoken(first, second, pause=0.2))
    assert len(apart) >= len(alone)


@pytest.mark.parametrize("texts", [[], [[]]])
def test_where_nothing_is_said_there_are_no_chapters(texts: list[list[Word]]) -> None:
    assert proposed([Sentence(words, None) for words in texts]) == []


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([*" ".join(TALKS.values()).split(". ")[:60], "Um.", "!", "äöü", "1"]), st.floats(0, 40)
        ),
        min_size=1,
        max_size=60,
    )
)
def test_chapters_begin_with_sentences_and_are_long_enough(said: list[tuple[str, float]]) -> None:
    sentences: list[Sentence] = []
    for text, pause in said:
        start = sentences[-1].words[-1].end + pause if sentences else pause
        sentences += spoken(text.replace(". ", ", "), start=start)
    chapters = proposed(sentences)
    starts = [chapter.start for chapter in chapters]
    end = sentences[-1].words[-1].end
    assert starts[0] == sentences[0].words[0].start
    assert set(starts) <= {sentence.words[0].start for sentence in sentences}
    assert all(
        after - before >= 60 - 1e-6 for before, after in pairwise([*starts, *([end] if len(starts) > 1 else [])])
    )
    assert len(starts) <= max(1, (end - starts[0]) / 120)
    assert all(chapter.title.strip() for chapter in chapters)


def test_twelve_hours_take_seconds() -> None:
    said = spoken(*(talk for _ in range(40) for talk in TALKS.values()))
    begin = time.process_time()
    chapters = proposed(said)
    assert time.process_time() - begin < 60
    assert 1 < len(chapters) <= 300
