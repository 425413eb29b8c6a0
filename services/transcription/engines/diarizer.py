"""The built-in diarizer: who speaks when. No download, no torch.

In two stages, because chunks of a long recording are heard by different workers: ``prints`` says how each window of speech
sounds, ``turns`` gathers the prints of the whole recording. ``clustering`` finds the voices among pieces of a few seconds;
a Viterbi pass over the windows, with a price on every change, then draws the borders.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.transcription.engines.clustering import clustered
from services.transcription.engines.prints import Prints, prints
from services.transcription.engines.protocol import Region, Sound, Turn

__all__ = ["BuiltIn", "turns"]

PIECE = 2.4  # seconds: shorter pieces differ more by their sounds than by their speakers
LEAST_SPEECH = 3.0  # seconds: less than that is no voice of its own, unless the number of voices was given,
LEAST_SHARE, LEAST_OF_MANY = 0.01, 20.0  # nor is less than this share of a longer recording, up to so many seconds
MOST_VOICES = 64  # found at most: memory grows with them, and no recording has more who speak enough
CHANGE = 0.04  # likeness, times the seconds through which it holds, that a change of speaker has to gain
BLOCK = 4096  # windows compared with the voices at a time

Indices = NDArray[np.intp]
Scores = NDArray[np.float32]


class BuiltIn:
    """Speakers by their voice prints."""

    name = "built-in"

    def diarize(self, sound: Sound, regions: Sequence[Region], speakers: int | None = None) -> list[Turn]:
        """Cut the regions into turns; ``speakers`` is their number where it is known, else it is found."""
        return turns(prints(sound, regions), regions, speakers)


def turns(heard: Prints, regions: Sequence[Region], speakers: int | None = None) -> list[Turn]:
    """Turns that fill the regions (in order, disjoint), from the prints of the whole recording.

    ``speakers`` is their number where it is known; fewer come out of hardly any speech. Turns don't overlap: where two speak
    at once, the one who sounds through is named. Twelve hours of speech take about 200 MB, prints included.
    """
    steps = _steps(heard, regions)
    pieces = list(_pieces(steps, len(regions)))
    if len(pieces) < 2 or speakers == 1:
        return [Turn(region.start, region.end, 0) for region in regions]
    voices = _voices(heard, steps, pieces, speakers)
    least = _least(steps) if speakers is None else 0.0
    while True:
        labels = _best_path(_scores(heard, steps, voices))
        spoken = np.bincount(labels, weights=steps.lengths, minlength=len(voices))
        if len(voices) == 1 or spoken.min() >= least:
            return list(_turns(steps, labels, regions))
        voices = np.delete(voices, spoken.argmin(), axis=0)


class _Steps(NamedTuple):
    """What the regions are judged by, one window each: its index (-1: too short to judge), region, begin, length (s)."""

    windows: Indices
    regions: Indices
    begins: NDArray[np.float64]
    lengths: NDArray[np.float64]


def _steps(heard: Prints, regions: Sequence[Region]) -> _Steps:
    """Cut the regions halfway between the centres of their windows."""
    centres = heard.spans.mean(axis=1)
    windows, owners, begins, ends = [], [], [], []
    for number, region in enumerate(regions):
        inside = np.arange(*np.searchsorted(centres, (region.start, region.end)))
        borders = (centres[inside[1:]] + centres[inside[:-1]]) / 2
        windows.append(inside if len(inside) else np.array([-1]))
        owners.append(np.full(len(windows[-1]), number))
        begins.append(np.array([region.start, *borders]))
        ends.append(np.array([*borders, region.end]))
    if not windows:
        return _Steps(np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0), np.empty(0))
    begin = np.concatenate(begins)
    return _Steps(np.concatenate(windows), np.concatenate(owners), begin, np.concatenate(ends) - begin)


def _pieces(steps: _Steps, regions: int) -> Iterator[Indices]:
    """Steps that are taken for one voice to begin with. None crosses a pause."""
    borders = np.searchsorted(steps.regions, np.arange(regions + 1))
    for first, last in pairwise(borders):
        if steps.windows[first] >= 0:
            count = max(1, round(float(steps.lengths[first:last].sum()) / PIECE))
            yield from (part for part in np.array_split(np.arange(first, last), count) if len(part))


def _voices(heard: Prints, steps: _Steps, pieces: Sequence[Indices], speakers: int | None) -> Scores:
    """The mean print of each voice (k, 256), of unit length."""
    means = [heard.vectors[steps.windows[piece]].mean(axis=0, dtype=np.float32) for piece in pieces]
    vectors = _unit(np.stack(means))
    seconds = np.array([steps.lengths[piece].sum() for piece in pieces])
    groups = clustered(vectors, seconds, speakers)
    if speakers is None:
        least = _least(steps)
        groups = [group for group in groups if seconds[group].sum() >= least][:MOST_VOICES] or groups[:1]
    return _unit(np.stack([vectors[group].sum(axis=0) for group in groups]))


def _least(steps: _Steps) -> float:
    return float(min(max(LEAST_SPEECH, LEAST_SHARE * steps.lengths.sum()), LEAST_OF_MANY))


def _unit(vectors: Scores) -> Scores:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-6), dtype=np.float32)


def _scores(heard: Prints, steps: _Steps, voices: Scores) -> Scores:
    """Likeness of every step to every voice, times its seconds. What can't be judged is like nobody."""
    parts = [heard.vectors[at : at + BLOCK].astype(np.float32) @ voices.T for at in range(0, len(heard.vectors), BLOCK)]
    likeness = np.concatenate(parts)[steps.windows]
    likeness[steps.windows < 0] = 0.0
    return np.asarray(likeness * steps.lengths[:, None], dtype=np.float32)


def _best_path(scores: Scores) -> Indices:
    """The voice of each step, so that their scores less ``CHANGE`` per change are highest (Viterbi, 1967)."""
    stay = np.arange(scores.shape[1], dtype=np.int16)
    came_from = np.empty(scores.shape, dtype=np.int16)
    score = scores[0].astype(np.float64)
    for index in range(1, len(scores)):
        best = int(score.argmax())
        came_from[index] = np.where(score >= score[best] - CHANGE, stay, best)
        score = np.maximum(score, score[best] - CHANGE) + scores[index]
    path = np.empty(len(scores), dtype=np.intp)
    path[-1] = score.argmax()
    for index in range(len(path) - 1, 0, -1):
        path[index - 1] = came_from[index, path[index]]
    return path


def _turns(steps: _Steps, labels: Indices, regions: Sequence[Region]) -> Iterator[Turn]:
    """Turns that fill the regions, speakers numbered by first appearance."""
    order: dict[int, int] = {}
    runs = [
        (number, order.setdefault(label, len(order)), next(run))
        for (number, label), run in groupby(
            range(len(labels)), key=lambda index: (int(steps.regions[index]), int(labels[index]))
        )
    ]
    for (number, speaker, first), after in zip(runs, [*runs[1:], None], strict=True):
        last_of_region = after is None or after[0] != number
        end = regions[number].end if last_of_region or after is None else float(steps.begins[after[2]])
        yield Turn(round(float(steps.begins[first]), 3), round(end, 3), speaker)
