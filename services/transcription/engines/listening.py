"""Running the children that cut, hear and gather: their limits, their deadlines, and what they tell on the way."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from libs import process
from libs.contracts.media import EngineSpan, Original
from libs.telemetry import log
from services.transcription.engines.choice import Choice
from services.transcription.settings import TranscriptionSettings

__all__ = ["LONGEST_PART", "cut", "gather", "hear", "scratch"]

CUTTER = "services.transcription.engines.cut_child"
HEARER = "services.transcription.engines.hear_child"
GATHERER = "services.transcription.engines.gather_child"
SAMPLE_BYTES = 32_000  # per second of one channel of decoded sound
LONGEST_FACTOR, LONGEST_SLACK = 1.05, 10.0  # what is decoded beyond the probed duration, which some containers estimate
LONGEST_PART = 320.0  # seconds that one chunk can hold, overlaps included
SLOWEST, START = 10.0, 300.0  # the deadline: this many seconds per second of sound, and to begin with
STALL, WHISPER_STALL = 60.0, 120.0  # seconds without progress: half a minute of sound is one step of Whisper's, and
# large-v3 on one core takes more than a minute for it
NICE = 5  # people who click come before recordings that wait
SMALL = 64 * 1024**2  # bytes of the files of a child that writes none of note

Tell = Callable[[dict[str, Any]], None]
Cancelled = Callable[[], bool]


@contextmanager
def scratch(name: str, settings: TranscriptionSettings) -> Iterator[Path]:
    """A folder for one attempt. What one left whose worker was killed goes first."""
    folder = settings.work_dir / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def cut(
    source: Path, original: Original, folder: Path, settings: TranscriptionSettings, tell: Tell, cancelled: Cancelled
) -> dict[str, Any]:
    """Cut a recording into chunks, see ``cut_child``. ``tell`` gets each of its messages. Raises a ChildError.

    What this, ``hear`` and ``gather`` give has a ``span`` too: when the engine worked (a contract's EngineSpan).
    """
    longest = original.duration * LONGEST_FACTOR + LONGEST_SLACK
    timed = _Timed("libav")
    result = process.run_module(
        CUTTER,
        {
            "source": str(source),
            "container": original.container,
            "longest": longest,
            "scratch": str(folder),
            "target": settings.speech_chunk,
            "speakers": None,
        },
        deadline=START + original.duration,
        stall=STALL,
        memory=settings.speech_memory,
        file_size=2 * int(longest * SAMPLE_BYTES) + 1024 * 1024,
        nice=NICE,
        cancelled=cancelled,
        env=_environment(folder),
        on_message=tell,
    )
    if result["missing"]:
        log.warning(
            "a recording ends before its time", extra={"media_id": str(original.media_id), "seconds": result["missing"]}
        )
    return result | {"span": timed.span()}


def hear(
    chunk: dict[str, Any],
    choice: Choice,
    folder: Path,
    settings: TranscriptionSettings,
    tell: Callable[[float], None],
    cancelled: Cancelled,
) -> dict[str, Any]:
    """Hear a chunk, see ``hear_child``. ``tell`` gets the seconds of speech done."""
    timed = _Timed(choice.engine)
    result = process.run_module(
        HEARER,
        {**chunk, "engine": _engine(choice, settings)},
        deadline=START + SLOWEST * LONGEST_PART,
        stall=STALL if choice.engine == "pocketsphinx" else WHISPER_STALL,
        memory=settings.speech_memory,
        file_size=SMALL,
        network=choice.network,
        nice=NICE,
        cancelled=cancelled,
        env=_environment(folder),
        on_message=lambda message: tell(message["done"]),
    )
    return result | {"span": timed.span()}


def gather(
    chunks: Path, wanted: dict[str, Any], folder: Path, settings: TranscriptionSettings, cancelled: Cancelled
) -> dict[str, Any]:
    """Make a transcript of what was heard, see ``gather_child``; ``wanted`` is its request less the file of chunks."""
    timed = _Timed("diarizer")
    result = process.run_module(
        GATHERER,
        {**wanted, "chunks": str(chunks)},
        deadline=START,
        memory=settings.speech_memory,
        file_size=SMALL,
        nice=NICE,
        cancelled=cancelled,
        env=_environment(folder),
    )
    return result | {"span": timed.span()}


class _Timed:
    """The time that an engine works, from now on."""

    def __init__(self, engine: str) -> None:
        self._engine, self._at, self._started = engine, datetime.now(UTC), time.monotonic()

    def span(self) -> dict[str, Any]:
        """An EngineSpan up to now, as JSON takes it."""
        seconds = round(time.monotonic() - self._started, 3)
        return EngineSpan(engine=self._engine, started_at=self._at, seconds=seconds).model_dump(mode="json")


def _environment(folder: Path) -> dict[str, str]:
    return {"TMPDIR": str(folder), "OMP_WAIT_POLICY": "PASSIVE"}


def _engine(choice: Choice, settings: TranscriptionSettings) -> dict[str, Any]:
    if choice.engine == "pocketsphinx":
        return {"name": choice.engine, "workers": settings.speech_workers}
    if choice.engine == "hosted":
        key = settings.speech_key.get_secret_value()
        return {"name": choice.engine, "model": choice.model, "url": settings.speech_url, "key": key}
    return {
        "name": choice.engine,
        "model": choice.model,
        "folder": str(choice.folder),
        "device": settings.whisper_device,
        "compute": settings.whisper_compute,
    }
