"""Who speaks when: read speech of two voices, whose turns are known."""

from __future__ import annotations

import numpy as np
import pytest

from services.transcription.engines.diarizer import BuiltIn
from services.transcription.engines.protocol import RATE, Region, Sound, Turn
from tests.services.transcription.conftest import speech_in


@pytest.fixture(scope="module")
def dialogue(austen: Sound, kennedy: Sound) -> tuple[Sound, list[tuple[float, float, int]]]:
    """She and he by turns, as loud as each other; and who speaks from when to when."""
    pieces: list[np.ndarray] = []
    truth: list[tuple[float, float, int]] = []
    at = 0
    voices = ((austen, (0.0, 9.0), (9.0, 17.0), (17.0, 26.0)), (kennedy, (0.0, 4.5), (5.2, 11.0), (0.0, 11.0)))
    for turn in range(3):
        for who, (samples, *spans) in enumerate(voices):
            start, end = (round(second * RATE) for second in spans[turn])
            piece = samples[start:end].astype(float)
            piece *= 3000 / np.sqrt((piece**2).mean())
            pieces.append(piece)
            truth.append((at / RATE, (at + len(piece)) / RATE, who))
            at += len(piece)
    return np.concatenate(pieces).clip(-32768, 32767).astype(np.int16), truth


def confusion(turns: list[Turn], truth: list[tuple[float, float, int]], names: dict[int, int]) -> float:
    """Share of the speech that was found which is given to the wrong speaker."""
    wrong = right = 0.0
    for turn in turns:
        for start, end, who in truth:
            overlap = max(0.0, min(turn.end, end) - max(turn.start, start))
            right, wrong = (right + overlap, wrong) if names.get(turn.speaker) == who else (right, wrong + overlap)
    return wrong / (wrong + right)


def test_two_voices_are_two_speakers(dialogue: tuple[Sound, list[tuple[float, float, int]]]) -> None:
    samples, truth = dialogue
    turns = BuiltIn().diarize(samples, speech_in(samples))
    assert {turn.speaker for turn in turns} == {0, 1}
    assert confusion(turns, truth, {0: 0, 1: 1}) < 0.05


def test_the_number_of_speakers_may_be_given(dialogue: tuple[Sound, list[tuple[float, float, int]]]) -> None:
    samples, truth = dialogue
    regions = speech_in(samples)
    assert {turn.speaker for turn in BuiltIn().diarize(samples, regions, speakers=1)} == {0}
    two = BuiltIn().diarize(samples, regions, speakers=2)
    assert confusion(two, truth, {0: 0, 1: 1}) < 0.05


@pytest.mark.parametrize("name", ["austen", "kennedy"])
def test_one_voice_is_one_speaker(name: str, request: pytest.FixtureRequest) -> None:
    samples = request.getfixturevalue(name)
    assert {turn.speaker for turn in BuiltIn().diarize(samples, speech_in(samples))} == {0}


def test_turns_fill_the_regions(dialogue: tuple[Sound, list[tuple[float, float, int]]]) -> None:
    samples, _ = dialogue
    regions = speech_in(samples)
    turns = BuiltIn().diarize(samples, regions)
    assert sum(turn.end - turn.start for turn in turns) == pytest.approx(
        sum(region.end - region.start for region in regions), abs=0.05
    )
    assert turns == sorted(turns)


@pytest.mark.parametrize("regions", [[], [Region(0.0, 0.01)], [Region(0.5, 0.8)]])
def test_hardly_any_speech_is_one_speaker(regions: list[Region], kennedy: Sound) -> None:
    assert [turn.speaker for turn in BuiltIn().diarize(kennedy, regions)] == [0] * len(regions)
