"""Bringing a source picture into a target frame: geometry, then the ffmpeg graph for it."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Literal

LEAST_KEPT = 0.30  # of the source's area that a centre crop must keep; 16:9 into 9:16 keeps 0.316
ALIKE = 0.02  # shapes this close are the same: the sliver is cropped
BLUR_SCALE = 8  # the blurred ground is made at an eighth of the size
RATES = (Fraction(24000, 1001), *map(Fraction, (24, 25)), Fraction(30000, 1001), *map(Fraction, (30, 48, 50)))
RATES += (Fraction(60000, 1001), Fraction(60), Fraction(15), Fraction(10))

Framing = Literal["fill", "fit"]


def choose(source: tuple[int, int], target: tuple[int, int]) -> Framing:
    """Fill the frame where that takes from the sides only and leaves enough; else show all before a blurred ground.

    A source narrower than its frame would lose heads and feet to a crop, so it is always fitted.
    """
    if not all(source):
        return "fit"
    shape = source[0] / source[1]
    wanted = target[0] / target[1]
    if abs(shape / wanted - 1) <= ALIKE:
        return "fill"
    return "fill" if shape > wanted and wanted / shape >= LEAST_KEPT and wanted <= 1 else "fit"


def rate(source: float, most: int) -> Fraction:
    """The constant rate to encode at: the source's own, or an even part of it where that is above ``most``.

    A rate that no camera has (variable, or unknown) becomes ``most``.
    """
    near = [known for known in RATES if abs(float(known) - source) < 0.02]
    if not near:
        return Fraction(most)
    own = near[0]
    while own > most:
        own /= 2
    return own


def picture(stream: Any, framing: Framing, size: tuple[int, int], fps: Fraction) -> Any:
    """The graph from a decoded source (an ffmpeg-python stream) to a frame of ``size``.

    Constant rate, square pixels, BT.709 limited range, 4:2:0. Frames start at 0 and the last one is held, so that
    picture and sound are equally long.
    """
    deinterlaced = stream.filter("bwdif", mode="send_frame", deint="interlaced")
    steady = deinterlaced.filter("fps", fps=str(fps), start_time=0).filter("tpad", stop=-1, stop_mode="clone")
    if framing == "fill":
        return _cover(steady, size)
    halves = steady.filter_multi_output("split", 2)
    width, height = size
    small = width // BLUR_SCALE // 2 * 2, height // BLUR_SCALE // 2 * 2
    ground = _cover(halves.stream(0), small).filter("gblur", sigma=min(small) / 14)
    ground = ground.filter("eq", brightness=-0.12, saturation=1.1).filter("scale", width, height, flags="bicubic")
    whole: dict[str, str | int] = {"force_original_aspect_ratio": "decrease", "force_divisible_by": 2, "reset_sar": 1}
    inside = _scale(halves.stream(1), size, **whole).filter("format", "yuv420p")
    return ground.overlay(inside, x="(W-w)/2", y="(H-h)/2", format="yuv420").filter("setsar", 1)


def _cover(stream: Any, size: tuple[int, int]) -> Any:
    """Crop the middle to the frame's shape, then scale: the other way round would scale pixels that nobody sees."""
    shape = size[0] / size[1]
    cropped = stream.filter("crop", w=f"min(iw,ih*{shape:.6f}/sar)", h=f"min(ih,iw*sar/{shape:.6f})")
    return _scale(cropped, size).filter("setsar", 1).filter("format", "yuv420p")


def _scale(stream: Any, size: tuple[int, int], **how: str | int) -> Any:
    return stream.filter("scale", *size, flags="bicubic", out_color_matrix="bt709", out_range="tv", **how)
