"""``./clipstead COMMAND``: parses the command line and calls one command."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from infra.onehost import commands
from infra.onehost.place import Place
from infra.onehost.running import CannotStart


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(prog="clipstead", description="Recordings in, captioned clips out.")
    commands_ = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    up = commands_.add_parser("up", help="start the platform; Ctrl-C stops it")
    up.add_argument("-d", "--detach", action="store_true", help="return once it is ready, and leave it running")
    up.add_argument("-v", "--verbose", action="store_true", help="print what every process logs")
    up.add_argument("--owner", type=int, help=argparse.SUPPRESS)  # a process with whose end this one ends too
    commands_.add_parser("down", help="stop the platform")
    restart = commands_.add_parser("restart", help="restart processes one after the other, without a failed request")
    restart.add_argument("process", nargs="*", help="which; all but the servers if left out")
    status = commands_.add_parser("status", help="what runs, and how it is")
    status.add_argument("--json", action="store_true", help="one JSON document")
    logs = commands_.add_parser("logs", help="what the processes say")
    logs.add_argument("process", nargs="?", help="a service or process; all if left out")
    logs.add_argument("-f", "--follow", action="store_true", help="go on as more is written")
    logs.add_argument("-n", "--lines", type=int, default=50, help="how many lines to begin with (50)")
    doctor = commands_.add_parser("doctor", help="what was found on this machine, and what would improve it")
    doctor.add_argument("--json", action="store_true", help="one JSON document")
    commands_.add_parser("setup", help="install everything and build the web app, without starting anything")

    secrets = commands_.add_parser("secrets", help="fill secrets/ for the container set-up")
    secrets.add_argument("folder", nargs="?", type=Path, default=Path("secrets"))

    # These two belong to the terminal client, which parses its own arguments (and works against other hosts too).
    commands_.add_parser("demo", help="make clips of a bundled recording", add_help=False)
    commands_.add_parser("clip", help="make clips of a recording of yours", add_help=False)

    jobs = commands_.add_parser("jobs", help="what ended badly, or how jobs stand; and have one done after all")
    jobs.add_argument(
        "--state", action="append", type=_job_state, help="queued, running, done, failed…; instead of bad ends"
    )
    jobs.add_argument("--retry", metavar="ID", help="have this job done after all (the beginning of its id will do)")
    jobs.add_argument("--json", action="store_true", help="one JSON document")
    sweep = commands_.add_parser("sweep", help="look for objects without rows and rows without objects")
    sweep.add_argument("--apply", action="store_true", help="remove the objects that nothing refers to")
    sweep.add_argument("--json", action="store_true", help="one JSON document")

    commands_.add_parser("faults", help="hurt a platform, and check that nothing is lost", add_help=False)
    commands_.add_parser("check", help="run linters and type checks", add_help=False)
    commands_.add_parser("test", help="run the checks and every test", add_help=False)
    bench = commands_.add_parser("bench", help="measure")
    bench.add_argument(
        "what", choices=["start", "pipeline", "bus", "recovery", "gateway", "signin", "speakers", "words"]
    )
    bench.add_argument("--no-setup", action="store_true", help="start: leave out the set-up of a fresh clone")
    bench.add_argument(
        "--audio", type=Path, metavar="DIR", help="speakers, words: recordings with RTTM files or TextGrids"
    )
    return top


def _job_state(text: str) -> str:
    """Check a state's name. The bus is imported here, so that only those wait for it who ask about jobs."""
    from libs.bus.states import JobState

    try:
        return JobState(text).value
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(JobState)}") from None


def main() -> int:
    """Run one command and return its exit status."""
    options, rest = parser().parse_known_args()
    if rest and options.command not in {"demo", "clip", "check", "faults", "test"}:
        parser().error(f"unknown argument: {rest[0]}")
    try:
        return commands.run(Place.from_environment(), options, rest)
    except (CannotStart, ValueError) as problem:
        print(problem, file=sys.stderr)
        return 1
    except BrokenPipeError:  # whoever read us has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
