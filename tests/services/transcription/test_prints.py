"""Voice prints: the encoder hears what its makers' code hears, and what is printed survives the way to another process."""

from __future__ import annotations

import hashlib
import tracemalloc

import numpy as np
import pytest

from services.transcription.engines import clustering, encoder
from services.transcription.engines.clustering import clustered
from services.transcription.engines.diarizer import BuiltIn, turns
from services.transcription.engines.prints import Prints, joined, prints
from services.transcription.engines.protocol import RATE, Region, Sound
from tests.services.transcription.conftest import speech_in

# kennedy.flac / 32768 by librosa 0.11.0: feature.melspectrogram(sr=16000, n_fft=400, hop_length=160, n_mels=40)
MEL = {
    (100, 3): 0.81078804,
    (250, 10): 5.9188186e-4,
    (500, 20): 3.5738376e-5,
    (700, 39): 6.8776373e-8,
    (1000, 0): 4.8777056e-3,
}
LAST_FRAME = {5: 0.012783762}  # half of it lies beyond the end of the sound
CHANNEL_SUMS = {0: 3.06777, 20: 97.53595, 39: 2.7472287e-4}
# Three windows of it through Resemblyzer 0.1.4's own network and weights: the largest numbers of each print, and likeness
WINDOWS_AT = (0, 500, 900)
LARGEST = [{13: 0.3151, 212: 0.2788, 79: 0.1746}, {212: 0.2323, 203: 0.2235, 82: 0.2209}, {162: 0.2472, 121: 0.2169}]
LIKENESS = {(0, 1): 0.772, (0, 2): 0.652, (1, 2): 0.805}


