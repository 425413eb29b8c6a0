"""Material made by the bundled ffmpeg, words made up, and orders for the renderer."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import av
import numpy as np
import pytest

from libs.contracts.media import Original, Preset
from services.render import plans
from services.render.engines import ffmpeg, renderer
from services.render.presets import TARGETS

OWNER = UUID("018f0000-0000-7000-8000-000000000001")
SENTENCES = (
    "So here is the thing that nobody tells you: the first year is mostly silence.",
    "You ship, you wait, and you refresh the page at night.",
    "Then somebody writes back, and it changes everything!",
)
SAID = [word for sentence in SENTENCES for word in sentence.split()]
# Noise in syllables at about -33 LUFS: gated like speech, and with its crest factor.
BABBLE = "anoisesrc=color=pink:amplitude=0.5:seed=7:duration={0},tremolo=f=3.3:d=0.95,volume=-14dB"


def words(start: float, end: float) -> list[dict[str, Any]]:
    """Words all over a span, the first and last of them crossing its bounds."""
    found, at = [], start - 0.15
    while at < end:
        text = SAID[len(found) % len(SAID)]
        length = 0.14 + 0.04 * len(text)
        found.append({"text": text, "start": at, "end": at + length, "confidence": 0.9, "speaker": "S1"})
        at += length + (0.3 if text[-1] in ".!" else 0.03)
    return found


@pytest.fixture(scope="session")
def material(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Make a recording of 8 s: ``material("wide")``; kept for the whole session."""
    folder = tmp_path_factory.mktemp("material")
    pictures = {"wide": "640x360:r=30", "tall": "360x640:r=25", "old": "480x360:r=30000/1001", "fast": "640x360:r=60"}

    def make(kind: str) -> Path:
        path = folder / (f"{kind}.mp4" if kind in pictures else f"{kind}.wav")
        if not path.exists():
            picture = ["-f", "lavfi", "-i", f"testsrc2=s={pictures[kind]}:d=8"] if kind in pictures else []
            codec = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"] if picture else []
            sound = ["-f", "lavfi", "-i", BABBLE.format(8)]
            argv = [ffmpeg.binary(), "-v", "error", *picture, *sound, "-ac", "2", *codec, str(path)]
            subprocess.run(argv, check=True)
        return path

    return make


def original(path: Path, **facts: Any) -> Original:
    """What ingest would say of a file."""
    with av.open(str(path)) as file:
        video = file.streams.video[0] if file.streams.video else None
        known = {
            "media_id": uuid5(OWNER, path.name),
            "owner_id": OWNER,
            "title": "A recording",
            "object_key": "originals/x.mp4",
            "size": path.stat().st_size,
            "sha256": "0" * 64,
            "container": "mov" if video else "wav",
            "mime": "video/mp4" if video else "audio/wav",
            "duration": 8.0,
            "has_audio": True,
            "has_video": video is not None,
            "width": video.width if video else 0,
            "height": video.height if video else 0,
            "fps": float(video.average_rate or 0) if video else 0.0,
        }
    return Original.model_validate(known | facts)


@pytest.fixture
def rendered(material: Callable[..., Path], tmp_path: Path) -> Callable[..., renderer.Rendered]:
    """Render a span of a made recording, as the job would: ``rendered("wide", Preset.SHORTS)``."""

    def render(
        kind: str,
        preset: Preset,
        start: float = 1.0,
        end: float = 7.0,
        title: str = "A title",
        said: list[dict[str, Any]] | None = None,
        report: Callable[[float], None] = lambda _: None,
        **facts: Any,
    ) -> renderer.Rendered:
        path = material(kind)
        about = original(path, **facts)
        order = renderer.Order(
            plan=plans.make(about, start, end, preset, title),
            target=TARGETS[preset],
            original=about,
            path=path,
            words=words(start, end) if said is None else said,
            byline="A recording",
            scratch=tmp_path,
            effort="superfast",
        )
        return renderer.render(order, report, lambda: False)

    return render


def picture(path: Path, at: float) -> np.ndarray[Any, Any]:
    """The frame shown at a time, as RGB: shape (height, width, 3)."""
    with av.open(str(path)) as file:
        for frame in file.decode(video=0):
            if frame.time is not None and frame.time + 0.017 >= at:
                return frame.to_ndarray(format="rgb24")
    raise AssertionError(f"no frame at {at} s")
