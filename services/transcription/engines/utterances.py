"""Utterances: what is handed to a recogniser in one piece. Regions joined over short pauses and cut at quiet spots."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from services.transcription.engines.protocol import RATE, Region, Sound

__all__ = ["quietest", "utterances"]

QUIET = round(0.1 * RATE)  # samples over which loudness is judged when a long region has to be cut


def utterances(sound: Sound, regions: Sequence[Region], join: float, longest: float) -> list[Region]:
    """Regions with pauses below ``join`` bridged and nothing longer than ``longest`` seconds. In order, disjoint.

    Together they cover every region.
    """
    pieces = [piece for region in regions for piece in _cut(sound, region, longest)]
    joined: list[Region] = []
    for piece in pieces:
        if joined and piece.start - joined[-1].end < join and piece.end - joined[-1].start <= longest:
            joined[-1] = Region(joined[-1].start, piece.end)
        else:
            joined.append(piece)
    return joined


def quietest(sound: Sound, start: float, end: float) -> float:
    """The quietest moment between two, in seconds of ``sound``."""
    first = round(start * RATE)
    stretch = sound[first : round(end * RATE)].astype(np.float32)
    power = (stretch[: len(stretch) // QUIET * QUIET].reshape(-1, QUIET) ** 2).mean(axis=1)
    return (first + (int(power.argmin()) + 0.5) * QUIET) / RATE


def _cut(sound: Sound, region: Region, longest: float) -> Iterator[Region]:
    """Halve a long region at the quietest spot of its middle third until the pieces are short enough."""
    if region.end - region.start <= longest:
        yield region
        return
    third = (region.end - region.start) / 3
    spot = quietest(sound, region.start + third, region.end - third)
    yield from _cut(sound, Region(region.start, spot), longest)
    yield from _cut(sound, Region(spot, region.end), longest)
