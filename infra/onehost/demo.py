"""``demo`` and ``clip``: the terminal client, with the platform started where it is wanted on this machine."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from gateway.cli import main as client
from gateway.cli.api import Api
from gateway.cli.credentials import Credentials
from gateway.cli.problems import Stopped
from infra.onehost import running, webapp
from infra.onehost.place import Place
from infra.onehost.running import CannotStart

__all__ = ["run_clip", "run_demo"]

LOOK_EVERY = 0.5  # seconds


def run_clip(place: Place, arguments: list[str]) -> int:
    """Make clips of the user's recording. A platform that had to be started for it stays up."""
    options = client.clip_parser().parse_args(arguments)
    remote = os.environ.get("CLIPSTEAD_URL")
    if not remote:
        _say_starting(place)
        running.start(place)
    folder = Path(os.environ.get("CLIPSTEAD_CWD") or Path.cwd())
    return _status(lambda api: client.run_clip(api, place.home, options, folder), remote or place.url)


def run_demo(place: Place, arguments: list[str]) -> int:
    """Start everything, make clips of the sample, then serve until Ctrl-C (or end, with ``--exit``)."""
    options = client.demo_parser().parse_args(arguments)
    ours = running.current(place) is None
    _say_starting(place)
    accounts: list[Credentials] = []
    try:
        running.start(place, owner=os.getpid() if ours else None)
        with _kept_up(place, restart=ours):
            status = _status(
                lambda api: accounts.append(client.run_demo(api, place.home, as_json=options.json)), place.url
            )
        if ours and not options.exit:
            _serve(place, accounts)
        return status
    finally:
        if ours:
            running.down(place)


def _serve(place: Place, accounts: list[Credentials]) -> None:
    for account in accounts:
        if account.email:
            print(f"Sign in as {account.email} with the password {account.password}", file=sys.stderr)
    print(f"Serving at {place.url} until Ctrl-C.", file=sys.stderr, flush=True)
    state = running.current(place)
    process = state.supervisor.process() if state else None
    if process is not None:
        psutil.wait_procs([process])


@contextmanager
def _kept_up(place: Place, *, restart: bool) -> Iterator[None]:
    """Start the platform again if its supervisor is killed meanwhile: the work goes on where it was."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(LOOK_EVERY):
            if running.current(place) is None:
                try:
                    running.start(place, owner=os.getpid())
                except CannotStart as problem:
                    print(problem, file=sys.stderr)
                    return

    watcher = threading.Thread(target=watch, name="watcher", daemon=True)
    if restart:
        watcher.start()
    try:
        yield
    finally:
        done.set()
        if restart:
            watcher.join()


def _status(work: Callable[[Api], object], url: str) -> int:
    api = Api(url)
    try:
        work(api)
    except Stopped as reason:
        print(reason, file=sys.stderr)
        return reason.status
    finally:
        api.close()
    return 0


def _say_starting(place: Place) -> None:
    if running.current(place) is None:
        building = " and building the web app" if webapp.is_stale() else ""
        print(f"Starting Clipstead{building}…", file=sys.stderr, flush=True)
