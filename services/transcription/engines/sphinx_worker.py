"""One decoder in a process of its own. Imports nothing but PocketSphinx, so that it starts in half a second."""

from __future__ import annotations

import multiprocessing
import os
import re
import threading

from pocketsphinx import Decoder

__all__ = ["Spoken", "decode", "loaded", "start"]

# Measured on 150 s of read and spontaneous speech: the second pass costs a fifth of the time and loses words, and narrower
# limits per frame save a third of the time at the same word error rate.
DECODER = {"samprate": 16_000.0, "loglevel": "FATAL", "fwdflat": False, "maxhmmpf": 5000, "maxwpf": 10}
FRAME = 0.01  # seconds
ALTERNATE = re.compile(r"\(\d+\)$")  # "and(2)": the second pronunciation of "and"
NOT_WORDS = ("<", "[", "+")  # <sil>, [NOISE], ++BREATH++

Spoken = list[tuple[str, float, float, float]]
"""Word, start and end in seconds from the start of the utterance, posterior probability."""


class _Process:
    """The one decoder of this process."""

    decoder: Decoder


def start() -> None:
    """Load the model. The process ends with its parent, whichever way that goes."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _Process.decoder = Decoder(**DECODER)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)


def loaded() -> bool:
    """True, and only once ``start`` is through."""
    return hasattr(_Process, "decoder")


def decode(samples: bytes) -> Spoken:
    """Hear one utterance of 16 kHz mono int16 samples."""
    decoder = _Process.decoder
    decoder.reinit_feat()  # forget the noise of earlier utterances: the words must not depend on who decoded what
    decoder.start_utt()
    decoder.process_raw(samples, no_search=False, full_utt=True)
    decoder.end_utt()
    return [
        (
            ALTERNATE.sub("", segment.word),
            segment.start_frame * FRAME,
            (segment.end_frame + 1) * FRAME,
            min(1.0, max(0.0, segment.prob)),
        )
        for segment in decoder.seg() or ()
        if not segment.word.startswith(NOT_WORDS)
    ]
