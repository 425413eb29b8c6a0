"""Which pieces of speech belong to one voice: agglomeration of Gaussians by their likelihood ratio.

Similarity is the generalised likelihood ratio, priced as in Chen and Gopalakrishnan, "Speaker, environment and channel
change detection and clustering via the Bayesian information criterion" (1998). One voice varies too, and with enough of it
any likelihood ratio shows that, so the ratio at which merging stops grows with the root of the smaller cluster's length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["clustered"]

BLOCK = 300  # pieces compared with each other at a time: the work grows with their square
STRICT = 2.0  # merging stops above this many times the price of a Gaussian,
GROWTH = 1.25  # or this many times the square root of the seconds in the smaller cluster, if that is more
SECONDS = 0.01  # per frame
FLOOR = 1e-2  # share of the mean variance added to each, so that short pieces stay invertible

Matrix = NDArray[np.float64]
Features = NDArray[np.float32]


@dataclass
class _Gaussians:
    """Sufficient statistics of k sets of frames: counts (k), sums (k, d), sums of products (k, d, d)."""

    counts: Matrix
    sums: Matrix
    products: Matrix

    def merged(self, one: int, others: NDArray[np.intp]) -> _Gaussians:
        """``one`` joined with each of the others."""
        return _Gaussians(
            self.counts[one] + self.counts[others],
            self.sums[one] + self.sums[others],
            self.products[one] + self.products[others],
        )

    def of(self, one: int) -> _Gaussians:
        """One set by itself."""
        return _Gaussians(self.counts[[one]], self.sums[[one]], self.products[[one]])

    def merge(self, one: int, other: int) -> None:
        """Put the frames of ``other`` into ``one``."""
        self.counts[one] += self.counts[other]
        self.sums[one] += self.sums[other]
        self.products[one] += self.products[other]

    def cost(self) -> Matrix:
        """Frames times log-determinant of each covariance: twice the negative log-likelihood, less constants."""
        means = self.sums / self.counts[:, None]
        covariances = self.products / self.counts[:, None, None] - means[:, :, None] * means[:, None, :]
        spread = np.trace(covariances, axis1=1, axis2=2) / means.shape[1]
        covariances += (FLOOR * spread)[:, None, None] * np.eye(means.shape[1])
        return np.asarray(self.counts * np.linalg.slogdet(covariances)[1])


def clustered(pieces: Sequence[Features], wanted: int | None = None) -> list[list[int]]:
    """Indices of the pieces, by voice. ``wanted`` is the number of voices where it is known.

    Many pieces are clustered block by block, and then the clusters of the blocks, so that time grows with their number.
    """
    groups = [[index] for index in range(len(pieces))]
    while len(groups) > BLOCK:
        blocks = [groups[at : at + BLOCK] for at in range(0, len(groups), BLOCK)]
        fewer = [group for block in blocks for group in _agglomerated(pieces, block, None)]
        if len(fewer) == len(groups):  # nothing in common within any block
            break
        groups = fewer
    return _agglomerated(pieces, groups, wanted)


def _agglomerated(pieces: Sequence[Features], groups: list[list[int]], wanted: int | None) -> list[list[int]]:
    voices: list[list[int]] = [list(group) for group in groups]
    stats = _statistics(pieces, voices)
    costs = stats.cost()
    everyone = np.arange(len(voices))
    distances = np.full((len(voices), len(voices)), np.inf)
    for index in everyone[:-1]:
        others = everyone[index + 1 :]
        distances[index, others] = _distances(stats, costs, index, others, free=wanted is None)
    left = len(voices)
    while left > (wanted or 1):
        first, second = divmod(int(distances.argmin()), len(voices))
        if np.isinf(distances[first, second]):
            break
        voices[first] += voices[second]
        voices[second] = []
        left -= 1
        stats.merge(first, second)
        costs[first] = stats.of(first).cost()[0]
        distances[second, :] = distances[:, second] = np.inf
        others = np.array([index for index in everyone if voices[index] and index != first], dtype=np.intp)
        if len(others):
            fresh = _distances(stats, costs, first, others, free=wanted is None)
            distances[np.minimum(first, others), np.maximum(first, others)] = fresh
    return [voice for voice in voices if voice]


def _distances(stats: _Gaussians, costs: Matrix, one: int, others: NDArray[np.intp], *, free: bool) -> Matrix:
    """How unlike ``one`` and each of the others are: the lowest are merged first.

    Infinite for those too unlike to be one voice, where the number of voices is ``free``.
    """
    both = stats.merged(one, others)
    dimensions = stats.sums.shape[1]
    ratio = (both.cost() - costs[one] - costs[others]) / 2
    price = (dimensions + dimensions * (dimensions + 1) / 2) / 2 * np.log(both.counts)
    distance = np.asarray(ratio - price)
    if free:
        shorter = np.minimum(stats.counts[one], stats.counts[others]) * SECONDS
        distance[ratio > np.maximum(STRICT, GROWTH * np.sqrt(shorter)) * price] = np.inf
    return distance


def _statistics(pieces: Sequence[Features], groups: Sequence[Sequence[int]]) -> _Gaussians:
    sets = [np.concatenate([pieces[index] for index in group]).astype(np.float64) for group in groups]
    return _Gaussians(
        np.array([float(len(frames)) for frames in sets]),
        np.stack([frames.sum(axis=0) for frames in sets]),
        np.stack([frames.T @ frames for frames in sets]),
    )
