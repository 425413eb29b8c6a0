"""Word times set right by the sound itself. Pure: words, samples and voiced regions in, words out.

Engines let words last into the silence that follows them, or begin in the silence before. Level says better: short-time
energy in frames of 10 ms against the background around the word, as endpoint detectors have used it since Rabiner and
Sambur, "An Algorithm for Determining the Endpoints of Isolated Utterances" (Bell System Technical Journal 54, 1975).

Only pauses move a border. Drawing borders to onsets and valleys of level within running speech made true times and those
of PocketSphinx worse in every variant that was measured (see the service's README): there, level says little.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from services.transcription.engines.protocol import RATE, Region, Sound, Word
from services.transcription.engines.sentences import SHORTEST, fitted

__all__ = ["refined"]

FRAMES = 100  # a second
HOP = RATE // FRAMES  # samples of a frame
PAUSE = 12  # frames of silence that aren't part of a word: the closures of stops are shorter
KEPT = 1  # frames of silence left at a border
AROUND = 2.0  # seconds on either side of a word that tell its background
BACKGROUND = 5  # percentile of their level
QUIET = 0.25  # share of the way from the background to the word's loudest frame, both in dB, below which it is silent
HEADROOM = 10.0  # dB that a word has to stand out: in noise, level tells nothing and times stay as they are


def refined(words: Sequence[Word], sound: Sound, regions: Sequence[Region]) -> list[Word]:
    """Words fitted to the regions, without the pauses before and after them. Keeps number and order.

    ``sound`` is 16 kHz mono int16. None lasts through a pause or overlaps the next. Without regions there are no words.
    """
    return [_trimmed(word, sound) for word in fitted(words, regions)]


def _trimmed(word: Word, sound: Sound) -> Word:
    begin = max(0, round((word.start - AROUND) * FRAMES))
    level = _levels(sound[begin * HOP : round((word.end + AROUND) * RATE)])
    first, last = round(word.start * FRAMES) - begin, round(word.end * FRAMES) - begin
    inside = level[first:last]
    if len(inside) <= PAUSE:
        return word
    background = float(np.percentile(level, BACKGROUND))
    prominence = float(inside.max()) - background
    if prominence < HEADROOM:
        return word
    start, end = _loudest_run(inside - background, QUIET * prominence)
    trimmed = word
    if start >= PAUSE:
        trimmed = trimmed._replace(start=round((begin + first + start - KEPT) / FRAMES, 3))
    if len(inside) - end >= PAUSE:
        trimmed = trimmed._replace(end=round((begin + first + end + KEPT) / FRAMES, 3))
    return trimmed if trimmed.end - trimmed.start >= SHORTEST else word


def _levels(samples: Sound) -> NDArray[np.float32]:
    """Level of each frame in dB, smoothed over three."""
    frames = samples[: len(samples) // HOP * HOP].astype(np.float32).reshape(-1, HOP)
    level = 10 * np.log10((frames**2).mean(axis=1) + 1)
    return np.convolve(level, np.full(3, 1 / 3, np.float32), "same") if len(level) else level


def _loudest_run(level: NDArray[np.float32], threshold: float) -> tuple[int, int]:
    """First frame and end of the run with the most sound in it; pauses part runs."""
    loud = np.flatnonzero(level > threshold)
    runs = np.split(loud, np.flatnonzero(np.diff(loud) > PAUSE) + 1)
    best = max(runs, key=lambda run: float(level[run].sum()))
    return int(best[0]), int(best[-1]) + 1
