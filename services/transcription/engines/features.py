"""Spectral speaker features: mel-frequency cepstra (Davis and Mermelstein, 1980) of the frames in which somebody speaks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct

from services.transcription.engines.protocol import RATE, Region, Sound

__all__ = ["HOP", "Frames", "cepstra", "frames"]

HOP = 0.01  # seconds
STEP = round(HOP * RATE)
WINDOW = round(0.025 * RATE)
FFT = 512
FILTERS = 32
LOWEST, HIGHEST = 100.0, 7600.0  # Hz
COEFFICIENTS = 20  # the first, loudness, is left out afterwards
PRE_EMPHASIS = 0.97
QUIETEST = 15  # per cent of the frames are dropped: they hold the room more than the voice


class Frames(NamedTuple):
    """Frames of speech: normalised features (n, 19), their times in seconds, and whether each is loud enough to judge."""

    features: NDArray[np.float32]
    times: NDArray[np.float64]
    clear: NDArray[np.bool_]


def frames(sound: Sound, regions: Sequence[Region]) -> Frames:
    """Features of the regions, with mean and variance over the whole recording taken out."""
    parts, energies, times = [], [], []
    for region in regions:
        first, last = round(region.start * RATE), round(region.end * RATE)
        if last - first < WINDOW:
            continue
        feature, energy = cepstra(sound[first:last])
        parts.append(feature)
        energies.append(energy)
        times.append(first / RATE + (np.arange(len(feature)) + 0.5) * HOP)
    if not parts:
        return Frames(np.empty((0, COEFFICIENTS - 1), np.float32), np.empty(0), np.empty(0, np.bool_))
    features, energy = np.concatenate(parts), np.concatenate(energies)
    clear = energy >= np.percentile(energy, QUIETEST)
    features -= features[clear].mean(axis=0)
    features /= features[clear].std(axis=0) + 1e-6
    return Frames(features, np.concatenate(times), clear)


def cepstra(samples: Sound) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cepstra 1 to 19 and the mean log energy of each frame of at least 25 ms of sound."""
    wave = samples.astype(np.float32)
    wave[1:] -= PRE_EMPHASIS * wave[:-1]
    windows = np.lib.stride_tricks.sliding_window_view(wave, WINDOW)[::STEP] * _TAPER
    power = np.abs(np.fft.rfft(windows, FFT)) ** 2
    energies = np.log(power @ _MEL + 1.0).astype(np.float32)
    spectrum = dct(energies, norm="ortho")[:, 1:COEFFICIENTS]
    return np.ascontiguousarray(spectrum, dtype=np.float32), energies.mean(axis=1)


def _mel_filters() -> NDArray[np.float32]:
    """Triangles evenly spaced on the mel scale, one column each."""
    lowest, highest = (2595 * math.log10(1 + hertz / 700) for hertz in (LOWEST, HIGHEST))
    corners = 700 * (10 ** (np.linspace(lowest, highest, FILTERS + 2) / 2595) - 1)
    bins = (np.arange(FFT // 2 + 1) * RATE / FFT)[:, None]
    rising = (bins - corners[:-2]) / (corners[1:-1] - corners[:-2])
    falling = (corners[2:] - bins) / (corners[2:] - corners[1:-1])
    return np.asarray(np.maximum(0, np.minimum(rising, falling)), dtype=np.float32)


_MEL = _mel_filters()
_TAPER = np.hamming(WINDOW).astype(np.float32)
