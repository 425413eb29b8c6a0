"""One clip from order to checked file: sound, drawing, ONE encode of the picture, inspection; each step a child."""

from __future__ import annotations

import math
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import ffmpeg

from libs import process
from libs.contracts.media import EngineSpan, Original
from services.render.engines import FONTS, framing, sound
from services.render.engines import ffmpeg as engine
from services.render.plans import Plan
from services.render.presets import Target

CHILD_MEMORY = 3 * 1024**3  # bytes of address space for drawing and inspecting
KEYFRAMES = 2.0  # seconds between them at most
SLOWEST = 0.02  # of real time: a render slower than that is taken for hung

Report = Callable[[float], None]  # seconds of the clip done


@dataclass(frozen=True)
class Order:
    """All that a render needs to know.

    ``words`` are the transcript's, in the recording's time; ``scratch`` is an empty folder;
    ``effort`` is the name of an x264 preset.
    """

    plan: Plan
    target: Target
    original: Original
    path: Path
    words: list[dict[str, Any]]
    byline: str
    scratch: Path
    effort: str = "veryfast"


@dataclass
class Rendered:
    """A finished, inspected file and its poster, still in scratch; what is known of them, and the engines' time."""

    path: Path
    poster: Path
    width: int
    height: int
    duration: float
    size: int
    sha256: str
    words: int
    level: sound.Level | None
    spans: list[EngineSpan] = field(default_factory=list)


def render(order: Order, report: Report, cancelled: engine.Cancelled) -> Rendered:
    """Make the clip. Raises libs.process.ChildError; ChildRefused carries the reason where a check failed."""
    spans: list[EngineSpan] = []
    fps = _rate(order)
    length = _length(order.plan, fps)
    for font in FONTS.glob("*.ttf"):
        shutil.copy(font, order.scratch)
    mastered, samples = _sound(order, length, spans, cancelled)
    with _timed(spans, "pillow" if order.plan.layout == "audiogram" else "fonttools"):
        drawn = _compose(order, length, fps, samples, cancelled)
    with _timed(spans, "ffmpeg"):
        path = _encode(order, length, fps, mastered, report, cancelled)
    with _timed(spans, "pyav"):
        facts = _inspect(order, path, length, fps, drawn, mastered is not None, cancelled)
    return Rendered(
        path=path,
        poster=order.scratch / "poster.jpg",
        width=facts["width"],
        height=facts["height"],
        duration=round(facts["duration"], 3),
        size=facts["size"],
        sha256=facts["sha256"],
        words=drawn["words"],
        level=mastered.level if mastered else None,
        spans=spans,
    )


def _rate(order: Order) -> Fraction:
    if order.plan.layout == "audiogram":
        return Fraction(order.target.fps)
    return framing.rate(order.original.fps, order.target.fps)


def _length(plan: Plan, fps: Fraction) -> float:
    """The plan's length in whole frames."""
    return float(max(1, round(plan.duration * fps)) / fps)


def _sound(
    order: Order, length: float, spans: list[EngineSpan], cancelled: engine.Cancelled
) -> tuple[sound.Mastered | None, Path | None]:
    if not order.original.has_audio:
        return None, None
    cut = sound.Cut(order.path, order.original.container, order.plan.start, length)
    target = order.target
    with _timed(spans, "ffmpeg"):
        samples = sound.samples(cut, order.scratch, cancelled) if order.plan.layout == "audiogram" else None
        mastered = sound.master(
            cut,
            order.scratch,
            loudness=target.loudness,
            ceiling=target.ceiling,
            rate=target.audio_rate,
            cancelled=cancelled,
        )
    return mastered, samples


def _compose(
    order: Order, length: float, fps: Fraction, samples: Path | None, cancelled: engine.Cancelled
) -> dict[str, Any]:
    plan, target, safe = order.plan, order.target, order.target.safe
    request = {
        "scratch": str(order.scratch),
        "layout": plan.layout,
        "words": order.words,
        "start": plan.start,
        "end": plan.start + length,
        "width": target.width,
        "height": target.height,
        "safe": [safe.top, safe.right, safe.bottom, safe.left],
        "fps": float(fps),
        "seed": str(plan.media_id),
        "title": plan.title,
        "byline": order.byline,
        "samples": str(samples) if samples else None,
    }
    module = "services.render.engines.compose_child"
    return process.run_module(
        module,
        request,
        deadline=120 + length,
        memory=CHILD_MEMORY,
        file_size=engine.LARGEST,
        alone=True,
        cancelled=cancelled,
    )