def test_the_mel_spectrogram_is_librosas(kennedy: Sound) -> None:
    mel = encoder.mel(kennedy, 0, len(kennedy) // 160 + 1)
    assert mel.shape == (1101, 40)
    for (frame, channel), value in MEL.items():
        assert mel[frame, channel] == pytest.approx(value, rel=1e-3)
    for channel, value in LAST_FRAME.items():
        assert mel[-1, channel] == pytest.approx(value, rel=1e-3)
    for channel, value in CHANNEL_SUMS.items():
        assert mel[:, channel].sum() == pytest.approx(value, rel=1e-3)


def test_a_part_of_the_spectrogram_is_that_part_of_the_whole(kennedy: Sound) -> None:
    whole = encoder.mel(kennedy, 0, 400)
    np.testing.assert_allclose(encoder.mel(kennedy, 123, 287), whole[123:287], rtol=1e-3, atol=1e-9)


def test_prints_are_those_of_the_original_network(kennedy: Sound) -> None:
    mel = encoder.mel(kennedy, 0, 1101)
    found = encoder.embedded(np.stack([mel[at : at + encoder.WINDOW] for at in WINDOWS_AT]))
    for vector, largest in zip(found, LARGEST, strict=True):
        for number, value in largest.items():
            assert vector[number] == pytest.approx(value, abs=2e-3)
    for (one, other), value in LIKENESS.items():
        assert found[one] @ found[other] == pytest.approx(value, abs=2e-3)


def test_the_model_card_is_of_this_model() -> None:
    card = (encoder.MODEL.parent / "README.md").read_text()
    assert hashlib.sha256(encoder.MODEL.read_bytes()).hexdigest() in card


def test_loudness_does_not_matter(kennedy: Sound) -> None:
    region = [Region(5.0, 6.6)]
    loud, soft = (prints((kennedy * gain).astype(np.int16), region).vectors.astype(np.float32) for gain in (1.0, 0.1))
    assert float(loud[0] @ soft[0]) > 0.98


def test_silence_has_a_print_without_numbers_that_are_none() -> None:
    assert np.isfinite(prints(np.zeros(3 * RATE, np.int16), [Region(0.0, 3.0)]).vectors).all()


def test_no_window_crosses_a_pause(kennedy: Sound) -> None:
    regions = [Region(0.3, 0.5), Region(1.0, 1.8), Region(3.0, 6.0)]
    spans = prints(kennedy, regions).spans.tolist()
    assert spans[0] == [1.0, 1.8]  # a fifth of a second tells nothing
    assert spans[1][0] == 3.0
    assert spans[-1][1] == 6.0
    assert all(end - begin == pytest.approx(1.6) for begin, end in spans[1:])


def test_chunks_printed_apart_give_the_turns_of_the_whole(kennedy: Sound, austen: Sound) -> None:
    sound = np.concatenate([kennedy, austen])
    border = len(kennedy) / RATE
    apart = [speech_in(kennedy), speech_in(austen)]
    regions = [*apart[0], *(Region(begin + border, end + border) for begin, end in apart[1])]
    packed = [prints(kennedy, apart[0]).packed(), prints(austen, apart[1]).packed()]
    first, second = (Prints.unpacked(each) for each in packed)
    gathered = turns(joined([first, second.later(border)]), regions)
    assert gathered == BuiltIn().diarize(sound, regions)
    assert {turn.speaker for turn in gathered if turn.end < border} == {0}
    assert {turn.speaker for turn in gathered if turn.start > border} == {1}


def test_packed_prints_are_small(austen: Sound) -> None:
    regions = speech_in(austen)
    seconds = sum(region.end - region.start for region in regions)
    assert len(prints(austen, regions).packed()) < 2500 * seconds  # so 12 hours take less than 110 MB


@pytest.mark.parametrize("broken", [b"", b"PK\x03\x04", b"\x93NUMPY\x01\x00"])
def test_what_was_not_packed_is_refused(broken: bytes) -> None:
    with pytest.raises(ValueError):
        Prints.unpacked(broken)


def test_prints_without_their_times_are_refused() -> None:
    prints_of_nothing = Prints(np.zeros((3, 256), np.float16), np.zeros((2, 2)))
    with pytest.raises(ValueError, match="spans of shape"):
        Prints.unpacked(prints_of_nothing.packed())


def long_conversation(hours: float, voices: list[tuple[int, int]]) -> tuple[Prints, list[Region]]:
    """Prints of regions of 5 s: ``voices`` says who speaks in how many regions running, again and again."""
    random = np.random.default_rng(1)
    regions = [Region(6.0 * number, 6.0 * number + 5.0) for number in range(round(hours * 600))]
    turn = np.array([who for who, running in voices for _ in range(running)])
    windows = 15
    vectors = np.repeat(np.eye(256, dtype=np.float32)[np.resize(turn, len(regions))], windows, axis=0)
    vectors += random.normal(0, 0.02, vectors.shape).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    begins = np.concatenate([np.linspace(region.start, region.end - 1.6, windows) for region in regions])
    return Prints(vectors.astype(np.float16), np.stack([begins, begins + 1.6], axis=1)), regions


def test_hours_take_little_memory() -> None:
    heard, regions = long_conversation(3.0, [(0, 3), (1, 2), (2, 5)])
    tracemalloc.start()
    found = turns(heard, regions)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert {turn.speaker for turn in found} == {0, 1, 2}
    assert peak < 60e6  # on top of the prints; so 12 hours take less than 300 MB


@pytest.mark.parametrize(("regions_of_the_other", "speakers"), [(1, 1), (6, 2)])
def test_a_few_seconds_of_an_hour_are_no_voice(regions_of_the_other: int, speakers: int) -> None:
    heard, regions = long_conversation(0.5, [(0, 294), (1, regions_of_the_other)])
    assert len({turn.speaker for turn in turns(heard, regions)}) == speakers


def test_borders_lie_where_the_voice_changes() -> None:
    heard, regions = long_conversation(0.05, [(0, 5), (1, 5)])
    whole = [Region(regions[0].start, regions[-1].end)]
    changes = [turn.start for turn in turns(heard, whole)][1:]
    assert changes == pytest.approx([30.0, 60.0, 90.0, 120.0, 150.0][: len(changes)], abs=1.0)
    assert len(changes) == 5


def directions(count: int, rng: np.random.Generator, scatter: float) -> np.ndarray:
    """Vectors around each of four directions by turns."""
    vectors = np.eye(16)[np.arange(count) % 4] + rng.normal(0, scatter, (count, 16))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def test_many_pieces_are_clustered_block_by_block() -> None:
    count = 3 * clustering.BLOCK + 1
    groups = clustered(directions(count, np.random.default_rng(1), 0.05), np.full(count, 2.4))
    assert [{index % 4 for index in group} for group in groups] == [{0}, {1}, {2}, {3}]
    assert sum(len(group) for group in groups) == count


def test_pieces_with_nothing_in_common_do_not_take_quadratic_memory() -> None:
    count = 2 * clustering.BLOCK
    vectors = np.random.default_rng(1).normal(size=(count, 256))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    assert len(clustered(vectors.astype(np.float32), np.full(count, 2.4))) <= clustering.BLOCK


@pytest.mark.parametrize("wanted", [1, 2, 3, 4, 7])
def test_so_many_voices_as_were_asked_for(wanted: int) -> None:
    vectors = directions(24, np.random.default_rng(1), 0.1)
    groups = clustered(vectors, np.full(24, 2.4), wanted)
    assert len(groups) == wanted
    if wanted <= 4:
        assert sorted(index for group in groups for index in group) == list(range(24))
