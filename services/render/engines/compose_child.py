"""Draws captions over a video, or all of an audiogram. Runs in a child process.

Writes ``captions.ass`` (and ``background.png``) into the request's scratch folder. The reply counts the words drawn and
names a few places and times where they must be seen, which ``inspect_child`` then checks in the finished file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from libs.process import child
from services.render.engines import SAMPLE_RATE, artwork, audiogram, captions
from services.render.engines.ass import Document
from services.render.engines.typeface import heavy

WITNESSES = 6  # at most
STEADY = 0.2  # seconds: a page shown for less may fall between two frames


def compose(request: dict[str, Any], tell: child.Tell) -> dict[str, Any]:
    """Write the document (and picture). Refuses where a word that was heard would not be seen."""
    del tell
    scratch = Path(request["scratch"])
    words = captions.cues(request["words"], request["start"], request["end"])
    if request["layout"] == "audiogram":
        document, pages, drawn = _audiogram(request, words, scratch)
    else:
        document, pages, drawn = _video(request, words)
    if drawn != len(words):
        raise child.Refuse("captions_missing", f"Only {drawn} of {len(words)} words found a place in the captions.")
    (scratch / "captions.ass").write_text(document.text(), encoding="utf-8")
    return {"words": drawn, "pages": len(pages), "witnesses": _witnesses(pages)}


def video_look(width: int, height: int, safe: tuple[float, float, float, float]) -> captions.Look:
    """Captions over a video: large in a tall frame, above the bottom of the safe area (top, right, bottom, left)."""
    tall = height > width * 1.2
    px = min(width, height) * (0.088 if tall else 0.068)
    floor = height * (1 - max(safe[2], 0.15))
    centre = height * 0.70 if tall else floor
    return captions.Look(
        face=heavy(),
        px=px,
        width=width * (1 - safe[1] - safe[3]) - px * 0.3,
        centre=(width * (safe[3] + 1 - safe[1]) / 2, centre),
        floor=floor,
        most_words=5 if tall else 7,
    )


def _video(request: dict[str, Any], words: list[captions.Cue]) -> tuple[Document, list[captions.Page], int]:
    width, height = request["width"], request["height"]
    look = video_look(width, height, tuple(request["safe"]))
    document = Document(width, height)
    pages = captions.pages(words, look, request["end"] - request["start"])
    return document, pages, captions.draw(document, pages, look)


def _audiogram(
    request: dict[str, Any], words: list[captions.Cue], scratch: Path
) -> tuple[Document, list[captions.Page], int]:
    content = audiogram.Content(
        seed=request["seed"],
        title=request["title"],
        byline=request["byline"],
        words=words,
        samples=_samples(request["samples"]),
        duration=request["end"] - request["start"],
        fps=request["fps"],
    )
    composed = audiogram.compose(content, request["width"], request["height"], tuple(request["safe"]))
    artwork.save(composed.picture, scratch / "background.png")
    return composed.document, composed.pages, composed.words


def _samples(path: str | None) -> NDArray[np.float32]:
    """Sound as the measuring pass left it: 16-bit mono at ``SAMPLE_RATE``."""
    if path is None:
        return np.zeros(SAMPLE_RATE, np.float32)
    return np.fromfile(path, np.int16).astype(np.float32) / np.float32(32768)


def _witnesses(pages: list[captions.Page]) -> list[dict[str, Any]]:
    """A few times with a word's box (x, y, width, height) each: there the finished picture must show type."""
    steady = [page for page in pages if page.end - page.start >= STEADY]
    chosen = [steady[i * (len(steady) - 1) // (WITNESSES - 1)] for i in range(WITNESSES)] if steady else []
    found = []
    for page in dict.fromkeys(chosen):
        word = max(page.words, key=lambda one: one.width)
        box = [round(word.x), round(word.y - word.px * 0.4), round(word.width), round(word.px * 0.8)]
        found.append({"time": (page.start + page.end) / 2, "box": box})
    return found


if __name__ == "__main__":
    child.main(compose)
