"""Generated artwork for audiograms: a soft mesh of colours, the same for the same recording.

Child processes only (Pillow, NumPy).
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from services.render.engines import FONTS

GRAIN = 1.6  # standard deviation of the noise that hides banding, of 255


@dataclass(frozen=True)
class Palette:
    """A dark ground that white text reads on, three glows, and the two colours that things that move are drawn in."""

    ground: str
    glows: tuple[str, str, str]
    accent: str
    second: str


PALETTES = (
    Palette("#120B2E", ("#5B2A9E", "#C13584", "#1E3A8A"), "#FFC857", "#FF6F91"),  # dusk
    Palette("#06202B", ("#0F766E", "#155E75", "#1E3A5F"), "#7CF5D1", "#4CC9F0"),  # lagoon
    Palette("#1F0A14", ("#9F1239", "#C2410C", "#4A1D6A"), "#FFD166", "#FF8552"),  # ember
    Palette("#0A1022", ("#1D4ED8", "#4338CA", "#0E7490"), "#9BE7FF", "#A78BFA"),  # night sky
    Palette("#0C1A12", ("#166534", "#3F6212", "#115E59"), "#D9F99D", "#5EEAD4"),  # moss
    Palette("#1A1024", ("#86198F", "#6D28D9", "#BE185D"), "#F9A8D4", "#C4B5FD"),  # orchid
    Palette("#171310", ("#92400E", "#7C2D12", "#44403C"), "#FCD34D", "#FDBA74"),  # amber
    Palette("#0B1320", ("#334155", "#1E40AF", "#475569"), "#E2E8F0", "#7DD3FC"),  # slate
)


def palette(seed: str) -> Palette:
    """The palette of a recording."""
    return random.Random(seed).choice(PALETTES)  # noqa: S311  beauty, not secrecy


def background(size: tuple[int, int], seed: str) -> Image.Image:
    """The still ground of an audiogram: glows of the palette over its dark, grained, a little darker at the edges."""
    width, height = size
    chance = random.Random(seed)  # noqa: S311  beauty, not secrecy
    colours = chance.choice(PALETTES)
    y, x = np.mgrid[0:1:160j, 0:1:160j].astype(np.float32)
    field = np.empty((160, 160, 3), np.float32)
    field[:] = _rgb(colours.ground)
    corners = chance.sample([(0.05, 0.0), (0.95, 0.1), (0.0, 0.9), (1.0, 1.0), (0.5, -0.1)], 3)
    for (cx, cy), glow in zip(corners, colours.glows, strict=True):
        reach = chance.uniform(0.34, 0.5)
        distance = (
            (x - cx + chance.uniform(-0.08, 0.08)) ** 2 + (y - cy + chance.uniform(-0.08, 0.08)) ** 2
        ) / reach**2
        weight = np.exp(-distance)[..., None] * 0.85
        field = field * (1 - weight) + np.array(_rgb(glow), np.float32) * weight
    edge = 1 - 0.25 * np.clip(((x - 0.5) ** 2 + (y - 0.5) ** 2) * 2, 0, 1)
    small = Image.fromarray(np.clip(field * edge[..., None], 0, 255).astype(np.uint8))
    large = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC), np.float32)
    grain = np.random.default_rng(chance.getrandbits(32)).normal(0, GRAIN, (height, width, 1))
    return Image.fromarray(np.clip(large + grain, 0, 255).astype(np.uint8))


def mark(image: Image.Image, right: float, middle: float, px: float) -> None:
    """Sign the picture: the Clipstead glyph and name, ending at ``right``, in small print."""
    font = ImageFont.truetype(FONTS / "Inter-SemiBold.ttf", round(px))
    name = "Clipstead"
    width = font.getlength(name)
    draw = ImageDraw.Draw(image, "RGBA")
    draw.text((right - width, middle), name, font=font, fill=(255, 255, 255, 190), anchor="lm")
    glyph = _glyph(round(px * 1.15))
    image.paste((255, 255, 255), (round(right - width - px * 1.6), round(middle - glyph.height / 2)), glyph)


def track(image: Image.Image, box: tuple[float, float, float, float]) -> None:
    """The groove that the progress bar runs in: ``box`` is x, y, width, height."""
    x, y, width, height = (value * 4 for value in box)
    layer = Image.new("L", (image.width, round(box[3] + 4)), 0)
    large = Image.new("L", (layer.width * 4, layer.height * 4), 0)
    ImageDraw.Draw(large).rounded_rectangle((x, 8, x + width, 8 + height), height / 2, fill=58)
    image.paste((255, 255, 255), (0, round(y / 4) - 2), large.resize(layer.size, Image.Resampling.LANCZOS))


@cache
def _glyph(px: int) -> Image.Image:
    """A rounded frame with a play triangle cut out, as an alpha mask."""
    scale = 8
    side = px * scale
    large = Image.new("L", (side, side), 0)
    draw = ImageDraw.Draw(large)
    draw.rounded_rectangle((0, 0, side - 1, side - 1), side * 0.28, fill=190)
    draw.polygon([(side * 0.38, side * 0.28), (side * 0.38, side * 0.72), (side * 0.74, side * 0.5)], fill=0)
    return large.resize((px, px), Image.Resampling.LANCZOS)


def save(image: Image.Image, path: Path) -> None:
    """Write as PNG, quickly."""
    image.convert("RGB").save(path, "PNG", compress_level=1)


def _rgb(text: str) -> tuple[int, int, int]:
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)
