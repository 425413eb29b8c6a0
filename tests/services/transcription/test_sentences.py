"""Words into sentences: properties that hold for any words, regions and turns."""

from __future__ import annotations

from itertools import accumulate, pairwise

from hypothesis import given
from hypothesis import strategies as st

from services.transcription.engines.protocol import Region, Turn, Word
from services.transcription.engines.sentences import attributed, fitted, sentences

seconds = st.floats(0, 60, allow_nan=False).map(lambda value: round(value, 3))
lengths = st.lists(st.floats(0.1, 8).map(lambda value: round(value, 3)), min_size=2, max_size=16)


@st.composite
def some_regions(draw: st.DrawFn) -> list[Region]:
    """Disjoint stretches, in order."""
    ends = [round(end, 3) for end in accumulate(draw(lengths))]
    return [Region(start, end) for start, end in zip(ends[::2], ends[1::2], strict=False)]


@st.composite
def some_words(draw: st.DrawFn) -> list[Word]:
    """Words as a bad engine might give them: overlapping, endless, out of place."""
    texts = st.sampled_from(["well", "i", "i'm", "yes.", "no?", "and"])
    word = st.builds(lambda text, at, long: Word(text, at, at + long, 0.5), texts, seconds, st.floats(0, 9))
    return sorted(draw(st.lists(word, max_size=40)), key=lambda word: (word.start, word.end))


@st.composite
def some_turns(draw: st.DrawFn) -> list[Turn]:
    ends = list(accumulate(draw(lengths)))
    return [Turn(start, end, draw(st.integers(0, 2))) for start, end in pairwise(ends)]


@given(some_words(), some_regions())
def test_fitted_words_lie_in_one_region_each_and_never_overlap(words: list[Word], regions: list[Region]) -> None:
    placed = fitted(words, regions)
    assert [word.text for word in placed] == [word.text for word in words]
    assert all(word.start <= word.end for word in placed)
    assert all(word.end <= following.start for word, following in pairwise(placed))
    assert all(any(region.start <= word.start and word.end <= region.end for region in regions) for word in placed)


@given(some_words())
def test_where_nobody_speaks_there_are_no_words(words: list[Word]) -> None:
    assert fitted(words, []) == []


def test_a_word_does_not_last_through_a_pause() -> None:
    lingering = [Word("so", 0.5, 4.0, 0.9), Word("then", 4.0, 4.4, 0.9)]
    placed = fitted(lingering, [Region(0.4, 1.6), Region(3.5, 4.5)])
    assert [(word.start, word.end) for word in placed] == [(0.5, 1.6), (4.0, 4.4)]


@given(some_words(), some_turns())
def test_every_word_gets_a_speaker_where_there_are_turns(words: list[Word], turns: list[Turn]) -> None:
    assert all(word.speaker is not None for word in attributed(words, turns))


@given(some_words(), some_regions(), some_turns(), st.sampled_from(["draft", "standard"]))
def test_sentences_keep_every_word_and_hold_one_speaker_each(
    words: list[Word], regions: list[Region], turns: list[Turn], quality: str
) -> None:
    placed = attributed(fitted(words, regions), turns)
    found = sentences(placed, quality)  # type: ignore[arg-type]
    kept = [word for sentence in found for word in sentence.words]
    assert [(word.start, word.end) for word in kept] == [(word.start, word.end) for word in placed]
    assert all({word.speaker for word in sentence.words} == {sentence.speaker} for sentence in found)


def test_a_draft_becomes_readable() -> None:
    said = ["i", "think", "i'm", "right", "and", "so", "it", "goes"]
    words = [Word(text, index * 0.3, index * 0.3 + 0.3, 0.5, 0) for index, text in enumerate(said[:4])]
    words += [Word(text, 2.0 + index * 0.3, 2.3 + index * 0.3, 0.5, 0) for index, text in enumerate(said[4:])]
    assert [sentence.text for sentence in sentences(words, "draft")] == ["I think I'm right.", "And so it goes."]


def test_a_single_stray_word_goes_to_whoever_speaks_the_sentence() -> None:
    words = [Word(f"w{index}", index * 0.3, index * 0.3 + 0.3, 0.5, int(index == 4)) for index in range(9)]
    assert [sentence.speaker for sentence in sentences(words, "draft")] == [0]


def test_a_reply_of_some_length_is_a_sentence_of_its_own() -> None:
    words = [Word(f"w{index}", index * 0.3, index * 0.3 + 0.3, 0.5, int(index >= 5)) for index in range(10)]
    assert [sentence.speaker for sentence in sentences(words, "draft")] == [0, 1]


def test_a_run_without_pauses_is_cut_into_readable_lengths() -> None:
    words = [Word("word", index * 0.3, index * 0.3 + 0.29, 0.5, 0) for index in range(200)]
    assert max(len(sentence.words) for sentence in sentences(words, "draft")) <= 40
