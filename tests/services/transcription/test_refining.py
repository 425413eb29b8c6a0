"""Pauses are cut off words, whatever the words and the sound; what is right already stays as it is."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.transcription.engines.protocol import RATE, Region, Sound, Word
from services.transcription.engines.refining import refined
from services.transcription.engines.sentences import fitted
from tests.services.transcription.test_sentences import some_regions, some_words


def bursts(*spans: tuple[float, float], seconds: float, background: float = 20.0) -> Sound:
    """Noise of speech's level where asked for, and of a quiet room elsewhere."""
    random = np.random.default_rng(1)
    samples = random.normal(0, background, round(seconds * RATE))
    for start, end in spans:
        burst = samples[round(start * RATE) : round(end * RATE)]
        burst[:] = random.normal(0, 2000, len(burst))
    return samples.astype(np.int16)


@settings(deadline=None)
@given(some_words(), some_regions(), st.lists(st.tuples(st.floats(0, 60), st.floats(0.05, 3)), max_size=12))
def test_any_words_keep_their_order_and_stay_within_what_they_were(
    words: list[Word], regions: list[Region], loud: list[tuple[float, float]]
) -> None:
    sound = bursts(*((at, min(75.0, at + long)) for at, long in loud), seconds=75.0)
    coarse, fine = fitted(words, regions), refined(words, sound, regions)
    assert [word.text for word in fine] == [word.text for word in coarse]
    assert all(word.end <= following.start for word, following in pairwise(fine))
    for word, before in zip(fine, coarse, strict=True):
        assert before.start <= word.start <= word.end <= before.end
        assert word.end - word.start >= min(0.02, before.end - before.start) - 0.0015
        assert any(region.start <= word.start and word.end <= region.end for region in regions)


def test_a_word_ends_where_its_sound_does() -> None:
    sound = bursts((1.0, 1.4), (2.2, 2.6), seconds=4.0)
    words = [Word("so", 1.0, 2.2, 0.9), Word("then", 2.2, 3.0, 0.9)]
    first, second = refined(words, sound, [Region(0.0, 4.0)])
    assert (first.start, second.start) == (1.0, 2.2)
    assert first.end == pytest.approx(1.4, abs=0.03)
    assert second.end == pytest.approx(2.6, abs=0.03)


def test_a_word_begins_where_its_sound_does() -> None:
    (word,) = refined([Word("now", 0.2, 1.4, 0.9)], bursts((1.0, 1.4), seconds=3.0), [Region(0.0, 3.0)])
    assert word.start == pytest.approx(1.0, abs=0.03)
    assert word.end == 1.4


@pytest.mark.parametrize("background", [1500.0, 2000.0])
def test_in_noise_nothing_moves(background: float) -> None:
    sound = bursts((1.0, 1.4), seconds=3.0, background=background)
    word = Word("now", 0.2, 2.4, 0.9)
    assert refined([word], sound, [Region(0.0, 3.0)]) == [word]


def test_the_closure_of_a_stop_ends_no_word() -> None:
    word = Word("stop", 1.0, 1.5, 0.9)
    assert refined([word], bursts((1.0, 1.2), (1.3, 1.5), seconds=3.0), [Region(0.0, 3.0)]) == [word]


def test_words_beyond_the_end_of_the_sound_are_left_alone(kennedy: Sound) -> None:
    late = Word("late", len(kennedy) / RATE + 5, len(kennedy) / RATE + 6, 0.9)
    assert refined([late], kennedy, [Region(late.start, late.end)]) == [late]


def test_lingering_words_are_cut_and_true_ones_stay(words_of: Callable[[str], tuple[Sound, list[Word]]]) -> None:
    sound, true = words_of("acoustic_corpus")
    everywhere = [Region(0.0, len(sound) / RATE)]
    lingering = [word._replace(end=following.start) for word, following in pairwise([*true, Word("", 26.7, 26.7, 1.0)])]

    def right(words: list[Word]) -> float:
        return sum(abs(word.end - one.end) <= 0.1 for word, one in zip(words, true, strict=True)) / len(true)

    assert refined(true, sound, everywhere) == true
    assert right(refined(lingering, sound, everywhere)) >= right(lingering) + 0.08
