"""The two bundled typefaces, measured from their own tables. Imported in child processes only (fontTools)."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from fontTools.ttLib import TTFont

from services.render.engines import FONTS


class Typeface:
    """One font file. ``px`` is always the em size in pixels."""

    def __init__(self, path: Path) -> None:
        with TTFont(path, lazy=True) as font:
            self.name = str(font["name"].getDebugName(4))
            self._em: int = font["head"].unitsPerEm
            self._cmap: dict[int, str] = font.getBestCmap()
            self._advances = {name: metric[0] for name, metric in font["hmtx"].metrics.items()}
            os2 = font["OS/2"]
            self._ascent: int = os2.usWinAscent
            self._descent: int = os2.usWinDescent
            self._cap_height: int = os2.sCapHeight

    def width(self, text: str, px: float) -> float:
        """Sum of the advances. A character from another font counts one em, which no fallback exceeds by much."""
        units = sum(self._advances[self._cmap[ord(c)]] if ord(c) in self._cmap else self._em for c in text)
        return units * px / self._em

    def ass_size(self, px: float) -> float:
        """The ``Fontsize`` that makes libass draw this em, and so the height of its line box.

        Like GDI, libass scales winAscent + winDescent to that number, not the em.
        """
        return px * (self._ascent + self._descent) / self._em

    def drop(self, px: float) -> float:
        """How far above the middle of libass's line box the middle of the capitals lies. Below zero: under it."""
        return px * ((self._ascent + self._descent) / 2 - self._ascent + self._cap_height / 2) / self._em


@cache
def heavy() -> Typeface:
    """For captions and titles."""
    return Typeface(FONTS / "Montserrat-ExtraBold.ttf")


@cache
def plain() -> Typeface:
    """For small print."""
    return Typeface(FONTS / "Inter-SemiBold.ttf")


def wrap(face: Typeface, text: str, px: float, width: float, lines: int) -> list[str]:
    """Break text greedily into at most ``lines`` lines no wider than ``width``; … ends the last if text is left over."""
    done: list[str] = []
    line = ""
    words = text.split()
    while words:
        longer = f"{line} {words[0]}".strip()
        if face.width(longer, px) <= width:
            line = longer
            words.pop(0)
        elif line:
            done.append(line)
            line = ""
        else:
            head = _head(face, words[0], px, width)
            done.append(head)
            words[0] = words[0][len(head) :]
        if len(done) == lines:
            return [*done[:-1], _ellipsis(face, done[-1], px, width)]
    return [*done, line] if line else done


def _head(face: Typeface, word: str, px: float, width: float) -> str:
    """As many characters of one overlong word as fit; at least one."""
    length = 1
    while length < len(word) and face.width(word[: length + 1], px) <= width:
        length += 1
    return word[:length]


def _ellipsis(face: Typeface, line: str, px: float, width: float) -> str:
    while line and face.width(line + "…", px) > width:
        line = line[:-1]
    return line.rstrip(" ,;:") + "…"
