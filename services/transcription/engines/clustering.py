"""Which pieces of speech are one voice: agglomeration by the mean likeness of all pairs (UPGMA, Sokal and Michener, 1958).

Vectors have unit length and likeness is their cosine, so the mean over all pairs of two groups follows from the sums of
their vectors: groups of any size are compared exactly, and a long recording can be clustered block by block.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["clustered"]

BLOCK = 600  # groups compared with each other at a time: memory and time of a block grow with their square
ALIKE = 0.69  # mean cosine between two groups of one voice at least
STRICTER = (0.71, 0.73, 0.76, 0.79, 0.82, 0.85, 0.88, 0.91, 0.94)  # tried where that finds fewer voices than there are
OWN = 3.0  # seconds that make a group count as a voice then
SHRINKS = 0.9  # of the groups at most are left after a round of blocks, or the shortest are dropped

Vectors = NDArray[np.float32]
Group = list[int]


def clustered(vectors: Vectors, seconds: NDArray[np.float64], wanted: int | None = None) -> list[Group]:
    """Indices of pieces by voice, the longest first, from their vectors (n, d) of unit length and durations (n).

    ``wanted`` is the number of voices where it is known: so many come out, or fewer where pieces are few or the same.
    Otherwise any number, outliers of a single piece among them. Of more than ``BLOCK`` groups that have nothing in common
    the shortest are left out, so memory is bounded.
    """
    groups = _alike(vectors, seconds, ALIKE)
    if wanted is None:
        return groups
    for alike in STRICTER:
        if _own(groups, seconds) >= wanted:
            break
        groups = _alike(vectors, seconds, alike)
    own = _own(groups, seconds)
    voices = groups[:own] if own >= wanted else groups
    return _longest_first(_merged(vectors, voices, None, wanted), seconds)


def _alike(vectors: Vectors, seconds: NDArray[np.float64], alike: float) -> list[Group]:
    groups: list[Group] = [[index] for index in range(len(vectors))]
    while len(groups) > BLOCK:
        blocks = [groups[at : at + BLOCK] for at in range(0, len(groups), BLOCK)]
        fewer = [group for block in blocks for group in _merged(vectors, block, alike)]
        hardly = len(fewer) > SHRINKS * len(groups)
        groups = _longest_first(fewer, seconds)[:BLOCK] if hardly else fewer
    return _longest_first(_merged(vectors, groups, alike), seconds)


def _merged(vectors: Vectors, groups: Sequence[Group], alike: float | None, fewest: int = 1) -> list[Group]:
    """Merge the two groups that are most alike, again and again; at least ``alike`` (None: however unlike)."""
    voices = [list(group) for group in groups]
    counts = np.array([len(group) for group in voices], dtype=np.float32)
    sums = np.array([vectors[group].sum(axis=0) for group in voices])
    likeness = sums @ sums.T / np.outer(counts, counts)
    np.fill_diagonal(likeness, -np.inf)
    gone = np.zeros(len(voices), dtype=np.bool_)
    for _ in range(len(voices) - fewest):
        one, other = divmod(int(likeness.argmax()), len(voices))
        if alike is not None and likeness[one, other] < alike:
            break
        voices[one] += voices[other]
        sums[one] += sums[other]
        counts[one] += counts[other]
        gone[other] = True
        likeness[one] = np.where(gone, -np.inf, sums @ sums[one] / (counts * counts[one]))
        likeness[one, one] = -np.inf
        likeness[:, one] = likeness[one]
        likeness[other] = likeness[:, other] = -np.inf
    return [voice for voice, merged in zip(voices, gone, strict=True) if not merged]


def _longest_first(groups: Sequence[Group], seconds: NDArray[np.float64]) -> list[Group]:
    return sorted(groups, key=lambda group: -seconds[group].sum())


def _own(groups: Sequence[Group], seconds: NDArray[np.float64]) -> int:
    """How many of the groups, the longest first, are long enough to be a voice."""
    return sum(1 for group in groups if seconds[group].sum() >= OWN)
