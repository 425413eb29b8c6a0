"""The built-in diarizer: who speaks when, from spectra alone. No download, no torch.

Speech is cut into short pieces; ``clustering`` says which of them are one voice. Each voice then becomes a Gaussian mixture,
and a Viterbi pass with a price on every change draws the borders again (as in the ICSI diarization system of 2007).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from sklearn.mixture import GaussianMixture

from services.transcription.engines.clustering import clustered
from services.transcription.engines.features import HOP, Frames, frames
from services.transcription.engines.protocol import Region, Sound, Turn

__all__ = ["BuiltIn"]

PIECE = 2.5  # seconds: shorter pieces differ more by their sounds than by their speakers
FEWEST = 20  # clear frames that make a piece
LEAST_SPEECH = 2.0  # seconds: less than that is no voice of its own, unless the number of voices was given
MIXTURE = 6  # Gaussians per voice at most
FRAMES_PER_GAUSSIAN = 60
TRAINED_ON = 20_000  # frames per voice at most
ROUNDS = 2  # of drawing the borders again
SLICE = 10  # frames judged together when borders are drawn
CHANGE = 30.0  # log-likelihood that a change of speaker has to be worth

Indices = NDArray[np.intp]
Likelihoods = NDArray[np.float64]


class BuiltIn:
    """Speakers from spectra alone."""

    name = "built-in"

    def diarize(self, sound: Sound, regions: Sequence[Region], speakers: int | None = None) -> list[Turn]:
        """Cut the regions into turns; ``speakers`` is their number where it is known, else it is found."""
        heard = frames(sound, regions)
        pieces = list(_pieces(heard, regions))
        if len(pieces) < 2 or speakers == 1:
            return [Turn(region.start, region.end, 0) for region in regions]
        clusters = clustered([heard.features[piece] for piece in pieces], speakers)
        voices = [np.concatenate([pieces[index] for index in cluster]) for cluster in clusters]
        labels = _drawn(heard, voices, LEAST_SPEECH if speakers is None else 0.0)
        return list(_turns(heard, labels, regions))


def _pieces(heard: Frames, regions: Sequence[Region]) -> Iterator[Indices]:
    """The clear frames of each piece. None crosses a pause."""
    for region in regions:
        first, last = np.searchsorted(heard.times, (region.start, region.end))
        for part in np.array_split(np.arange(first, last), max(1, round((last - first) * HOP / PIECE))):
            clear = part[heard.clear[part]]
            if len(clear) >= FEWEST:
                yield clear


def _drawn(heard: Frames, voices: list[Indices], least: float) -> Indices:
    """A voice for every slice of speech. Voices that shrink below ``least`` seconds are given to the others."""
    labels = np.zeros(-(-len(heard.times) // SLICE), dtype=np.intp)
    for _ in range(ROUNDS):
        voices = [voice for voice in voices if len(voice) * HOP >= least] or [max(voices, key=len)]
        if len(voices) == 1:
            return np.zeros_like(labels)
        mixtures = [_mixture(heard.features[voice]) for voice in voices]
        labels = _best_path(_likelihoods(heard, mixtures), CHANGE)
        frame_labels = np.repeat(labels, SLICE)[: len(heard.times)]
        voices = [np.flatnonzero((frame_labels == voice) & heard.clear) for voice in range(len(mixtures))]
        voices = [voice for voice in voices if len(voice) >= FEWEST]
    return labels


def _mixture(features: NDArray[np.float32]) -> GaussianMixture:
    thinned = features[:: -(-len(features) // TRAINED_ON)]
    count = max(1, min(MIXTURE, len(thinned) // FRAMES_PER_GAUSSIAN))
    model = GaussianMixture(count, covariance_type="diag", reg_covar=1e-2, tol=1e-2, max_iter=50, random_state=0)
    return model.fit(thinned)


def _likelihoods(heard: Frames, mixtures: Sequence[GaussianMixture]) -> Likelihoods:
    """Log-likelihood of every slice under every voice: the sum over its clear frames."""
    scores = np.stack([mixture.score_samples(heard.features) for mixture in mixtures], axis=1)
    scores[~heard.clear] = 0.0
    return np.add.reduceat(scores, np.arange(0, len(scores), SLICE), axis=0)


def _best_path(likelihoods: Likelihoods, change: float) -> Indices:
    """The most likely voice of each slice where every change costs ``change`` (Viterbi, 1967)."""
    stay = np.arange(likelihoods.shape[1])
    came_from = np.empty(likelihoods.shape, dtype=np.intp)
    score = likelihoods[0].copy()
    for index in range(1, len(likelihoods)):
        best = int(score.argmax())
        came_from[index] = np.where(score >= score[best] - change, stay, best)
        score = np.maximum(score, score[best] - change) + likelihoods[index]
    path = np.empty(len(likelihoods), dtype=np.intp)
    path[-1] = score.argmax()
    for index in range(len(path) - 1, 0, -1):
        path[index - 1] = came_from[index, path[index]]
    return path


def _turns(heard: Frames, labels: Indices, regions: Sequence[Region]) -> Iterator[Turn]:
    """Turns that fill the regions, speakers numbered by first appearance."""
    order: dict[int, int] = {}
    of_frame = np.repeat(labels, SLICE)[: len(heard.times)]
    latest = 0
    for region in regions:
        first, last = np.searchsorted(heard.times, (region.start, region.end))
        if first == last:  # too short to judge
            yield Turn(region.start, region.end, latest)
            continue
        runs = [
            (label, list(run)) for label, run in groupby(range(first, last), key=lambda index: int(of_frame[index]))
        ]
        begins = [region.start, *(float(heard.times[run[0]]) - HOP / 2 for _, run in runs[1:])]
        for (label, _), begin, end in zip(runs, begins, [*begins[1:], region.end], strict=True):
            latest = order.setdefault(label, len(order))
            yield Turn(round(begin, 3), round(end, 3), latest)
