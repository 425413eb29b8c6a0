"""PocketSphinx 5: the fallback that always works. Its US-English model is in its wheel; what it hears is a draft.

Utterances are decoded in parallel by a few processes, because the decoder holds the interpreter lock. The settings of
decoder and utterances were chosen by measuring (see the service's README).
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait

from services.transcription.engines import sphinx_worker
from services.transcription.engines.protocol import (
    NOTHING_MORE,
    RATE,
    Ask,
    Heard,
    Quality,
    Region,
    Sound,
    Tell,
    Word,
)
from services.transcription.engines.utterances import utterances

__all__ = ["PocketSphinx"]

MOST_WORKERS = 4  # each holds 170 MiB
JOIN = 0.0  # seconds: joining utterances over pauses gained nothing (measured)
LONGEST = 12.0  # seconds of one utterance: bounds the lattice, and evens out the work
MARGIN = 0.1  # seconds of sound around an utterance: the decoder wants to begin in silence


class PocketSphinx:
    """Speech to text on any machine, in US English alone."""

    name = "pocketsphinx"
    model = "en-us"
    quality: Quality = "draft"

    def __init__(self, workers: int | None = None) -> None:
        """Start the processes at once, so that they load their models while the sound is still being decoded."""
        self._workers = workers or min(os.cpu_count() or 1, MOST_WORKERS)
        self.reason = f"It runs on the processor, in {self._workers} processes."
        spawn = multiprocessing.get_context("spawn")  # forking a process with native threads in it can deadlock
        self._pool = ProcessPoolExecutor(self._workers, mp_context=spawn, initializer=sphinx_worker.start)
        for _ in range(self._workers):
            self._pool.submit(sphinx_worker.loaded)

    def close(self) -> None:
        """End the processes."""
        self._pool.shutdown(cancel_futures=True)

    def transcribe(
        self, sound: Sound, regions: Sequence[Region], language: str, tell: Tell, ask: Ask = NOTHING_MORE
    ) -> Heard:
        """Hear the words in the regions. The model knows English only, takes no hints and need not translate."""
        del language, ask
        cuts = utterances(sound, regions, JOIN, LONGEST)
        heard = dict(self._decoded(sound, cuts, tell))
        return Heard([word for cut in cuts for word in heard[cut]], "en")

    def _decoded(self, sound: Sound, cuts: Sequence[Region], tell: Tell) -> Iterator[tuple[Region, list[Word]]]:
        """Each utterance with its words, as they finish: longest first, so that no process is left with a long one."""
        waiting = sorted(cuts, key=lambda cut: cut.end - cut.start)
        running: dict[Future[sphinx_worker.Spoken], Region] = {}
        done = 0.0
        while waiting or running:
            while waiting and len(running) < 2 * self._workers:  # only these have their samples in memory
                cut = waiting.pop()
                running[self._pool.submit(sphinx_worker.decode, _samples(sound, cut))] = cut
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                cut = running.pop(future)
                yield cut, _placed(future.result(), cut)
                done += cut.end - cut.start
                tell(done)


def _begin(cut: Region) -> float:
    return max(0.0, cut.start - MARGIN)


def _samples(sound: Sound, cut: Region) -> bytes:
    return sound[round(_begin(cut) * RATE) : round((cut.end + MARGIN) * RATE)].tobytes()


def _placed(spoken: sphinx_worker.Spoken, cut: Region) -> list[Word]:
    begin = _begin(cut)
    return [Word(text, begin + start, begin + end, confidence) for text, start, end, confidence in spoken]
