"""Running the listening child for one recording: its limits, its deadline, and what it tells on the way."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from libs import process
from libs.contracts.media import EngineSpan, Original
from libs.telemetry import log
from services.transcription.engines.choice import Choice
from services.transcription.settings import TranscriptionSettings

__all__ = ["Listened", "listen", "scratch_of"]

CHILD = "services.transcription.engines.child"
SAMPLE_BYTES = 32_000  # per second of one channel of decoded sound
LONGEST_FACTOR, LONGEST_SLACK = 1.05, 10.0  # what is decoded beyond the probed duration, which some containers estimate
SLOWEST, START = 10.0, 300.0  # the deadline: this many seconds per second of sound, and to begin with
STALL, WHISPER_STALL = 60.0, 120.0  # seconds without progress: half a minute of sound is one step of Whisper's, and
# large-v3 on one core takes more than a minute for it


@dataclass(frozen=True)
class Listened:
    """What the child gave, in the words of the transcript contract, and how long it ran."""

    result: dict[str, Any]
    span: EngineSpan


def scratch_of(media_id: UUID, settings: TranscriptionSettings) -> Path:
    """Where a recording's decoded sound lies while it is heard."""
    return settings.work_dir / f"transcribe-{media_id}"


def listen(
    source: Path,
    original: Original,
    choice: Choice,
    language: str,
    settings: TranscriptionSettings,
    tell: Callable[[float, float], None],
    cancelled: Callable[[], bool],
) -> Listened:
    """Transcribe a file. ``tell`` gets the seconds of speech done and found. Raises a ChildError."""
    scratch = scratch_of(original.media_id, settings)
    shutil.rmtree(scratch, ignore_errors=True)  # of an attempt whose worker was killed
    scratch.mkdir(parents=True)
    longest = original.duration * LONGEST_FACTOR + LONGEST_SLACK
    started_at, started = datetime.now(UTC), time.monotonic()
    try:
        result = process.run_module(
            CHILD,
            {
                "source": str(source),
                "container": original.container,
                "longest": longest,
                "scratch": str(scratch),
                "engine": _engine(choice, settings),
                "language": language,
                "speakers": None,
            },
            deadline=START + SLOWEST * original.duration,
            stall=STALL if choice.engine == "pocketsphinx" else WHISPER_STALL,
            memory=settings.speech_memory,
            file_size=2 * int(longest * SAMPLE_BYTES) + 1024 * 1024,
            network=choice.network,
            nice=5,  # people who click come before recordings that wait
            cancelled=cancelled,
            env={"TMPDIR": str(scratch), "OMP_WAIT_POLICY": "PASSIVE"},
            on_message=lambda message: tell(message["done"], message["total"]) if "total" in message else None,
        )
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if result["missing"]:
        log.warning(
            "a recording ends before its time", extra={"media_id": str(original.media_id), "seconds": result["missing"]}
        )
    span = EngineSpan(engine=choice.engine, started_at=started_at, seconds=round(time.monotonic() - started, 3))
    return Listened(result, span)


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
