"""How an audiogram is laid out: artwork, title, moving bars, captions, progress. Child processes only.

Everything that moves is one ASS document over one still picture, so an audiogram costs one pass of libass and one
encode.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from services.render.engines import artwork, bars, captions
from services.render.engines.ass import Document, Style, escape, inline, rounded
from services.render.engines.typeface import heavy, plain, wrap

BANDS = 26  # on each side of the middle


@dataclass(frozen=True)
class Frame:
    """Where things stand: middles and heights in shares of the height, type in em pixels of a 1080-pixel side."""

    width: int
    height: int
    margin: float  # of the width
    head: float
    title_top: float
    title_px: float
    bars_middle: float
    bars_height: float
    captions_middle: float
    captions_px: float
    progress: float

    @property
    def unit(self) -> float:
        """One pixel of a 1080-pixel side."""
        return min(self.width, self.height) / 1080

    @property
    def left(self) -> float:
        """Left edge of everything."""
        return self.width * self.margin

    @property
    def inner(self) -> float:
        """Width between the margins."""
        return self.width * (1 - 2 * self.margin)


def frame(width: int, height: int) -> Frame:
    """The layout for a frame, by its shape."""
    if height > width * 1.2:
        return Frame(width, height, 0.09, 0.135, 0.17, 72, 0.425, 0.16, 0.63, 84, 0.755)
    if width > height * 1.2:
        return Frame(width, height, 0.08, 0.09, 0.145, 66, 0.475, 0.2, 0.725, 78, 0.915)
    return Frame(width, height, 0.08, 0.085, 0.14, 60, 0.465, 0.2, 0.715, 72, 0.915)


@dataclass(frozen=True)
class Content:
    """What an audiogram shows. ``samples`` is its sound, mono at ``SAMPLE_RATE``; ``byline`` may be empty."""

    seed: str
    title: str
    byline: str
    words: list[captions.Cue]
    samples: NDArray[np.float32]
    duration: float
    fps: float


@dataclass(frozen=True)
class Composed:
    """The still picture, what moves over it, and how many words of speech are in that."""

    picture: Image.Image
    document: Document
    pages: list[captions.Page]
    words: int


def compose(content: Content, width: int, height: int, safe: tuple[float, float, float, float]) -> Composed:
    """Lay out an audiogram. ``safe`` is the share of the frame to keep clear: top, right, bottom, left."""
    where = frame(width, height)
    colours = artwork.palette(content.seed)
    picture = artwork.background((width, height), content.seed)
    artwork.mark(picture, where.left + where.inner, height * where.head, 28 * where.unit)
    artwork.track(picture, _track(where))
    document = Document(width, height)
    _head(document, where, content)
    _title(document, where, content)
    _progress(document, where, content, colours)
    box = where.left, height * (where.bars_middle - where.bars_height / 2), where.inner, height * where.bars_height
    frames = round(content.duration * content.fps)
    heights = bars.levels(content.samples, frames, content.fps, BANDS)
    bars.draw(document, heights, content.fps, box, (colours.accent, colours.second))
    look = _look(where, safe, colours)
    shown = captions.pages(content.words, look, content.duration)
    return Composed(picture, document, shown, captions.draw(document, shown, look))


def _look(where: Frame, safe: tuple[float, float, float, float], colours: artwork.Palette) -> captions.Look:
    return captions.Look(
        face=heavy(),
        px=where.captions_px * where.unit,
        width=min(where.inner, where.width * (1 - safe[1] - safe[3])) * 0.98,
        centre=(where.width / 2, where.height * where.captions_middle),
        floor=where.height * (1 - max(safe[2], 0.15)),
        most_words=7,
        active=colours.accent,
        ahead=0.45,
        outline=0.0,
        shadow=0.03,
        pop=103,
    )


def _track(where: Frame) -> tuple[float, float, float, float]:
    tall = 10 * where.unit
    return where.left, where.height * where.progress - tall / 2, where.inner, tall


def _small(where: Frame, anchor: int) -> Style:
    px = 28 * where.unit
    return Style(f"Small{anchor}", plain().name, plain().ass_size(px), fill_alpha=0.25, anchor=anchor)


def _head(document: Document, where: Frame, content: Content) -> None:
    """Who speaks, or where it is from, at the top."""
    style = _small(where, 4)
    document.styles.append(style)
    name = wrap(plain(), content.byline, 28 * where.unit, where.inner * 0.6, 1)
    for text in name:
        middle = where.height * where.head + plain().drop(28 * where.unit)
        document.add(3, 0, content.duration, style.name, f"{{\\an4\\pos({where.left:.1f},{middle:.1f})}}{escape(text)}")


def _title(document: Document, where: Frame, content: Content) -> None:
    """The title, in the largest size in which three lines hold it; what is longer still ends in an ellipsis."""
    face, most = heavy(), 3
    sizes = [where.title_px * where.unit * share for share in (1.0, 0.9, 0.8, 0.7)]
    lines: list[str] = []
    for size in sizes:
        lines = wrap(face, content.title, size, where.inner, most)
        px = size
        if not lines or not lines[-1].endswith("…"):
            break
    document.styles.append(Style("Title", face.name, face.ass_size(px), shadow=px * 0.03, shadow_alpha=0.6, anchor=4))
    for row, line in enumerate(lines):
        y = where.height * where.title_top + px * (0.6 + 1.15 * row) + face.drop(px)
        document.add(3, 0, content.duration, "Title", f"{{\\an4\\pos({where.left:.1f},{y:.1f})}}{escape(line)}")


def _progress(document: Document, where: Frame, content: Content, colours: artwork.Palette) -> None:
    """A bar that uncovers itself from left to right over the whole clip, a knob on its end, times below."""
    x, y, width, tall = _track(where)
    end = content.duration
    document.styles.append(Style("Shape", plain().name, 20, anchor=7))
    clip = f"\\clip({x:.0f},{y - 2:.0f},{x:.0f},{y + tall + 2:.0f})"
    grown = f"\\t(0,{end * 1000:.0f},\\clip({x:.0f},{y - 2:.0f},{x + width:.0f},{y + tall + 2:.0f}))"
    shape = rounded(x, y, width, tall, tall / 2)
    document.add(4, 0, end, "Shape", f"{{\\an7\\pos(0,0)\\1c{inline(colours.accent)}{clip}{grown}\\p1}}{shape}")
    size = tall * 2.4
    knob = rounded(0, 0, size, size, size / 2)
    middle = y + tall / 2
    move = f"\\move({x:.1f},{middle:.1f},{x + width:.1f},{middle:.1f})"
    document.add(5, 0, end, "Shape", f"{{\\an5{move}\\1c&HFFFFFF&\\p1}}{knob}")
    _times(document, where, end, middle + 36 * where.unit)


def _times(document: Document, where: Frame, end: float, y: float) -> None:
    left, right = replace(_small(where, 4), name="Elapsed"), replace(_small(where, 6), name="Total")
    document.styles += [left, right]
    total = f"{{\\an6\\pos({where.left + where.inner:.1f},{y:.1f})}}{_minutes(end)}"
    document.add(3, 0, end, right.name, total)
    for second in range(int(np.ceil(end))):
        text = f"{{\\an4\\pos({where.left:.1f},{y:.1f})}}{_minutes(second)}"
        document.add(3, second, min(second + 1, end), left.name, text)


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
