"""Voice prints of a stretch of sound: all that finding the speakers needs to know of it, a hundredth of its size.

Chunks of a long recording may be printed by different workers; ``diarizer.turns`` gathers the prints of all of them.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.transcription.engines import encoder
from services.transcription.engines.encoder import SIZE, WINDOW
from services.transcription.engines.protocol import Region, Sound

__all__ = ["Prints", "joined", "prints"]

FRAMES = 100  # a second
EVERY = 25  # frames from one window to the next at most: a border lies within an eighth of a second
FEWEST = 30  # frames: of less nobody can be told
BATCH = 64  # windows at a time

Window = tuple[int, int]  # first frame, and the frame after the last


class Prints(NamedTuple):
    """Prints in order of time: (n, 256) of unit length, and where each window begins and ends (n, 2), in seconds."""

    vectors: NDArray[np.float16]
    spans: NDArray[np.float64]

    def packed(self) -> bytes:
        """As bytes (npz) for another process: about 2 kB per second of speech."""
        target = io.BytesIO()
        np.savez(target, vectors=self.vectors, spans=self.spans)
        return target.getvalue()

    @classmethod
    def unpacked(cls, packed: bytes) -> Prints:
        """What ``packed`` gave. Raises ValueError for anything else, and executes nothing."""
        try:
            with np.load(io.BytesIO(packed), allow_pickle=False) as held:
                vectors, spans = held["vectors"], held["spans"]
        except (KeyError, TypeError, EOFError, OSError, zipfile.BadZipFile) as error:
            raise ValueError("these are no voice prints") from error
        if vectors.shape != (len(spans), SIZE) or spans.shape != (len(spans), 2):
            raise ValueError(f"voice prints of shape {vectors.shape} with spans of shape {spans.shape}")
        return cls(vectors.astype(np.float16), spans.astype(np.float64))

    def later(self, seconds: float) -> Prints:
        """The same prints on the clock of a recording in which this sound begins at ``seconds``."""
        return Prints(self.vectors, self.spans + seconds)


def joined(parts: Sequence[Prints]) -> Prints:
    """The prints of a recording from those of its chunks, in order, all on the recording's clock."""
    return Prints(
        np.concatenate([np.empty((0, SIZE), np.float16), *(part.vectors for part in parts)]),
        np.concatenate([np.empty((0, 2)), *(part.spans for part in parts)]),
    )


def prints(sound: Sound, regions: Sequence[Region]) -> Prints:
    """Prints of the regions, a window of 1.6 s every quarter of a second; none crosses a pause.

    A region shorter than a window is repeated to fill it; one below 0.3 s has no print. Takes a few MB, however long the
    sound.
    """
    spans = [window for region in regions for window in _windows(region)]
    mels = (mel for region in regions for mel in _mels(sound, list(_windows(region))))
    batches = iter(lambda: list(islice(mels, BATCH)), [])
    vectors = [encoder.embedded(np.stack(batch)).astype(np.float16) for batch in batches]
    return Prints(
        np.concatenate([np.empty((0, SIZE), np.float16), *vectors]),
        np.array(spans, dtype=np.float64).reshape(-1, 2) / FRAMES,
    )


def _windows(region: Region) -> Iterator[Window]:
    first, last = round(region.start * FRAMES), round(region.end * FRAMES)
    room = last - first - WINDOW
    if room <= 0:
        if last - first >= FEWEST:
            yield first, last
        return
    count = math.ceil(room / EVERY)
    for number in range(count + 1):
        begin = first + round(room * number / count)
        yield begin, begin + WINDOW


def _mels(sound: Sound, windows: Sequence[Window]) -> Iterator[encoder.Mel]:
    for at in range(0, len(windows), BATCH):
        block = windows[at : at + BATCH]
        origin = block[0][0]
        mel = encoder.mel(sound, origin, block[-1][1])
        for first, last in block:
            yield np.resize(mel[first - origin : last - origin], (WINDOW, encoder.CHANNELS))
