"""What a finished run is shown as: a table for people, one JSON document for programs."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from gateway.cli.pipeline import Clip, Run, stage_seconds

__all__ = ["as_json", "print_tables"]


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
    """Print each clip with its span, score, reason and files, and the time that each stage took."""
    console = Console()
    _about(console, run)
    for clip in clips:
        console.print(_card(clip))
    stages = "   ".join(f"{name} {seconds:.1f} s" for name, seconds in stage_seconds(run.recording).items())
    console.print(f"Time taken: {stages}", highlight=False)


def _about(console: Console, run: Run) -> None:
    transcript = run.recording["transcript"]
    if not transcript:
        return
    quality = ", draft quality" if transcript["quality"] == "draft" else ""
    speakers = transcript["speakers"]
    console.print(
        f"{run.recording['title']}: {run.recording['duration']:.0f} s, {transcript['words']} words by "
        f"{speakers} speaker{'s' if speakers != 1 else ''} ({transcript['engine']}{quality}); "
        f"moments chosen by {run.recording.get('chosen_by') or 'you'}",
        highlight=False,
    )


def _card(clip: Clip) -> Table:
    view = clip.view
    table = Table(title=view["title"], title_justify="left", title_style="bold", show_header=False, box=None)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    table.add_row("span", f"{_clock(view['start'])} – {_clock(view['end'])}")
    if view["score"] is not None:
        table.add_row("score", f"{view['score']:.2f}")
    table.add_row("why", view["reason"] or "")
    for file in clip.files:
        table.add_row("file", f"{file['path']}  {file['width']}×{file['height']}, {file['duration']:.1f} s")
    if clip.share_url:
        table.add_row("link", clip.share_url)
    return table


def _clock(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes)}:{rest:04.1f}"
