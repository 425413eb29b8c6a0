"""The commands behind ``./clipstead``. Each returns an exit status."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

import psutil

from infra.onehost import logs, restarts, running, webapp
from infra.onehost.place import Place
from infra.onehost.state import ProcessState, State
from libs.contracts.subscriptions import SERVICES

__all__ = ["run"]

MIB = 1 << 20


def run(place: Place, options: argparse.Namespace, rest: list[str]) -> int:
    """Run the command that was asked for. ``rest`` holds what another program's parser will read."""
    # What follows imports what only some commands need: `status` and `up` begin at once.
    from infra.onehost import checks, demo

    commands: dict[str, Callable[[], int]] = {
        "up": lambda: up(place, detach=options.detach, verbose=options.verbose, owner=options.owner),
        "down": lambda: down(place),
        "restart": lambda: restart(place, options.process),
        "status": lambda: status(place, as_json=options.json),
        "logs": lambda: show_logs(place, options.process, follow=options.follow, lines=options.lines),
        "doctor": lambda: doctor(place, as_json=options.json),
        "setup": setup,
        "secrets": lambda: secrets(options.folder),
        "demo": lambda: demo.run_demo(place, rest),
        "clip": lambda: demo.run_clip(place, rest),
        "check": lambda: checks.check(rest),
        "test": lambda: checks.test(rest),
        "faults": lambda: checks.faults(rest),
        "jobs": lambda: jobs(place, options.retry, options.state, as_json=options.json),
        "sweep": lambda: sweep(place, apply=options.apply, as_json=options.json),
        "bench": lambda: bench(options.what, setup=not options.no_setup, audio=options.audio),
    }
    return commands[options.command]()


def up(place: Place, *, detach: bool, verbose: bool, owner: int | None) -> int:
    """Start everything. In the foreground it ends with Ctrl-C or SIGTERM, leaving no process."""
    already = running.current(place)
    if already:
        print(f"Clipstead is already running: {already.url}")
        return 0
    if detach:
        print(running.start(place).url)
        return 0
    if webapp.is_stale():
        print("Building the web app (first start, or its sources changed)…", flush=True)
    running.serve(place, lambda state: _print_ready(place, state), verbose=verbose, owner=owner)
    return 0


def down(place: Place) -> int:
    """Stop everything."""
    print("Stopped." if running.down(place) else "Clipstead is not running.")
    return 0


def restart(place: Place, names: list[str]) -> int:
    """Restart processes one after the other; people notice nothing. Exit status 1 if one does not come back."""
    for done in restarts.ask(place, names):
        if done.seconds is None:
            print(f"{done.name} did not come back; see {place.log(done.name)}", file=sys.stderr)
            return 1
        print(f"{done.name:22}{done.seconds:6.2f} s", flush=True)
    return 0


def status(place: Place, *, as_json: bool) -> int:
    """Show every process. Exit status 0 if all is well, 1 if something isn't, 3 if nothing runs."""
    state = running.current(place)
    if state is None:
        print("{}" if as_json else "Clipstead is not running.")
        return 3
    if as_json:
        print(json.dumps(asdict(state), indent=1))
    else:
        _print_status(state)
    return 0 if all(entry.state in {"ready", "done"} for entry in state.processes) else 1


def show_logs(place: Place, process: str | None, *, follow: bool, lines: int) -> int:
    """Print the logs of one process (a service's name means its worker too), or of all."""

    def wanted() -> list[Path]:
        found = sorted(place.logs.glob("*.log"))
        return [log for log in found if process in {None, log.stem, log.stem.removesuffix("-worker")}]

    if not wanted():
        known = ", ".join(log.stem for log in sorted(place.logs.glob("*.log")))
        print(f"No logs of {process}. There are: {known}" if known else "There are no logs yet.", file=sys.stderr)
        return 1
    several = len(wanted()) > 1
    for log in wanted():
        for line in logs.last_lines(log, lines):
            print(logs.prefixed(log, line) if several else line)
    if follow:
        _follow(logs.Follower(wanted), prefix=several)
    return 0


def doctor(place: Place, *, as_json: bool) -> int:
    """Show what was found on this machine and what would improve it. Exit status 1 if Clipstead can't run here."""
    from infra.onehost import diagnosis

    findings = diagnosis.examine(place)
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=1))
    else:
        for finding in findings:
            print(finding)
    return 1 if any(finding.fatal for finding in findings) else 0


def setup() -> int:
    """Build the web app if need be; the launcher has installed the rest by now."""
    webapp.build_if_stale()
    return 0


def secrets(folder: Path) -> int:
    """Fill a folder with the secrets of the container set-up."""
    from infra.secrets import write

    try:
        write(folder)
    except FileExistsError:
        print(f"{folder} exists already. Whatever uses it would be locked out; move it away first.", file=sys.stderr)
        return 1
    print(f"{folder}/ is filled. Keep it out of version control, and back it up.")
    return 0


