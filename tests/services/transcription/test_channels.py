"""Calls with one voice per channel, and stereo that is none."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from services.transcription.engines import sound
from services.transcription.engines.channels import by_channel
from services.transcription.engines.protocol import RATE, Sound, Turn
from tests.services.transcription.conftest import noise, write

SECONDS = 24


def within(seconds: float, samples: Sound, at: float) -> np.ndarray:
    """Silence of so many seconds with a voice in it, as loud as any other."""
    line = np.zeros(round(seconds * RATE))
    voice = samples[: len(line) - round(at * RATE)].astype(float)
    line[round(at * RATE) :][: len(voice)] = voice * 2000 / np.sqrt((voice**2).mean())
    return line


@pytest.fixture(scope="module")
def call(austen: Sound, kennedy: Sound) -> np.ndarray:
    """She on the left from the start on, for 14 s; he on the right from the tenth second on. Not a digital silence."""
    left = within(SECONDS, austen[: 14 * RATE], 0.0)
    right = within(SECONDS, kennedy, 10.0)
    hiss = np.random.default_rng(1).normal(0, 3, (2, SECONDS * RATE))
    return np.stack([left, right]) + hiss


def turns(both: np.ndarray) -> list[Turn] | None:
    left, right = both.clip(-32768, 32767).astype(np.int16)
    return by_channel(left, right, lambda _: None)


def seconds(found: list[Turn], speaker: int) -> list[float]:
    return [round(t, 1) for turn in found if turn.speaker == speaker for t in (turn.start, turn.end)]


def test_each_channel_is_a_speaker(call: np.ndarray) -> None:
    found = turns(call)
    assert found is not None
    assert {turn.speaker for turn in found} == {0, 1}
    assert seconds(found, 0)[-1] == pytest.approx(14.0, abs=0.6)
    assert seconds(found, 1)[0] == pytest.approx(10.2, abs=0.4)
    assert found == sorted(found)


def test_turns_overlap_where_both_speak(call: np.ndarray) -> None:
    found = turns(call)
    assert found is not None
    overlap = sum(
        max(0.0, min(one.end, other.end) - max(one.start, other.start))
        for one in found
        for other in found
        if one.speaker < other.speaker
    )
    assert 2.0 < overlap < 4.5


def test_a_voice_that_comes_through_softly_is_no_second_one(call: np.ndarray) -> None:
    clean, leaking = turns(call), turns(call + 0.03 * call[::-1])
    assert clean is not None
    assert leaking is not None
    for speaker in (0, 1):
        assert sum(t.end - t.start for t in leaking if t.speaker == speaker) == pytest.approx(
            sum(t.end - t.start for t in clean if t.speaker == speaker), rel=0.15
        )


def test_who_speaks_first_is_the_first_speaker(call: np.ndarray) -> None:
    found = turns(call[::-1])
    assert found is not None
    assert found[0].speaker == 0
    assert seconds(found, 1)[0] == pytest.approx(10.2, abs=0.4)


@pytest.mark.parametrize(
    ("left", "right"),
    [((1.0, 1.0), (1.0, 1.0)), ((1.0, 0.5), (0.5, 1.0)), ((1.0, 0.0), (0.0, 0.0)), ((1.0, 1.0), (0.1, 0.1))],
    ids=["the same", "panned", "one silent", "one softer"],
)
def test_ordinary_stereo_is_refused(call: np.ndarray, left: tuple[float, float], right: tuple[float, float]) -> None:
    assert turns(np.stack([left, right]) @ call) is None


def test_two_microphones_in_one_room_are_refused(call: np.ndarray) -> None:
    """The same voices in both with half a metre between: delayed, so that samples hardly correlate, but as loud."""
    both = call.sum(axis=0)
    assert turns(np.stack([both, 0.8 * np.roll(both, 24)])) is None


def test_two_who_speak_at_once_for_most_of_the_time_are_two(austen: Sound, kennedy: Sound) -> None:
    found = turns(np.stack([within(14, austen, 0.0), within(14, kennedy[: 8 * RATE], 0.5)]))
    assert found is not None
    assert {turn.speaker for turn in found} == {0, 1}


def test_noise_and_hardly_any_sound_are_refused() -> None:
    assert turns(np.stack([noise(3.0), np.zeros(3 * RATE)])) is None
    assert turns(np.zeros((2, 100))) is None


def test_it_is_told_how_far_the_look_has_come(call: np.ndarray) -> None:
    told: list[float] = []
    left, right = call.astype(np.int16)
    by_channel(left, right, told.append)
    assert all(one <= other for one, other in pairwise(told))
    assert told[-1] == pytest.approx(SECONDS)


@pytest.mark.parametrize("layout", ["stereo", "2 channels"])
def test_channels_are_decoded_into_a_map(call: np.ndarray, tmp_path: Path, layout: str) -> None:
    path = tmp_path / "call.wav"
    with av.open(str(path), "w") as media:
        track = media.add_stream("pcm_s16le", rate=RATE, layout=layout)
        interleaved = np.ascontiguousarray(call.astype(np.int16).T).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(interleaved, format="s16", layout="stereo")
        frame.sample_rate = RATE
        for packet in (*track.encode(frame), *track.encode(None)):
            media.mux(packet)
    decoded = sound.decode_channels(path, "wav", tmp_path / "samples", 60.0, lambda _: None)
    assert decoded is not None
    assert decoded.seconds == pytest.approx(SECONDS, abs=0.01)
    left, right = sound.opened_channels(tmp_path / "samples")
    assert isinstance(left.base, np.memmap)
    np.testing.assert_array_equal(left, call[0].astype(np.int16)[: len(left)])
    np.testing.assert_array_equal(right, call[1].astype(np.int16)[: len(right)])


def test_mono_has_no_channels_to_decode(kennedy: Sound, tmp_path: Path) -> None:
    path = write(tmp_path / "mono.wav", kennedy)
    assert sound.decode_channels(path, "wav", tmp_path / "samples", 60.0, lambda _: None) is None
    assert not (tmp_path / "samples").exists()
