"""Voice activity: Silero VAD v6 (MIT, the ONNX model in faster-whisper's wheel), run over blocks of bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from faster_whisper.vad import VadOptions, get_speech_timestamps

from services.transcription.engines.protocol import RATE, Region, Sound

__all__ = ["regions"]

BLOCK = 600 * RATE  # samples: ten minutes take about 80 MB
OVERLAP = 5 * RATE  # seen by two blocks; the network's memory is well below a second
PAUSE = 0.3  # seconds without voice that end a region
PADDING = 0.1  # seconds kept around a region: onsets and releases are softer than the network's threshold
SHORTEST = 0.1  # seconds: anything shorter is a click

OPTIONS = VadOptions(
    min_silence_duration_ms=round(PAUSE * 1000),
    speech_pad_ms=round(PADDING * 1000),
    min_speech_duration_ms=round(SHORTEST * 1000),
)


def regions(sound: Sound, tell: Callable[[float], None]) -> list[Region]:
    """Where somebody speaks, in order, disjoint. ``tell`` gets the seconds looked at so far."""
    found = [region for block in _blocks(sound, tell) for region in block]
    merged: list[Region] = []
    for region in found:
        if merged and region.start <= merged[-1].end:
            merged[-1] = Region(merged[-1].start, max(region.end, merged[-1].end))
        else:
            merged.append(region)
    return merged


def _blocks(sound: Sound, tell: Callable[[float], None]) -> Iterator[list[Region]]:
    for at in range(0, len(sound), BLOCK):
        first = max(0, at - OVERLAP)
        piece = sound[first : at + BLOCK].astype(np.float32) / 32768
        yield [
            Region(max(at, first + span["start"]) / RATE, (first + span["end"]) / RATE)
            for span in get_speech_timestamps(piece, OPTIONS)
            if first + span["end"] > at
        ]
        tell(min(len(sound), at + BLOCK) / RATE)
