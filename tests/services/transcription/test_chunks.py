"""Chunks: wherever a recording is cut, the same words come out at the same times."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.transcription.engines import cutting
from services.transcription.engines.cutting import LONGEST, OVERLAP, Chunk
from services.transcription.engines.protocol import Region, Word
from services.transcription.engines.stitching import TOLERANCE, stitched

JITTER = 0.1  # seconds by which a recogniser may place a word differently when it hears it in other company


@st.composite
def spoken(draw: st.DrawFn) -> list[Word]:
    """Words one after the other, with pauses of any length, and stretches without any."""
    count = draw(st.integers(1, 60))
    lengths = draw(st.lists(st.floats(0.08, 0.9), min_size=count, max_size=count))
    pauses = draw(
        st.lists(st.sampled_from([0.0, 0.0, 0.0, 0.05, 0.2, 0.4, 0.8, 3.0, 20.0]), min_size=count, max_size=count)
    )
    texts = draw(st.lists(st.sampled_from(["so", "it", "goes", "on", "and", "again"]), min_size=count, max_size=count))
    at, words = 0.0, []
    for text, length, pause in zip(texts, lengths, pauses, strict=True):
        words.append(Word(text, at + pause, at + pause + length, 1.0))
        at += pause + length
    return words


def regions_of(words: list[Word]) -> list[Region]:
    """What a voice activity detector makes of them."""
    regions: list[Region] = []
    for word in words:
        if regions and word.start - regions[-1].end < 0.3:
            regions[-1] = Region(regions[-1].start, word.end)
        else:
            regions.append(Region(word.start, word.end))
    return regions


def cut(regions: list[Region], target: float, longest: float = LONGEST) -> list[Chunk]:
    return list(cutting.chunks(regions, target, lambda start, end: (start + end) / 2, longest))


def hear(chunk: Chunk, words: list[Word], draw: st.DataObject | None = None) -> list[Word]:
    """An engine that knows every word that it hears whole, and makes something up of those that are torn."""
    heard = []
    for word in words:
        start, end = max(word.start, chunk.heard_from), min(word.end, chunk.heard_to)
        if end - start <= 0:
            continue
        shift = draw.draw(st.floats(-JITTER, JITTER)) if draw else 0.0
        torn = (start, end) != (word.start, word.end)
        heard.append(Word("torn" if torn else word.text, start + shift, end + shift, 0.1 if torn else 1.0))
    return heard


@given(spoken(), st.floats(5, 40), st.floats(16, 40))
@settings(max_examples=150, deadline=None)
def test_any_cutting_gives_the_same_words_at_the_same_times(words: list[Word], target: float, longest: float) -> None:
    chunks = cut(regions_of(words), target, longest)
    parts = [hear(chunk, words) for chunk in chunks]
    assert stitched(parts, [chunk.end for chunk in chunks[:-1]]) == words


@given(spoken(), st.floats(5, 20), st.data())
@settings(max_examples=50, deadline=None)
def test_times_that_differ_a_little_lose_and_double_nothing(
    words: list[Word], target: float, data: st.DataObject
) -> None:
    chunks = cut(regions_of(words), target, 20.0)
    parts = [hear(chunk, words, data) for chunk in chunks]
    found = stitched(parts, [chunk.end for chunk in chunks[:-1]])
    assert [word.text for word in found] == [word.text for word in words]
    assert all(abs(one.start - other.start) <= JITTER + 1e-9 for one, other in zip(found, words, strict=True)), (
        "the stated tolerance"
    )
    assert JITTER * 2 < TOLERANCE


@given(spoken(), st.floats(5, 40), st.floats(16, 40))
@settings(max_examples=100, deadline=None)
def test_chunks_follow_each_other_and_are_never_too_long(words: list[Word], target: float, longest: float) -> None:
    regions = regions_of(words)
    chunks = cut(regions, target, longest)
    assert chunks[0].start == 0
    assert all(one.end == other.start for one, other in pairwise(chunks))
    for chunk in chunks:
        assert chunk.heard_to - chunk.heard_from <= longest + 2 * OVERLAP + 1
        assert all(one.end < other.start for one, other in pairwise(chunk.regions))
        assert all(chunk.heard_from <= one.start < one.end <= chunk.heard_to for one in chunk.regions)
    assert sum(chunk.speech for chunk in chunks) == pytest.approx(sum(one.end - one.start for one in regions))


def test_a_pause_is_preferred_and_nothing_is_heard_twice_there() -> None:
    regions = [Region(at * 20.0, at * 20.0 + 18) for at in range(60)]
    chunks = cut(regions, 120.0)
    assert all(chunk.end % 20 == 19 for chunk in chunks[:-1])
    assert all(one.heard_to <= other.heard_from for one, other in pairwise(chunks))
    assert [round(chunk.end - chunk.start) for chunk in chunks[:3]] == [79, 140, 140]


def test_speech_without_end_is_cut_and_heard_on_both_sides() -> None:
    chunks = cut([Region(0.0, 1000.0)], 120.0)
    assert len(chunks) >= 4
    assert all(one.heard_to - other.heard_from >= 2 * OVERLAP for one, other in pairwise(chunks))


def test_the_first_chunk_is_short_so_that_its_text_is_there_soon() -> None:
    regions = [Region(at * 5.0, at * 5.0 + 4) for at in range(240)]
    first, second, third, *_ = cut(regions, 240.0)
    assert first.end < 70
    assert second.end - second.start < 130
    assert third.end - third.start > 200
