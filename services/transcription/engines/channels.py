"""Calls with one voice on each channel: who speaks is told by where it sounds, and who speaks at once with whom as well."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d

from services.transcription.engines import voice
from services.transcription.engines.protocol import RATE, Region, Sound, Turn

__all__ = ["by_channel"]

FRAME = RATE // 20  # samples: a syllable is longer
BLOCK = 1200 * FRAME  # samples looked at together: a minute
QUIETEST = -60.0  # dB of full scale: below is no voice,
BELOW_LOUDEST = 40.0  # nor is what lies this far (dB) below the loud parts
LOUD = 95  # per cent of the frames are softer than these
APART = 12.0  # dB between the channels that make a frame one channel's own
CROSSTALK = 20.0  # dB below the other channel: a voice there is that of the other, come through
AROUND = 0.25  # seconds before and after over which the loudest counts for that: between syllables any voice is soft
SHORTEST = 0.2  # seconds: what is left of a region and shorter is no turn
LAGS = 160  # samples: two microphones in a room are up to 3.4 m apart
FFT = 1024  # samples: a frame and the lags fit in
SAME = 0.5  # correlation, at the best of the lags, above which both channels hold the same sound
MOST_SHARED = 0.1  # of the frames may hold the same sound in both, a jingle say
LEAST_OWN = 0.25  # of the frames must be one channel's own: echoes make two microphones differ, but not in level
LEAST_EACH, LEAST_SECONDS = 0.03, 1.0  # share, and seconds, in which each channel must not hold what the other does

Levels = NDArray[np.float32]


def by_channel(left: Sound, right: Sound, tell: Callable[[float], None]) -> list[Turn] | None:
    """Turns by start where each channel holds a voice of its own; None where they don't, and diarization has to find out.

    Takes 16 kHz samples of equal length, views of a memory map by preference, and reads them by the minute. Turns overlap
    where both speak at once. ``tell`` gets the seconds looked at so far.
    """
    levels = _levels(left, right)
    if not _apart(levels):
        return None
    half = _Halves(len(left) / RATE, tell)
    found = sorted(
        [(region, 0) for region in _own(voice.regions(left, half.first), levels.left, levels.right)]
        + [(region, 1) for region in _own(voice.regions(right, half.second), levels.right, levels.left)]
    )
    if len({channel for _, channel in found}) < 2:
        return None
    order: dict[int, int] = {}
    return [Turn(region.start, region.end, order.setdefault(channel, len(order))) for region, channel in found]


def _own(regions: Sequence[Region], mine: Levels, theirs: Levels) -> Iterator[Region]:
    """The regions without what has only come through from the other channel."""
    around = round(2 * AROUND * RATE / FRAME) + 1
    own = maximum_filter1d(mine, around) > maximum_filter1d(theirs, around) - CROSSTALK
    for region in regions:
        first, last = (min(len(own), round(second * RATE / FRAME)) for second in region)
        for mask, run in groupby(range(first, last), key=lambda frame: bool(own[frame])):
            frames = list(run)
            if mask and len(frames) * FRAME >= SHORTEST * RATE:
                start = region.start if frames[0] == first else frames[0] * FRAME / RATE
                end = region.end if frames[-1] == last - 1 else (frames[-1] + 1) * FRAME / RATE
                yield Region(round(start, 3), round(end, 3))


class _Halves(NamedTuple):
    """Two looks at the same seconds, told as one that never goes back."""

    seconds: float
    tell: Callable[[float], None]

    def first(self, looked: float) -> None:
        self.tell(looked / 2)

    def second(self, looked: float) -> None:
        self.tell((self.seconds + looked) / 2)


_NEAR = np.arange(-LAGS, LAGS + 1)  # a circular correlation has its negative lags at the end


class _Levels(NamedTuple):
    """Level of each channel (dB of full scale) and how alike they are at the best lag (0 to 1), per frame."""

    left: Levels
    right: Levels
    alike: Levels


def _apart(levels: _Levels) -> bool:
    """Tell whether each channel has something of its own, and hardly anything sounds in both."""
    if not len(levels.left):
        return False
    louder, difference = np.maximum(levels.left, levels.right), levels.left - levels.right
    sounding = louder > max(QUIETEST, float(np.percentile(louder, LOUD)) - BELOW_LOUDEST)
    count = int(sounding.sum())
    own = [sounding & (sign * difference > APART) for sign in (1, -1)]
    both = sounding & ~own[0] & ~own[1]
    different = both & (levels.alike <= SAME)
    return bool(
        (both & ~different).sum() <= MOST_SHARED * count
        and (own[0] | own[1]).sum() >= LEAST_OWN * count
        and min((each | different).sum() for each in own) >= max(LEAST_EACH * count, LEAST_SECONDS * RATE / FRAME)
    )


def _levels(left: Sound, right: Sound) -> _Levels:
    whole = len(left) // FRAME * FRAME
    parts = []
    for at in range(0, whole, BLOCK):
        one, other = (
            channel[at : min(whole, at + BLOCK)].reshape(-1, FRAME).astype(np.float32) / np.float32(32768)
            for channel in (left, right)
        )
        powers = [(frames**2).mean(axis=1) + np.float32(1e-12) for frames in (one, other)]
        crossed = np.fft.irfft(np.fft.rfft(one, FFT) * np.fft.rfft(other, FFT).conj(), FFT)
        alike = np.abs(crossed[:, _NEAR]).max(axis=1) / (FRAME * np.sqrt(powers[0] * powers[1]))
        parts.append(np.stack([10 * np.log10(powers[0]), 10 * np.log10(powers[1]), alike]))
    return _Levels(*np.concatenate([np.empty((3, 0), np.float32), *parts], axis=1))
