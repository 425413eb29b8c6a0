"""Look into a file that came from outside, in a child that can do nothing else."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from libs import process
from libs.process import ChildDeadline, ChildFailed, ChildRefused, ChildStalled

__all__ = ["Limits", "Probed", "Unusable", "probe"]

_CRASHES = frozenset(
    {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSYS, signal.SIGXCPU}
)
"""What a decoder dies of by itself. Any other signal came from outside, and says nothing about the file."""

_CHILD = "services.ingest.engines.probe_child"
_WRITTEN = 1 << 20  # bytes: it has nothing to write


class Unusable(Exception):
    """The file can't become a recording. ``code`` is stable, ``detail`` a sentence a person can act on.

    ``stderr``: the last words of the child that found out.
    """

    def __init__(self, code: str, detail: str, stderr: str = "") -> None:
        super().__init__(f"{code}: {detail}")
        self.code, self.detail, self.stderr = code, detail, stderr


@dataclass(frozen=True)
class Limits:
    """What is refused before anything is decoded, and what the child itself may use.

    Seconds, pixels of a frame, frames a second, a count; then seconds and bytes.
    """

    duration: float
    pixels: int
    frame_rate: float
    streams: int
    deadline: float
    memory: int


@dataclass(frozen=True)
class Probed:
    """Facts about a playable file. ``width`` and ``height`` are as displayed (square pixels, after rotation), or 0."""

    container: str
    suffix: str
    mime: str
    size: int
    duration: float
    has_audio: bool
    has_video: bool
    width: int
    height: int
    fps: float


def probe(path: Path, limits: Limits, cancelled: Callable[[], bool] | None = None) -> Probed:
    """Tell what a file is. Raises Unusable, or ChildCancelled where ``cancelled()`` says so."""
    request = {
        "path": str(path),
        "limits": {
            "duration": limits.duration,
            "pixels": limits.pixels,
            "frame_rate": limits.frame_rate,
            "streams": limits.streams,
        },
    }
    try:
        facts = process.run_module(
            _CHILD,
            request,
            deadline=limits.deadline,
            memory=limits.memory,
            file_size=_WRITTEN,
            alone=True,
            cancelled=cancelled,
        )
    except ChildRefused as refusal:
        raise Unusable(refusal.code, refusal.detail, refusal.stderr) from refusal
    except (ChildDeadline, ChildStalled) as late:
        raise Unusable("media_too_complex", "Looking into this file takes too long.", late.stderr) from late
    except ChildFailed as failure:
        if -(failure.status or 0) in _CRASHES or "MemoryError" in failure.stderr:
            detail = "This file is damaged in a way that makes decoders fail."
            raise Unusable("unsupported_media", detail, failure.stderr) from failure
        raise
    return Probed(**facts)
