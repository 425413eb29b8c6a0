"""Moving bars from real sound: short-time spectra of the clip as rounded bars, drawn by libass with the captions.

Bands are spaced evenly on the mel scale (Stevens, Volkmann and Newman, 1937) from 90 Hz to 5 kHz, where speech lives.
Imported in child processes only (NumPy).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from services.render.engines import SAMPLE_RATE
from services.render.engines.ass import Document, Style

WINDOW = 1024  # samples, 64 ms
LOWEST, HIGHEST = 90.0, 5000.0  # Hz
HAIRLINE = 1.0  # pixels
FALL = 0.78  # of its height that a bar keeps from one frame to the next

Levels = NDArray[np.float32]


def levels(samples: NDArray[np.float32], frames: int, fps: float, bands: int) -> Levels:
    """Height, 0 to 1, of each band in each video frame: shape (frames, bands). Silence is 0.

    Decibels of band energy, stretched between each band's own quiet and loud, so that high bands move as low ones do;
    bars rise at once and fall slowly.
    """
    energy = _energy(samples, frames, fps, bands)
    decibels = 10 * np.log10(energy + 1e-10)
    loud = np.percentile(decibels, 98, axis=0)
    quiet = np.maximum(np.percentile(decibels, 20, axis=0), loud - 40)
    height = np.clip((decibels - quiet) / np.maximum(loud - quiet, 12), 0, 1)
    height[decibels < -85] = 0
    return _fall(height.astype(np.float32))


def _energy(samples: NDArray[np.float32], frames: int, fps: float, bands: int) -> NDArray[np.float64]:
    """Band energies of windows centred on the frames; in blocks, so that an hour needs no more memory."""
    padded = np.pad(samples, (WINDOW // 2, WINDOW))
    starts = np.minimum((np.arange(frames) * SAMPLE_RATE / fps).astype(int), len(padded) - WINDOW)
    edges = _edges(bands)
    window = np.hanning(WINDOW).astype(np.float32)
    blocks = []
    for first in range(0, frames, 2048):
        chosen = starts[first : first + 2048, None] + np.arange(WINDOW)
        power = np.abs(np.fft.rfft(padded[chosen] * window, axis=1)) ** 2 / WINDOW
        blocks.append(
            np.add.reduceat(power, edges, axis=1)[:, :bands] / np.diff(np.append(edges, edges[-1] + 1))[:bands]
        )
    return np.concatenate(blocks)


def _edges(bands: int) -> NDArray[np.int64]:
    """First FFT bin of each band, and one past the last; each band is at least one bin wide."""
    mel = np.linspace(2595 * np.log10(1 + LOWEST / 700), 2595 * np.log10(1 + HIGHEST / 700), bands + 1)
    bins = np.round(700 * (10 ** (mel / 2595) - 1) * WINDOW / SAMPLE_RATE).astype(np.int64)
    return np.maximum.accumulate(np.maximum(bins, np.arange(bands + 1) + bins[0]))


def _fall(height: Levels) -> Levels:
    smooth = height.copy()
    for i in range(1, len(smooth)):
        np.maximum(smooth[i], smooth[i - 1] * FALL, out=smooth[i])
    return smooth


def draw(
    document: Document, height: Levels, fps: float, box: tuple[float, float, float, float], colours: tuple[str, str]
) -> None:
    """Add one event a frame and colour. Bars fill ``box`` (x, y, width, height), mirrored both ways, low bands inside.

    A bar is a hairline with a wide outline, which libass rounds: a sixth of the text that rounded corners would take.
    """
    bands = height.shape[1]
    mirrored = np.concatenate([height[:, ::-1], height], axis=1)
    x, y, width, tall = box
    pitch = width / (2 * bands)
    thick = pitch * 0.56
    groups = _gradient(colours, bands)
    for group, rgb in enumerate(groups):
        edge = (thick - HAIRLINE) / 2
        document.styles.append(
            Style(f"Bars{group}", "Inter SemiBold", 20, fill=rgb, outline_colour=rgb, outline=edge, anchor=7)
        )
    lefts = x + (np.arange(2 * bands) + 0.5) * pitch - HAIRLINE / 2
    halves = mirrored * (tall - thick) / 2 + HAIRLINE
    for i, row in enumerate(halves):
        begin, end = max(0.0, (i - 0.5) / fps), (i + 0.5) / fps
        for group in range(len(groups)):
            bars = _bars_of(group, len(groups), bands)
            shapes = " ".join(_hairline(lefts[bar], y + tall / 2, row[bar]) for bar in bars)
            document.add(2, begin, end, f"Bars{group}", f"{{\\pos(0,0)\\p1}}{shapes}")


def _hairline(left: float, middle: float, half: float) -> str:
    top, bottom, right = middle - half, middle + half, left + HAIRLINE
    return f"m {left:.0f} {top:.1f} l {right:.0f} {top:.1f} {right:.0f} {bottom:.1f} {left:.0f} {bottom:.1f}"


def _gradient(colours: tuple[str, str], bands: int) -> list[str]:
    """Colours from the middle outwards."""
    steps = min(bands, 6)
    inner, outer = (np.array([int(rgb[i : i + 2], 16) for i in (1, 3, 5)]) for rgb in colours)
    mixed = (np.round(inner + (outer - inner) * t).astype(int) for t in np.linspace(0, 1, steps))
    return ["#" + "".join(f"{value:02X}" for value in rgb) for rgb in mixed]


def _bars_of(group: int, groups: int, bands: int) -> list[int]:
    """Bars of one colour, both sides of the middle."""
    near = [band for band in range(bands) if band * groups // bands == group]
    return [bands - 1 - band for band in near] + [bands + band for band in near]
