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
GROWTH = 1.2  # or this many times the square root of the seconds in the smaller cluster, if that is more
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
    excess = np.full((len(voices), len(voices)), np.inf)
    for index in everyone[:-1]:
        others = everyone[index + 1 :]
        excess[index, others] = _excess(stats, costs, index, others)
    left = len(voices)
    while left > (wanted or 1):
        first, second = divmod(int(excess.argmin()), len(voices))
        if wanted is None and excess[first, second] > 0:
            break
        voices[first] += voices[second]
        voices[second] = []
        left -= 1
        joined = stats.merged(first, np.array([second]))
        stats.counts[first], stats.sums[first], stats.products[first] = (
            joined.counts[0],
            joined.sums[0],
            joined.products[0],
        )
        costs[first] = joined.cost()[0]
        excess[second, :] = excess[:, second] = np.inf
        others = np.array([index for index in everyone if voices[index] and index != first], dtype=np.intp)
        if len(others):
            fresh = _excess(stats, costs, first, others)
            excess[np.minimum(first, others), np.maximum(first, others)] = fresh
    return [voice for voice in voices if voice]


def _excess(stats: _Gaussians, costs: Matrix, one: int, others: NDArray[np.intp]) -> Matrix:
    """By how much the likelihood ratio of ``one`` with each of the others is above what one voice may have."""
    both = stats.merged(one, others)
    dimensions = stats.sums.shape[1]
    ratio = (both.cost() - costs[one] - costs[others]) / 2
    price = (dimensions + dimensions * (dimensions + 1) / 2) / 2 * np.log(both.counts)
    shorter = np.minimum(stats.counts[one], stats.counts[others]) * SECONDS
    return np.asarray(ratio - np.maximum(STRICT, GROWTH * np.sqrt(shorter)) * price)


def _statistics(pieces: Sequence[Features], groups: Sequence[Sequence[int]]) -> _Gaussians:
    sets = [np.concatenate([pieces[index] for index in group]).astype(np.float64) for group in groups]
    return _Gaussians(
        np.array([float(len(frames)) for frames in sets]),
        np.stack([frames.sum(axis=0) for frames in sets]),
        np.stack([frames.T @ frames for frames in sets]),
    )
