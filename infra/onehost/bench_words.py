"""``./clipstead bench words``: how near words come to where they are said.

Truth is a folder of recordings, each with a Praat TextGrid that has a tier ``words``, and maybe a ``.txt`` or ``.lab`` with
what is said. Measured are starts of words, as shares of all in the TextGrid: after alignment of the known text, and, of
the words that it gets right, those of PocketSphinx's own recognition as it comes and refined.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from infra.onehost.measuring import ensure
from infra.onehost.place import REPOSITORY
from services.transcription.engines.protocol import Region, Sound, Word

__all__ = ["BUNDLED", "measure", "recordings"]

BUNDLED = REPOSITORY / "tests" / "data" / "words"
SUFFIXES = {".flac": "flac", ".wav": "wav", ".mp3": "mp3"}
TIER = "words"
LONGEST = 6 * 3600.0  # seconds


class Recording(NamedTuple):
    """A recording whose words are known, with their times."""

    sound: Sound
    text: list[str]
    words: list[Word]


def measure(folder: Path | None = None) -> dict[str, Any]:
    """Measure; the keys are those of the JSON that is printed. Raises SystemExit where the folder holds no truth."""
    from services.transcription.engines import voice
    from services.transcription.engines.alignment import Aligner
    from services.transcription.engines.refining import refined
    from services.transcription.engines.sphinx import PocketSphinx

    ensure("praatio")
    # The launcher has changed folders; what was typed means the one that the user stands in.
    place = Path(os.environ.get("CLIPSTEAD_CWD") or Path.cwd()) / (folder or BUNDLED)
    found = recordings(place)
    first = next(found, None)
    if first is None:
        raise SystemExit(f"{place} holds no recording with a TextGrid that has a tier “{TIER}”.")
    ways: dict[str, list[float]] = {"aligned": [], "recognised": [], "refined": []}
    total = 0
    aligner, engine = Aligner(), PocketSphinx(1)
    try:
        for one in chain([first], found):
            total += len(one.words)
            regions: list[Region] = voice.regions(one.sound, _nobody)
            heard = engine.transcribe(one.sound, regions, "en", _nobody).words
            ways["aligned"] += _errors(aligner.aligned(one.text, one.sound, regions, _nobody), one.words)
            ways["recognised"] += _errors(heard, one.words)
            ways["refined"] += _errors(refined(heard, one.sound, regions), one.words)
    finally:
        engine.close()
    return {
        **_figures(ways["aligned"], total),
        "words": total,
        **{f"{way}_{key}": value for way in ("recognised", "refined") for key, value in _figures(ways[way]).items()},
        "recognised_words": len(ways["recognised"]),
    }


def recordings(folder: Path) -> Iterator[Recording]:
    """Those of a folder that have a TextGrid. Without a text, the TextGrid's own words are it."""
    import numpy as np
    from praatio import textgrid

    from services.transcription.engines import sound

    for grid in sorted(folder.rglob("*.TextGrid")):
        source = next((path for suffix in SUFFIXES if (path := grid.with_suffix(suffix)).exists()), None)
        tiers = textgrid.openTextgrid(str(grid), includeEmptyIntervals=False)
        if source is None or TIER not in tiers.tierNames:
            continue
        words = [Word(label, start, end, 1.0) for start, end, label in tiers.getTier(TIER).entries]
        text = next((path for suffix in (".txt", ".lab") if (path := grid.with_suffix(suffix)).exists()), None)
        with TemporaryDirectory() as place:
            samples = Path(place) / "samples"
            sound.decode(source, SUFFIXES[source.suffix], samples, LONGEST, _nobody)
            said = text.read_text().split() if text else [word.text for word in words]
            yield Recording(np.array(sound.opened(samples)), said, words)


def _errors(found: Sequence[Word], true: Sequence[Word]) -> list[float]:
    """How far the starts are off, in seconds, of the words that both have."""
    matcher = SequenceMatcher(None, [_bare(word) for word in found], [_bare(word) for word in true], autojunk=False)
    return [
        abs(found[block.a + offset].start - true[block.b + offset].start)
        for block in matcher.get_matching_blocks()
        for offset in range(block.size)
    ]


def _bare(word: Word) -> str:
    return word.text.lower().strip(".,;:!?\"“”()'")


def _figures(errors: Sequence[float], total: int | None = None) -> dict[str, float]:
    count = total or len(errors) or 1
    return {
        "within_100ms": round(sum(error <= 0.1 for error in errors) / count, 3),
        "within_200ms": round(sum(error <= 0.2 for error in errors) / count, 3),
        "median_ms": round(1000 * statistics.median(errors), 1) if errors else 0.0,
    }


def _nobody(_: float) -> None:
    """Nobody is told."""
