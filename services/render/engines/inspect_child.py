"""Looks at a finished file as a player would, before anybody may see it. Runs in a child process.

Decodes it to the end, checks streams, size, length and that captions are seen where they were put, hashes it and takes
the poster.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from libs.process import child

SLACK = 0.1  # seconds that the length may be off
DARK = 24  # mean luma (16 is black) under which a frame is no poster
POSTERS = (0.33, 0.25, 0.45, 0.15, 0.6)  # where in the clip to look for one
BRIGHT = 0.02  # of a word's box that type fills at the very least
QUALITY = 88  # of the JPEG

Luma = NDArray[np.uint8]


def inspect(request: dict[str, Any], tell: child.Tell) -> dict[str, Any]:
    """Check a file against what was planned and take its poster. Reply: its facts. Refuses with what is wrong."""
    path = Path(request["path"])
    with av.open(str(path), format="mov", options={"protocol_whitelist": "file"}) as file:
        facts = _streams(file, request)
    decoded = _decode(path, request, tell)
    for what in ("picture", "sound") if request["has_audio"] else ("picture",):
        if abs(decoded[what] - request["duration"]) > SLACK:
            raise child.Refuse(
                "wrong_length",
                f"The clip's {what} came out {decoded[what]:.2f} s long; {request['duration']:.2f} s were planned.",
            )
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return facts | decoded | {"size": path.stat().st_size, "sha256": digest}


def _streams(file: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Codecs and size as planned, or a refusal."""
    video = file.streams.video[0] if file.streams.video else None
    found = [stream.codec_context.name for stream in file.streams]
    wanted = ["h264", "aac"] if request["has_audio"] else ["h264"]
    if found != wanted or video is None:
        raise child.Refuse(
            "wrong_streams", f"The clip holds {', '.join(found) or 'nothing'}, not {' and '.join(wanted)}."
        )
    if (video.width, video.height) != (request["width"], request["height"]):
        raise child.Refuse("wrong_size", f"The clip came out {video.width}x{video.height} pixels.")
    return {"width": video.width, "height": video.height, "fps": float(video.average_rate or 0)}


def _decode(path: Path, request: dict[str, Any], tell: child.Tell) -> dict[str, Any]:
    """Decode every frame and packet of sound; look at some. Length is that of the longer stream."""
    wanted = sorted(request["witnesses"], key=lambda one: float(one["time"]))
    times = sorted((request["duration"] * share, rank) for rank, share in enumerate(POSTERS))
    posters: list[tuple[float, Any]] = []
    seen, frames, end = 0, 0, 0.0
    for frame in _frames(path):
        moment = float(frame.time or 0)
        frames, end = frames + 1, moment
        while wanted and moment >= wanted[0]["time"]:
            seen += _shows_type(_luma(frame), wanted.pop(0)["box"])
        while times and moment >= times[0][0]:
            posters.append((_worth(_luma(frame), times.pop(0)[1]), frame))
        if frames % 60 == 0:
            tell({"done": moment})
    witnesses = len(request["witnesses"]) - len(wanted)
    if seen < witnesses:
        raise child.Refuse(
            "captions_missing", f"Captions were seen at {seen} of {witnesses} places where words are spoken."
        )
    sound = _sound_length(path) if request["has_audio"] else 0.0
    best = max(posters, key=lambda one: one[0])[1]
    best.to_image().save(request["poster"], "JPEG", quality=QUALITY, optimize=True, progressive=True)
    step = 1 / request["fps"]
    return {
        "duration": max(end + step, sound),
        "picture": end + step,
        "frames": frames,
        "sound": sound,
        "captions_seen": seen,
    }


def _frames(path: Path) -> Iterator[Any]:
    with av.open(str(path), format="mov", options={"protocol_whitelist": "file"}) as file:
        stream = file.streams.video[0]
        stream.thread_type = "AUTO"
        yield from file.decode(stream)


def _sound_length(path: Path) -> float:
    with av.open(str(path), format="mov", options={"protocol_whitelist": "file"}) as file:
        return max(
            (float(frame.time or 0) + frame.samples / frame.sample_rate for frame in file.decode(audio=0)), default=0.0
        )


def _luma(frame: Any) -> Luma:
    plane = frame.planes[0]
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    return rows[: frame.height, : frame.width]


def _shows_type(luma: Luma, box: list[int]) -> bool:
    """Whether a word's box holds bright strokes beside darker ground, as captions of every look do."""
    x, y, width, height = box
    part = luma[max(0, y) : y + height, max(0, x) : x + width]
    return bool(part.size) and float((part > 110).mean()) > BRIGHT and float(part.max()) - float(part.min()) > 60


def _worth(luma: Luma, rank: int) -> float:
    """How good a poster a frame is: lively rather than flat, never dark, the earlier choice where all else is equal."""
    small = luma[::8, ::8].astype(np.float32)
    if small.mean() < DARK:
        return float(small.mean()) - 1000
    detail = np.abs(np.diff(small, axis=0)).mean() + np.abs(np.diff(small, axis=1)).mean()
    return float(min(small.std(), 40) + min(detail, 20) - 6 * rank)


if __name__ == "__main__":
    child.main(inspect)
