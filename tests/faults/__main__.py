"""``./clipstead faults``: the fault suite at any length. The last line that is printed is one JSON object."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.faults import machine
from tests.faults.history import History
from tests.faults.world import World


def main() -> int:
    """Run schedules; exit status 1 if a promise was broken."""
    options = _parser().parse_args()
    folder = Path(options.out)
    folder.mkdir(parents=True, exist_ok=True)
    chosen = {options.only} if options.only else set(range(options.first, options.schedules + 1))
    count = max(options.schedules, options.only or 0)
    if options.platforms > 1 and options.share is None and not options.only:
        result = _abreast(options, folder)
    else:
        if options.share is not None:
            chosen = {index for index in chosen if index % options.platforms == options.share}
        result = _run(options.seed, count, chosen, folder, options.share or 0)
    print(json.dumps(result))
    return 1 if result["violations"] else 0


def _run(seed: int, count: int, chosen: set[int], folder: Path, share: int) -> dict[str, Any]:
    """Carry the chosen schedules out on one platform."""
    history = History(folder / f"history-{seed}-{share}.jsonl")
    with World.running(history) as world:
        report = machine.run(world, history, seed, count, chosen, say=_say)
        if report.violations:
            world.keep_logs(folder / f"logs-{seed}-{share}")
    history.close()
    return {
        "schedules": report.schedules,
        "seed": seed,
        "faults": dict(sorted(history.faults.items())),
        "operations": history.operations,
        "acknowledged": history.acknowledged,
        "violations": len(report.violations),
        "broken": [{"schedule": one.schedule, "what": one.what} for one in report.violations],
        "median_s": round(statistics.median(report.seconds), 2) if report.seconds else None,
        "cores": os.cpu_count(),
    }


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _abreast(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Share the schedules among several platforms side by side, and add up what they found."""
    which = ["--schedules", str(options.schedules), "--from", str(options.first), "--seed", str(options.seed)]
    common = [*which, "--out", str(folder)]
    shares = [
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.faults",
                *common,
                "--platforms",
                str(options.platforms),
                "--share",
                str(share),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        for share in range(options.platforms)
    ]
    results = [json.loads(process.communicate()[0].splitlines()[-1]) for process in shares]
    faults: dict[str, int] = {}
    for result in results:
        for kind, times in result["faults"].items():
            faults[kind] = faults.get(kind, 0) + times
    sums = ("schedules", "operations", "acknowledged", "violations")
    added = {key: sum(result[key] for result in results) for key in sums}
    return {
        **results[0],
        **added,
        "faults": dict(sorted(faults.items())),
        "broken": [broken for result in results for broken in result["broken"]],
        "platforms": options.platforms,
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="clipstead faults",
        description="Have people use a real platform while its parts are killed, paused, cut off and lied to, and check "
        "that nothing acknowledged is lost, nothing happens twice and nothing is left behind.",
    )
    parser.add_argument("--schedules", type=int, default=20, help="how many schedules to run (default: 20)")
    parser.add_argument("--seed", type=int, default=1, help="which ones: the same seed gives the same schedules")
    parser.add_argument("--from", type=int, default=1, dest="first", help="go on with the schedule of this number")
    parser.add_argument("--only", type=int, help="run just the schedule of this number again")
    parser.add_argument("--platforms", type=int, default=1, help="run on so many platforms side by side (default: 1)")
    parser.add_argument("--share", type=int, help=argparse.SUPPRESS)
    parser.add_argument(
        "--out", default="fault-reports", help="folder for histories, and logs where a promise was broken"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