def _encode(
    order: Order,
    length: float,
    fps: Fraction,
    mastered: sound.Mastered | None,
    report: Report,
    cancelled: engine.Cancelled,
) -> Path:
    """The one encode of the picture, the mastered sound beside it as it is."""
    path = order.scratch / "clip.mp4"
    picture = _still(fps) if order.plan.layout == "audiogram" else _moving(order, length, fps)
    # Relative names: the filter reads them in the job's own folder, so no path of ours ever stands in a graph.
    captioned = picture.filter("ass", filename="captions.ass", fontsdir=".").filter("format", "yuv420p")
    streams = [captioned]
    if mastered is not None:
        streams.append(ffmpeg.input(f"file:{mastered.path.name}", format="mov", protocol_whitelist="file")["a:0"])
    target = order.target
    options = {
        "vcodec": "libx264",
        "preset": order.effort,
        "profile:v": "high",
        "crf": target.crf,
        "maxrate": target.video_rate,
        "bufsize": target.video_rate * 2,
        "g": math.ceil(fps * KEYFRAMES),
        "r": str(fps),
        "colorspace": "bt709",
        "color_primaries": "bt709",
        "color_trc": "bt709",
        "color_range": "tv",
        "acodec": "copy",
        "movflags": "+faststart",
        "map_metadata": -1,
        "map_chapters": -1,
        "frames:v": round(length * fps),
    }
    output = ffmpeg.output(*streams, f"file:{path.name}", format="mp4", **options)
    engine.run(output, cwd=order.scratch, deadline=120 + length / SLOWEST, advance=report, cancelled=cancelled)
    return path


def _moving(order: Order, length: float, fps: Fraction) -> Any:
    """The recording's own picture in the target's frame."""
    original, size = order.original, (order.target.width, order.target.height)
    # A second more than needed, so that the last frame is there whatever the source's frame times are.
    source = engine.source(order.path, original.container, order.plan.start, length + 1)["V:0"]
    chosen = order.plan.framing
    how = framing.choose((original.width, original.height), size) if chosen == "auto" else chosen
    return framing.picture(source, how, size, fps)


def _still(fps: Fraction) -> Any:
    """The audiogram's ground: decoded and converted once, then repeated."""
    source = ffmpeg.input("file:background.png", format="png_pipe", protocol_whitelist="file", framerate=str(fps))[
        "v:0"
    ]
    converted = source.filter("scale", out_color_matrix="bt709", out_range="tv").filter("format", "yuv420p")
    return converted.filter("loop", loop=-1, size=1).filter("setpts", f"N/({fps})/TB")


def _inspect(
    order: Order,
    path: Path,
    length: float,
    fps: Fraction,
    drawn: dict[str, Any],
    has_audio: bool,
    cancelled: engine.Cancelled,
) -> dict[str, Any]:
    request = {
        "path": str(path),
        "poster": str(order.scratch / "poster.jpg"),
        "width": order.target.width,
        "height": order.target.height,
        "duration": length,
        "fps": float(fps),
        "has_audio": has_audio,
        "witnesses": drawn["witnesses"],
    }
    module = "services.render.engines.inspect_child"
    return process.run_module(
        module,
        request,
        deadline=120 + 4 * length,
        memory=CHILD_MEMORY,
        file_size=engine.LARGEST,
        alone=True,
        cancelled=cancelled,
    )


@contextmanager
def _timed(spans: list[EngineSpan], name: str) -> Iterator[None]:
    started, clock = datetime.now(UTC), time.monotonic()
    yield
    spans.append(EngineSpan(engine=name, started_at=started, seconds=round(time.monotonic() - clock, 3)))


def system() -> dict[str, Any]:
    """What renders here, for ``/api/v1/system`` and ``doctor``."""
    return {
        "ffmpeg": engine.version(),
        "encoder": "libx264",
        "fonts": sorted(font.stem for font in FONTS.glob("*.ttf")),
        "cores": os.cpu_count(),
    }
