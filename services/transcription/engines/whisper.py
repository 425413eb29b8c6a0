"""faster-whisper: Whisper on CTranslate2. Reads a model folder that is already here; ``hub`` finds or fetches it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from faster_whisper import BatchedInferencePipeline, WhisperModel
from faster_whisper.transcribe import Segment

from services.transcription.engines import hardware
from services.transcription.engines.protocol import (
    NOTHING_MORE,
    RATE,
    Ask,
    Heard,
    Passage,
    Quality,
    Region,
    Sound,
    Tell,
    Word,
)
from services.transcription.engines.utterances import utterances

__all__ = ["FasterWhisper"]

WINDOW = 300.0  # seconds handed over at a time: bounds the memory of the spectrogram (50 MB) on any length
JOIN = 2.0  # seconds: pauses below this stay inside a window, where they help the model to punctuate
CHUNK = 29.0  # seconds: what is decoded side by side has to fit into the model's half minute
BATCH = 8  # chunks decoded side by side on a GPU
SAMPLES = 3  # half minutes of speech that are listened to for the language, until one is certain enough
SILENT, DOUBTFUL = 0.6, -1.0  # probability that nobody speaks, and mean log probability of the tokens: OpenAI's bounds
CERTAIN = 0.5  # probability of a language from which no further half minute is asked

Task = Literal["transcribe", "translate"]


class FasterWhisper:
    """Speech to text with a CTranslate2 folder.

    ``device`` is "cpu", "cuda" or "auto"; ``compute`` one of CTranslate2's compute types or "auto" (see ``hardware``).
    ``batch`` chunks are decoded side by side; 1 decodes one window after the other, which alone can try again where the
    model repeats itself, and 0 takes what is better on the hardware.
    """

    name = "faster-whisper"
    quality: Quality = "standard"

    def __init__(
        self, model: str, folder: Path, *, device: str = "auto", compute: str = "auto", beam: int = 5, batch: int = 0
    ) -> None:
        self.model = model
        chosen = hardware.here(device, compute, folder)
        self.reason = chosen.reason
        self._beam = beam
        self._batch = batch or (BATCH if chosen.device == "cuda" else 1)
        self._whisper = WhisperModel(
            str(folder),
            device=chosen.device,
            compute_type=chosen.compute,
            cpu_threads=os.cpu_count() or 1,
            local_files_only=True,
        )

    def close(self) -> None:
        """Give back the model's memory."""
        self._whisper.model.unload_model()

    def transcribe(
        self, sound: Sound, regions: Sequence[Region], language: str, tell: Tell, ask: Ask = NOTHING_MORE
    ) -> Heard:
        """Hear the words in the regions. An empty ``language`` is detected on the first minutes of speech.

        A translation takes as long again as the words; half of the progress is then its share.
        """
        if not regions:
            return Heard([], language or "und")
        spoken, confidence = (language, 1.0) if language else self._detected(sound, regions)
        translated = ask.translate and spoken != "en" and self._whisper.model.is_multilingual
        half = sum(region.end - region.start for region in regions) / 2

        def first(seconds: float) -> None:
            tell(seconds / 2 if translated else seconds)

        def second(seconds: float) -> None:
            tell(half + seconds / 2)

        words = [
            word
            for segment, offset in self._segments(sound, regions, spoken, ask, "transcribe", first)
            for word in _words(segment, offset)
        ]
        passages = [
            Passage(offset + segment.start, offset + segment.end, segment.text.strip())
            for segment, offset in self._segments(
                sound, regions if translated else (), spoken, ask, "translate", second
            )
        ]
        return Heard(words, spoken, confidence, tuple(passages))

    def _segments(
        self, sound: Sound, regions: Sequence[Region], language: str, ask: Ask, task: Task, tell: Tell
    ) -> Iterator[tuple[Segment, float]]:
        """Segments, each with the second in the recording from which its times count."""
        done = reached = 0.0  # a segment may end before its predecessor: Whisper tries again when it doubts itself
        for window in utterances(sound, regions, JOIN, WINDOW):
            inside = [region for region in regions if window.start <= region.start < window.end]
            for segment in self._decoded(sound, window, inside, language, ask, task):
                yield segment, window.start
                reached = max(reached, done + _speech_before(inside, window.start + segment.end))
                tell(reached)
            done += sum(region.end - region.start for region in inside)
            tell(done)

    def _decoded(
        self, sound: Sound, window: Region, inside: Sequence[Region], language: str, ask: Ask, task: Task
    ) -> Iterator[Segment]:
        options: dict[str, Any] = {
            "language": language if self._whisper.model.is_multilingual else None,
            "task": task,
            "beam_size": self._beam,
            "word_timestamps": task == "transcribe",
            "condition_on_previous_text": False,  # it makes Whisper repeat itself over music
            "hotwords": _hints(ask) or None,  # unlike its initial prompt, they stand in front of every half minute
        }
        samples = _floats(sound, window)
        if self._batch == 1:
            vad = {"min_silence_duration_ms": 500, "speech_pad_ms": 200}
            segments, _ = self._whisper.transcribe(samples, vad_filter=True, vad_parameters=vad, **options)
        else:
            chunks = utterances(sound, inside, JOIN, CHUNK)
            clips = [{"start": chunk.start - window.start, "end": chunk.end - window.start} for chunk in chunks]
            # Time stamps cut a translation into passages. For words they only do harm: what follows the last one is lost.
            segments, _ = BatchedInferencePipeline(self._whisper).transcribe(
                samples,
                clip_timestamps=clips,
                batch_size=self._batch,
                without_timestamps=task == "transcribe",
                **options,
            )
        yield from (segment for segment in segments if not _silent(segment))

    def _detected(self, sound: Sound, regions: Sequence[Region]) -> tuple[str, float]:
        """The language, and how probable it is."""
        if not self._whisper.model.is_multilingual:
            return "en", 1.0
        pieces, seconds = [], 0.0
        for region in regions:
            pieces.append(_floats(sound, region))
            seconds += region.end - region.start
            if seconds >= SAMPLES * 30.0:
                break
        language, probability, _ = self._whisper.detect_language(
            np.concatenate(pieces), language_detection_segments=SAMPLES, language_detection_threshold=CERTAIN
        )
        return str(language), min(1.0, float(probability))


def _hints(ask: Ask) -> str:
    """What stands in front: the model reads it as what was said before, and cuts it at its end where it is too long."""
    return " ".join(part for part in (", ".join(ask.hotwords), ask.prompt.strip()) if part)


def _silent(segment: Segment) -> bool:
    """Whether the model takes it for silence and doubts its words. Batches don't leave such out by themselves."""
    return bool(segment.no_speech_prob > SILENT and segment.avg_logprob < DOUBTFUL)


def _floats(sound: Sound, span: Region) -> np.ndarray:
    return sound[round(span.start * RATE) : round(span.end * RATE)].astype(np.float32) / 32768


def _words(segment: Segment, offset: float) -> Iterator[Word]:
    for word in segment.words or ():
        if text := word.word.strip():
            confidence = min(1.0, max(0.0, float(word.probability)))
            yield Word(text, offset + float(word.start), offset + float(word.end), confidence)


def _speech_before(regions: Sequence[Region], moment: float) -> float:
    return sum(max(0.0, min(region.end, moment) - region.start) for region in regions)
