"""Speech, silence, noise and music to listen to, and a small Whisper."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np
import pytest
from praatio import textgrid

from services.transcription.engines import sound, voice
from services.transcription.engines.protocol import RATE, Engine, Region, Sound, Word
from services.transcription.engines.sphinx import PocketSphinx
from services.transcription.engines.whisper import FasterWhisper
from tests.services.transcription import tiny_whisper

WORDS = Path(__file__).resolve().parents[2] / "data" / "words"
SPEECH = Path(__file__).resolve().parents[2] / "data" / "speech"


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
def whisper_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CTranslate2 folder with a very small Whisper."""
    return tiny_whisper.make(tmp_path_factory.mktemp("whisper"))


@pytest.fixture(scope="session", params=["pocketsphinx", "faster-whisper"])
def engine(request: pytest.FixtureRequest, whisper_folder: Path) -> Iterator[Engine]:
    """Each engine in turn."""
    made: Engine = (
        PocketSphinx(2) if request.param == "pocketsphinx" else FasterWhisper("tiny", whisper_folder, device="cpu")
    )
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
