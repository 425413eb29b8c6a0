"""What a finished run is shown as: a table for people, one JSON document for programs."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gateway.cli.pipeline import Clip, Run, stage_seconds

__all__ = ["as_json", "print_tables"]

PLAIN_WIDTH = 160  # characters


def as_json(run: Run, clips: list[Clip]) -> dict[str, Any]:
    """The document of ``demo --json``. Times in seconds."""
    recording, transcript = run.recording, run.recording["transcript"] or {}
    return {
        "recording": {key: recording[key] for key in ("id", "title", "status", "duration", "media_type")},
        "transcript": {key: transcript.get(key) for key in ("engine", "words", "speakers")},
        "clips": [
            {
                **{key: clip.view[key] for key in ("title", "start", "end", "score", "reason")},
                "share_url": clip.share_url,
                "files": clip.files,
            }
            for clip in clips
        ],
        "stages": stage_seconds(recording),
    }


def print_tables(run: Run, clips: list[Clip]) -> None:
    """Print each clip with its span, score, reason, files and link, and the time that each stage took."""
    console = _console()
    _say(console, _about(run))
    console.print(_table(clips))
    for number, clip in enumerate(clips, 1):
        for file in clip.files:
            _say(console, f"{number}  {file['path']}  {file['width']}×{file['height']}, {file['duration']:.1f} s")
        if clip.share_url:
            _say(console, f"   {clip.share_url}")
    _say(
        console,
        "Time taken: " + ", ".join(f"{name} {took:.1f} s" for name, took in stage_seconds(run.recording).items()),
    )


def _console() -> Console:
    """As wide as the terminal; where there is none, wide enough that no reader has to put words together again."""
    console = Console()
    return console if console.is_terminal else Console(width=PLAIN_WIDTH)


def _say(console: Console, line: str) -> None:
    """Print a line as it is: paths and links are there to be copied, so nothing wraps them."""
    console.print(line, highlight=False, markup=False, soft_wrap=True)


def _about(run: Run) -> str:
    recording, transcript = run.recording, run.recording["transcript"]
    quality = ", draft quality" if transcript["quality"] == "draft" else ""
    speakers = transcript["speakers"]
    return (
        f"{recording['title']}: {recording['duration']:.0f} s, {transcript['words']} words by {speakers} "
        f"speaker{'' if speakers == 1 else 's'} ({transcript['engine']}{quality}); "
        f"moments chosen by {recording.get('chosen_by') or 'you'}"
    )


def _table(clips: list[Clip]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("#", "Clip", "Span", "Score", "Why"):
        table.add_column(heading, justify="right" if heading in {"#", "Score"} else "left", no_wrap=heading == "Span")
    for number, clip in enumerate(clips, 1):
        view = clip.view
        score = "" if view["score"] is None else f"{view['score']:.2f}"
        span = f"{_clock(view['start'])} – {_clock(view['end'])}"
        table.add_row(str(number), escape(view["title"]), span, score, escape(view["reason"] or ""))
    return table


def _clock(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes)}:{rest:04.1f}"
