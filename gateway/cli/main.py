"""The commands ``clip`` and ``demo``. Exit statuses stand in ``problems.py``.

``python -m gateway.cli clip FILE_OR_URL`` works against any platform: ``CLIPSTEAD_URL`` and ``CLIPSTEAD_API_KEY`` name it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gateway.cli import pipeline, report
from gateway.cli.api import Api
from gateway.cli.credentials import Credentials, sign_in
from gateway.cli.problems import PipelineFailed, Stopped, Usage
from gateway.cli.progress import show

__all__ = ["clip_parser", "demo_parser", "main", "run_clip", "run_demo"]

PRESETS = ("tiktok", "reels", "shorts", "square", "landscape", "audiogram")
SAMPLE = Path(__file__).parent / "sample" / "voices.m4a"
SAMPLE_TITLE = "Four voices"
SAMPLE_WISHES = {"count": 3, "min_duration": 10.0, "max_duration": 40.0}

STATUSES = """exit status:
  0  every clip is there      1  the recording, a stage or a clip failed
  2  bad command line         3  the platform can't be reached
  4  the platform refused     130  interrupted"""


def clip_parser() -> argparse.ArgumentParser:
    """The command line of ``clip``."""
    parser = argparse.ArgumentParser(
        prog="clipstead clip",
        description="Make clips of a recording and download them.",
        epilog=STATUSES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", metavar="FILE_OR_URL", help="an audio or video file, or a page with one")
    parser.add_argument("--count", type=int, help="how many clips (3)")
    parser.add_argument("--preset", choices=PRESETS, help="the frame (shorts for video, audiogram for sound alone)")
    parser.add_argument("--prompt", help="what to look for, in words")
    parser.add_argument("--title", default="", help="the recording's title (the file's name)")
    parser.add_argument("--out", type=Path, help="the folder to save the clips in (clips)")
    parser.add_argument("--extras", action="store_true", help="save posters and the recording's captions (.vtt) too")
    parser.add_argument("--share", action="store_true", help="make a share link for each clip")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of tables")
    return parser


def demo_parser() -> argparse.ArgumentParser:
    """The command line of ``demo``."""
    parser = argparse.ArgumentParser(
        prog="clipstead demo",
        description="Start everything and make clips of the bundled recording, then keep serving.",
        epilog=STATUSES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--exit", action="store_true", help="end afterwards; 0 only if every stage succeeded")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of tables")
    return parser


def run_clip(api: Api, home: Path, options: argparse.Namespace, folder: Path) -> None:
    """Do what ``clip`` says; relative paths count from ``folder``. Raises Stopped."""
    source = options.source if pipeline.is_url(options.source) else str(_existing(folder / options.source))
    sign_in(api, home)
    wishes = {
        name: getattr(options, name) for name in ("count", "preset", "prompt") if getattr(options, name) is not None
    }
    with show() as progress:
        run = pipeline.process(api, source, options.title, wishes, progress)
    clips = pipeline.collect(api, run, folder / (options.out or "clips"), share=options.share, extras=options.extras)
    _report(run, clips, as_json=options.json)


def run_demo(api: Api, home: Path, *, as_json: bool) -> Credentials:
    """Send the bundled sample through the pipeline and report; returns the account that did it. Raises Stopped."""
    account = sign_in(api, home)
    with show() as progress:
        run = pipeline.process(api, str(SAMPLE), SAMPLE_TITLE, SAMPLE_WISHES, progress)
    clips = pipeline.collect(api, run, home / "clips" / run.recording["id"], share=True, extras=False)
    _report(run, clips, as_json=as_json)
    return account


def main(arguments: Sequence[str] | None = None) -> int:
    """``python -m gateway.cli clip …`` against the platform that the environment names."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] != ["clip"]:
        print(__doc__, file=sys.stderr)
        return Usage.status
    options = clip_parser().parse_args(given[1:])
    api = Api(os.environ.get("CLIPSTEAD_URL") or "http://localhost:3000")
    home = Path(os.environ.get("CLIPSTEAD_HOME") or Path.home() / ".config" / "clipstead")
    try:
        run_clip(api, home, options, Path(os.environ.get("CLIPSTEAD_CWD") or Path.cwd()))
    except Stopped as reason:
        print(reason, file=sys.stderr)
        return reason.status
    except KeyboardInterrupt:
        return 130
    finally:
        api.close()
    return 0


def _existing(file: Path) -> Path:
    if not file.is_file():
        raise Usage(f"There is no file {file}.")
    return file


def _report(run: pipeline.Run, clips: list[pipeline.Clip], *, as_json: bool) -> None:
    """Print the result; raises PipelineFailed if any clip is missing, after showing those that are there."""
    if as_json:
        document: dict[str, Any] = report.as_json(run, clips)
        print(json.dumps(document, ensure_ascii=False))
    else:
        report.print_tables(run, clips)
    failed = [view for view in run.clips if view["status"] != "ready"]
    for view in failed:
        reason = (view.get("problem") or {}).get("detail", "it is not ready")
        print(f"{view['title']}: {reason}", file=sys.stderr)
    if failed or not clips:
        raise PipelineFailed(f"{len(failed)} of {len(run.clips)} clips failed." if failed else "No clip was made.")
