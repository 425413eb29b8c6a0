"""Speech, silence, noise and music to listen to, and a small Whisper."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import av
import numpy as np
import pytest
from praatio import textgrid

from services.transcription.engines import sound, voice
from services.transcription.engines.hosted import Hosted
from services.transcription.engines.protocol import RATE, Engine, Region, Sound, Word
from services.transcription.engines.sphinx import PocketSphinx
from services.transcription.engines.whisper import FasterWhisper
from tests.services.transcription.speech_service import SpeechService

TESTS = Path(__file__).resolve().parents[2]
SPEECH = TESTS / "data" / "speech"
WORDS = TESTS / "data" / "words"
SPOKEN = TESTS / "data" / "spoken"
TINY_WHISPER = TESTS / "models" / "tiny-whisper"


@pytest.fixture(scope="session")
def decoded(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Sound]:
    """Decode one of the bundled recordings."""

    def decode(name: str) -> Sound:
        target = tmp_path_factory.mktemp("sound") / "samples"
        sound.decode(SPEECH / f"{name}.flac", "flac", target, 60.0, lambda _: None)
        return np.array(sound.opened(target))

    return decode


@pytest.fixture(scope="session")
def kennedy(decoded: Callable[[str], Sound]) -> Sound:
    """Eleven seconds of one man."""
    return decoded("kennedy")


@pytest.fixture(scope="session")
def austen(decoded: Callable[[str], Sound]) -> Sound:
    """Five sentences by one woman."""
    return decoded("austen")


class Clip(NamedTuple):
    """A spoken sentence, without silence around. Its words' times count from its begin."""

    sentence: str
    samples: Sound
    words: list[Word]


@pytest.fixture(scope="session")
def words_of() -> Callable[[str], tuple[Sound, list[Word]]]:
    """Sound and words, with their true times, of one of the bundled recordings that have a TextGrid."""

    def read(name: str) -> tuple[Sound, list[Word]]:
        grid = textgrid.openTextgrid(str(WORDS / f"{name}.TextGrid"), includeEmptyIntervals=False)
        with TemporaryDirectory() as folder:
            target = Path(folder) / "samples"
            sound.decode(WORDS / f"{name}.flac", "flac", target, 60.0, lambda _: None)
            samples = np.array(sound.opened(target))
        return samples, [Word(label, start, end, 1.0) for start, end, label in grid.getTier("words").entries]

    return read


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[Clip]]:
    """The sentences of a recording: ``taught-en``, ``unheard-de`` … are synthesised, ``austen`` and ``kennedy`` are real."""
    told = json.loads((SPOKEN / "words.json").read_text())

    def read(name: str) -> list[Clip]:
        target = tmp_path_factory.mktemp("sound") / "samples"
        folder = SPOKEN if "-" in name else SPEECH
        sound.decode(folder / f"{name}.flac", "flac", target, 60.0, lambda _: None)
        samples = np.array(sound.opened(target))
        found = []
        for entry in told[name]:
            begin, end = entry["words"][0][1], entry["words"][-1][2]
            words = [Word(text, start - begin, stop - begin, 1.0) for text, start, stop in entry["words"]]
            found.append(Clip(entry["sentence"], samples[round(begin * RATE) : round(end * RATE)], words))
        return found

    return read


def joined(clips: Sequence[Clip], pauses: Sequence[float]) -> tuple[Sound, list[Word]]:
    """Clips one after the other, each after its pause (seconds), and one second of silence; and when each word is said."""
    pieces: list[np.ndarray] = []
    words: list[Word] = []
    at = 0
    for clip, pause in zip(clips, pauses, strict=True):
        silence = np.zeros(round(pause * RATE), np.int16)
        at += len(silence)
        words += [word._replace(start=word.start + at / RATE, end=word.end + at / RATE) for word in clip.words]
        pieces += [silence, clip.samples]
        at += len(clip.samples)
    return np.concatenate([*pieces, np.zeros(RATE, np.int16)]), words


@pytest.fixture(scope="session")
def whisper_folder() -> Path:
    """A CTranslate2 folder with a very small Whisper, which reads the bundled sentences."""
    return TINY_WHISPER


@pytest.fixture(scope="session")
def speech_service(whisper_folder: Path) -> Iterator[SpeechService]:
    """A speech service on a free port, which hears by the very small Whisper."""
    with SpeechService.running(whisper_folder) as service:
        yield service


@pytest.fixture(scope="session", params=["pocketsphinx", "faster-whisper", "faster-whisper, batched", "hosted"])
def engine(request: pytest.FixtureRequest, whisper_folder: Path) -> Iterator[Engine]:
    """Each engine in turn."""
    made: Engine
    if request.param == "pocketsphinx":
        made = PocketSphinx(2)
    elif request.param == "hosted":
        service: SpeechService = request.getfixturevalue("speech_service")
        made = Hosted(service.url, "tiny", service.key)
    else:
        made = FasterWhisper("tiny", whisper_folder, device="cpu", batch=4 if "batched" in request.param else 1)
    yield made
    made.close()


def speech_in(samples: Sound) -> list[Region]:
    """Where somebody speaks."""
    return voice.regions(samples, lambda _: None)


def write(path: Path, samples: np.ndarray, *, rate: int = RATE, codec: str = "pcm_s16le") -> Path:
    """Write mono samples as a file; its suffix says which container."""
    with av.open(str(path), "w") as media:
        track = media.add_stream(codec, rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples.astype(np.int16)[None], format="s16", layout="mono")
        frame.sample_rate = rate
        for packet in (*track.encode(frame), *track.encode(None)):
            media.mux(packet)
    return path


def tone(seconds: float) -> np.ndarray:
    """A chord that swells and fades: music without a voice."""
    time = np.arange(round(seconds * RATE)) / RATE
    chord = sum(np.sin(2 * np.pi * hertz * time) for hertz in (220.0, 277.2, 329.6))
    return np.asarray(3000 * chord * (0.6 + 0.4 * np.sin(2 * np.pi * 0.5 * time)))


def noise(seconds: float) -> np.ndarray:
    """White noise."""
    return np.random.default_rng(1).normal(0, 2000, round(seconds * RATE))
