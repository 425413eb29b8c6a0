"""faster-whisper: Whisper on CTranslate2. Reads a model folder that is already here; ``hub`` finds or fetches it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.transcribe import Segment

from services.transcription.engines.protocol import RATE, Heard, Quality, Region, Sound, Tell, Word
from services.transcription.engines.utterances import utterances

__all__ = ["FasterWhisper"]

WINDOW = 300.0  # seconds handed over at a time: bounds the memory of the spectrogram (50 MB) on any length
JOIN = 2.0  # seconds: pauses below this stay inside a window, where they help the model to punctuate
SAMPLE = 30.0  # seconds of speech by which the language is detected


class FasterWhisper:
    """Speech to text with a CTranslate2 folder.

    ``device`` and ``compute`` are CTranslate2's names; "auto" takes a GPU where there is one.
    """

    name = "faster-whisper"
    quality: Quality = "standard"

    def __init__(self, model: str, folder: Path, *, device: str = "auto", compute: str = "int8", beam: int = 5) -> None:
        self.model = model
        self._beam = beam
        self._whisper = WhisperModel(
            str(folder), device=device, compute_type=compute, cpu_threads=os.cpu_count() or 1, local_files_only=True
        )

    def close(self) -> None:
        """Give back the model's memory."""
        self._whisper.model.unload_model()

    def transcribe(self, sound: Sound, regions: Sequence[Region], language: str, tell: Tell) -> Heard:
        """Hear the words in the regions. An empty ``language`` is detected on the first half minute of speech."""
        if not regions:
            return Heard([], language or "und")
        spoken = language or self._detect(sound, regions)
        words: list[Word] = []
        done = reached = 0.0  # a segment may end before its predecessor: Whisper tries again when it doubts itself
        for window in utterances(sound, regions, JOIN, WINDOW):
            inside = [region for region in regions if window.start <= region.start < window.end]
            for segment in self._segments(sound, window, spoken):
                words.extend(_words(segment, window.start))
                reached = max(reached, done + _speech_before(inside, window.start + segment.end))
                tell(reached)
            done += sum(region.end - region.start for region in inside)
            tell(done)
        return Heard(words, spoken)

    def _segments(self, sound: Sound, window: Region, language: str) -> Iterator[Segment]:
        segments, _ = self._whisper.transcribe(
            _floats(sound, window),
            language=language if self._whisper.model.is_multilingual else None,
            beam_size=self._beam,
            word_timestamps=True,
            condition_on_previous_text=False,  # it makes Whisper repeat itself over music
            vad_filter=True,
            vad_parameters={"min_silence_duration_ms": 500, "speech_pad_ms": 200},
        )
        yield from segments

    def _detect(self, sound: Sound, regions: Sequence[Region]) -> str:
        if not self._whisper.model.is_multilingual:
            return "en"
        pieces, seconds = [], 0.0
        for region in regions:
            pieces.append(_floats(sound, region))
            seconds += region.end - region.start
            if seconds >= SAMPLE:
                break
        return str(self._whisper.detect_language(np.concatenate(pieces))[0])


def _floats(sound: Sound, span: Region) -> np.ndarray:
    return sound[round(span.start * RATE) : round(span.end * RATE)].astype(np.float32) / 32768


def _words(segment: Segment, offset: float) -> Iterator[Word]:
    for word in segment.words or ():
        if text := word.word.strip():
            confidence = min(1.0, max(0.0, float(word.probability)))
            yield Word(text, offset + float(word.start), offset + float(word.end), confidence)


def _speech_before(regions: Sequence[Region], moment: float) -> float:
    return sum(max(0.0, min(region.end, moment) - region.start) for region in regions)
