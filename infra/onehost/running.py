"""Start, find and stop a platform: what the commands share."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import psutil

from infra.onehost import logs, ports, state
from infra.onehost.place import REPOSITORY, Place
from infra.onehost.secrets import Secrets
from infra.onehost.state import State

__all__ = ["AlreadyRunning", "CannotStart", "current", "down", "serve", "start"]

LOOK_EVERY = 0.1  # seconds
STOP_LIMIT = 120.0


class CannotStart(Exception):
    """The platform can't start, or failed to. The text is for the user."""


class AlreadyRunning(CannotStart):
    """This home has a supervisor already."""


def current(place: Place) -> State | None:
    """The state of the platform that runs in this home, or None."""
    if not state.is_running(place.run):
        return None
    return state.read(place.run)


def serve(place: Place, on_ready: Callable[[State], None], *, verbose: bool = False, owner: int | None = None) -> None:
    """Be the supervisor until told to stop, or until the process ``owner`` ends; ``verbose`` prints all logs.

    Raises CannotStart (or AlreadyRunning) with what to do about it.
    """
    from infra.onehost import topology
    from infra.onehost.supervisor import Failed, Supervisor, end_leftovers

    lock = state.hold_lock(place.run)
    if lock is None:
        raise AlreadyRunning(f"Clipstead is already running in {place.home}.")
    with lock:
        end_leftovers(state.read(place.run))
        secrets = Secrets(place.secrets)
        secrets.prepare()
        topology.tell_addresses(place)
        processes = topology.topology(place)
        _require_ports([(process.name, process.port) for process in processes if process.port])
        postgres, _valkey = topology.servers(place)
        postgres.prepare()
        supervisor = Supervisor(processes, place.home, place.url, place.port, verbose=verbose, owner=owner)
        try:
            asyncio.run(supervisor.run(lambda: on_ready(supervisor.state)))
        except Failed as failure:
            raise CannotStart(str(failure)) from failure


def start(place: Place, owner: int | None = None) -> State:
    """Make sure that a platform runs in this home, as a process of its own, and return its state once it is ready.

    What is started stops when the process ``owner`` ends, if one is given. Raises CannotStart with what was said.
    """
    running = current(place)
    if running is None:
        place.logs.mkdir(parents=True, exist_ok=True)
        supervisor = _start_detached(place, owner)
        return _wait_until_ready(place, supervisor)
    return _wait_until_ready(place, psutil.Process(running.supervisor.pid))


def down(place: Place) -> bool:
    """Stop the platform and wait until it is gone. False if none ran."""
    running = current(place)
    if running is None:
        return False
    process = running.supervisor.process()
    if process is not None:
        process.send_signal(signal.SIGTERM)
        _gone, alive = psutil.wait_procs([process], timeout=STOP_LIMIT)
        if alive:
            raise CannotStart(f"Clipstead (process {process.pid}) did not stop within {STOP_LIMIT:.0f} s.")
    return True


def _start_detached(place: Place, owner: int | None) -> psutil.Popen:
    with place.log("supervisor").open("ab") as log:
        return psutil.Popen(
            [sys.executable, "-m", "infra.onehost", "up", *(["--owner", str(owner)] if owner else [])],
            cwd=REPOSITORY,
            env=os.environ | {"CLIPSTEAD_HOME": str(place.home), "CLIPSTEAD_PORT": str(place.port)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _wait_until_ready(place: Place, supervisor: psutil.Process) -> State:
    """Follow the state file. A supervisor that ends first has written why at the end of its log."""
    while supervisor.is_running() and supervisor.status() != psutil.STATUS_ZOMBIE:
        found = state.read(place.run)
        if found and found.supervisor.pid == supervisor.pid and found.phase == "ready":
            return found
        time.sleep(LOOK_EVERY)
    raise CannotStart("\n".join(logs.last_lines(place.log("supervisor"), 25)) or "The supervisor ended without a word.")


def _require_ports(wanted: list[tuple[str, int]]) -> None:
    lost = ports.taken(wanted)
    if not lost:
        return
    lines = [str(port) for port in lost]
    raise CannotStart(
        "\n".join(
            [
                *lines,
                "Set CLIPSTEAD_PORT to another number to move all of Clipstead's ports (it uses up to 29 from there).",
            ]
        )
    )
