"""ffmpeg as a child: the binary of the wheel imageio-ffmpeg, argument lists from ffmpeg-python graphs.

What it may open is decided here: one input with a forced demuxer, files only (``-protocol_whitelist``), no network,
inside the scratch folder of the job, where every name is the server's own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import ffmpeg
import imageio_ffmpeg

from libs import process

MEMORY = 6 * 1024**3  # bytes of address space; x264 at 1080p takes under 2 GiB of it
LARGEST = 8 * 1024**3  # bytes that one file may grow to
STALL = 60.0  # seconds without a single frame more
QUIET = ("-hide_banner", "-nostdin", "-loglevel", "warning", "-nostats")

Advance = Callable[[float], None]  # seconds of output done
Cancelled = Callable[[], bool]


@cache
def binary() -> str:
    """Path of the ffmpeg executable."""
    return str(imageio_ffmpeg.get_ffmpeg_exe())


@cache
def version() -> str:
    """Its version, as ``9.0.2``."""
    return str(imageio_ffmpeg.get_ffmpeg_version())


def source(path: Path, container: str, start: float, length: float) -> Any:
    """A span of a recording as an ffmpeg-python input: forced demuxer, accurate seek, nothing but files."""
    return ffmpeg.input(
        f"file:{path}", format=container, ss=f"{start:.6f}", t=f"{length:.6f}", protocol_whitelist="file"
    )


def run(
    graph: Any,
    *,
    cwd: Path,
    deadline: float,
    advance: Advance | None = None,
    cancelled: Cancelled | None = None,
    loglevel: str = "warning",
) -> process.Finished:
    """Compile a graph to an argument list and run it in ``cwd``.

    ``advance`` hears the seconds of output done. Raises libs.process.ChildError; ChildStalled also where ffmpeg still
    talks but neither its time nor its output moves for STALL seconds.
    """
    quiet = [loglevel if word == "warning" else word for word in QUIET]
    argv = [binary(), *quiet, "-progress", "pipe:1", *graph.get_args(overwrite_output=True)]
    return process.run(
        argv,
        deadline=deadline,
        stall=STALL,
        memory=MEMORY,
        file_size=LARGEST,
        alone=True,
        cwd=cwd,
        on_line=Progress(advance),
        cancelled=cancelled,
    )


class Progress:
    """Reads ``-progress`` lines (``out_time_us=1234``). ffmpeg prints them even while it hangs, so a figure has to grow."""

    MOVING = frozenset({"out_time_us", "total_size", "frame"})

    def __init__(self, advance: Advance | None) -> None:
        self._advance = advance
        self._furthest: dict[str, int] = {}

    def __call__(self, line: str) -> bool:
        """Hear one line; tells whether anything moved."""
        key, _, value = line.strip().partition("=")
        if key not in self.MOVING or not value.lstrip("-").isdigit() or int(value) <= self._furthest.get(key, -1):
            return False
        self._furthest[key] = int(value)
        if key == "out_time_us" and self._advance is not None:
            self._advance(int(value) / 1e6)
        return True