def jobs(place: Place, retry: str | None, states: list[str] | None, *, as_json: bool) -> int:
    """Show jobs, by default those that ended badly, or have one done after all."""
    import httpx

    from infra.onehost.asking import ask
    from infra.onehost.topology import PORTS

    workers = [service for service in SERVICES if PORTS[service][1]]
    wanted = {"limit": 200, **({"state": states} if states else {})}
    try:
        found = [
            {"service": service, **job}
            for service in workers
            for job in ask(place, service, "GET", "/internal/jobs", params=wanted)["items"]
        ]
        if retry is None:
            print(json.dumps(found)) if as_json else _print_jobs(found)
            return 0
        job = next((job for job in found if job["id"].startswith(retry)), None)
        if job is None:
            print(f"No job begins with {retry}; ./clipstead jobs lists them.", file=sys.stderr)
            return 1
        ask(place, job["service"], "POST", f"/internal/jobs/{job['id']}/retry")
    except httpx.HTTPStatusError as error:
        print(error.response.json().get("detail", str(error)), file=sys.stderr)
        return 1
    except httpx.HTTPError as error:
        print(f"The services can't be asked ({error}). Is Clipstead running?", file=sys.stderr)
        return 3
    print(f"{job['service']}'s {job['kind']} job {job['id']} is queued again.")
    return 0


def _print_jobs(found: list[dict[str, Any]]) -> None:
    if not found:
        print("There are none.")
    for job in found:
        again = "" if job["retryable"] else "  (can't be retried)"
        print(f"{job['id']}  {job['service']} {job['kind']}  {job['state']}, attempt {job['attempt']}{again}")
        if job["problem_detail"]:
            print(f"    {job['problem_code']}: {job['problem_detail']}")
    if any(job["retryable"] for job in found):
        print("./clipstead jobs --retry ID has one done after all.")


def sweep(place: Place, *, apply: bool, as_json: bool) -> int:
    """Show what lies in the store without a row, and what rows miss. Exit status 1 where a row misses its object."""
    import httpx

    from infra.onehost import sweep as sweeping

    try:
        found = sweeping.sweep(place, apply=apply)
    except httpx.HTTPError as error:
        print(f"The services can't be asked ({error}). Is Clipstead running?", file=sys.stderr)
        return 3
    if as_json:
        print(json.dumps(found))
    else:
        _print_orphans(found, apply=apply)
    return 1 if any(report["missing"] for report in found) else 0


def _print_orphans(found: list[dict[str, Any]], *, apply: bool) -> None:
    for report in found:
        print(f"{report['kind']}: {len(report['orphans'])} without a row, {len(report['missing'])} missing")
        for key in report["orphans"]:
            print(f"  {'removed' if key in report['removed'] else 'orphan '}  {key}")
        for key in report["missing"]:
            print(f"  missing  {key}")
    if not apply and any(report["orphans"] for report in found):
        print("./clipstead sweep --apply removes the orphans.")


def bench(what: str, *, setup: bool, audio: Path | None) -> int:
    """Measure; the last line printed is one JSON object."""
    from infra.onehost import bench as measure
    from infra.onehost import bench_bus, bench_gateway, bench_recovery, bench_signin, bench_speakers, bench_words

    benches: dict[str, Callable[[], dict[str, Any]]] = {
        "start": lambda: measure.start(with_setup=setup),
        "pipeline": measure.pipeline,
        "bus": bench_bus.measure,
        "recovery": bench_recovery.measure,
        "gateway": bench_gateway.measure,
        "signin": bench_signin.measure,
        "speakers": lambda: bench_speakers.measure(audio),
        "words": lambda: bench_words.measure(audio),
    }
    result = benches[what]()
    print(json.dumps(result))
    return 0


def _follow(follower: logs.Follower, *, prefix: bool) -> NoReturn:
    while True:
        for log, line in follower.new_lines():
            print(logs.prefixed(log, line) if prefix else line, flush=True)
        time.sleep(logs.FOLLOW_EVERY)


def _print_ready(place: Place, state: State) -> None:
    print(f"{state.url}", flush=True)
    failed = [entry for entry in state.processes if entry.state == "failed"]
    for entry in failed:
        print(f"{entry.name} failed ({entry.why}); see {place.log(entry.name)}", file=sys.stderr, flush=True)


def _print_status(state: State) -> None:
    print(f"{state.url}  {state.phase}" + (f", ready after {state.ready_s:.1f} s" if state.ready_s else ""))
    for entry in state.processes:
        port = str(entry.port or "")
        pid = str(entry.identity.pid) if entry.identity and entry.state not in {"done", "stopped"} else ""
        again = f"restarted {entry.restarts}×, {entry.why}" if entry.restarts else entry.why
        print(f"  {entry.name:22}{entry.state:12}{port:>6}{pid:>9}{_memory(entry):>10}  {again}".rstrip())


def _memory(entry: ProcessState) -> str:
    """Resident memory. Children share much of it; ``bench start`` counts what is shared once."""
    process = entry.identity.process() if entry.identity else None
    if process is None:
        return ""
    try:
        return f"{process.memory_info().rss / MIB:.0f} MiB"
    except psutil.Error:
        return ""
