"""Runs a topology: starts everything, each as soon as what it needs is ready; restarts what dies; stops all of it.

Where a process serves people or other processes, its listening socket belongs to the supervisor: while the process is
restarted, connections wait in the socket's queue instead of being refused. A process that hangs is killed, and so restarted.

It leaves no process behind: a child lives in a session of its own, is killed with what it started if it doesn't stop in
time, gets a signal from the kernel when the supervisor is killed (Linux), and is otherwise found by the next start.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from infra.onehost import logs, restarts, spawn
from infra.onehost.spawn import Program
from infra.onehost.state import Identity, ProcessState, State
from infra.onehost.topology import Process

__all__ = ["Failed", "Supervisor", "end_leftovers"]

CHECK_EVERY = 0.05  # seconds between two questions whether a starting process is ready
SLOWEST_CHECK = 0.5
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 30.0  # seconds before a restart
SETTLED = 10.0  # a process that ran so long has its restarts forgiven
ALIVE_EVERY = 5.0  # seconds between two questions whether a process still lives
ALIVE_LIMIT = 5.0  # seconds that it has to answer
MOST_SILENCES = 3  # unanswered ones in a row; then it is killed
MOST_FAILURES = 3  # restarts in a row that came to nothing; then its socket is closed, and callers are refused at once
BACKLOG = 1024
CAP_EVERY = 30.0
OWNER_EVERY = 1.0


class Failed(Exception):
    """A process that the platform can't do without did not start. The text says which and why."""


class Supervisor:
    """One platform, from start to stop."""

    def __init__(
        self,
        processes: Sequence[Process],
        folder: Path,
        url: str,
        port: int,
        *,
        verbose: bool = False,
        owner: int | None = None,
    ) -> None:
        """``folder`` is the platform's home: ``logs/`` and ``run/`` below it are written.

        ``verbose`` prints all logs; ``owner`` is a process with whose end the platform stops.
        """
        self._verbose = verbose
        self._owner = Identity.of(owner) if owner else None
        self._children = [_Child(process, folder, self._changed) for process in processes]
        self._by_name = {child.process.name: child for child in self._children}
        self._run = folder / "run"
        self._logs = folder / "logs"
        me = Identity.of(os.getpid())
        assert me is not None
        self.state = State(me, url, port, processes=[child.state for child in self._children])
        self._stopping = asyncio.Event()
        self._kill = asyncio.Event()
        self._rolling: asyncio.Task[None] | None = None

    async def run(self, on_ready: Callable[[], None]) -> None:
        """Start all, call ``on_ready`` when all that is essential is up, and serve until a signal says to stop.

        Raises Failed, after stopping everything, where something essential does not start.
        """
        self._run.mkdir(parents=True, exist_ok=True)
        self._logs.mkdir(parents=True, exist_ok=True)
        for child in self._children:
            child.listen()
        self._listen_to_signals()
        began = time.monotonic()
        # What runs other programs doesn't wait for the import of ours.
        tasks = [asyncio.create_task(self._keep(child)) for child in self._children if not child.process.needs]
        await asyncio.sleep(0)
        if any(child.process.program.module for child in self._children):
            spawn.preload()
        tasks += [asyncio.create_task(self._keep(child)) for child in self._children if child.process.needs]
        chores = [asyncio.create_task(chore) for chore in (self._cap_logs(), self._print_logs(), self._watch_owner())]
        chores += [asyncio.create_task(child.watch()) for child in self._children if child.process.alive]
        try:
            if await self._all_ready(tasks):
                self.state.ready_s = round(time.monotonic() - began, 2)
                self.state.phase = "ready"
                self._changed()
                on_ready()
                await self._until_stopped(tasks)
        except Failed as failure:
            self.state.problem = str(failure)
            raise
        finally:
            await self._stop(tasks)
            for chore in chores:
                chore.cancel()

    async def _all_ready(self, tasks: Sequence[asyncio.Task[None]]) -> bool:
        """Wait until everything essential is ready (True), or until told to stop (False)."""

        async def everything() -> None:
            for child in self._children:
                if child.process.essential:
                    await child.ready.wait()

        return await self._first(asyncio.create_task(everything()), tasks)

    async def _until_stopped(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        await self._first(asyncio.create_task(self._stopping.wait()), tasks)

    async def _first(self, wanted: asyncio.Future[Any], tasks: Sequence[asyncio.Task[None]]) -> bool:
        """Wait for ``wanted``; a stop ends the wait, and so does the failure of a task, which is raised."""
        stop = asyncio.create_task(self._stopping.wait())
        pending: set[asyncio.Future[Any]] = {wanted, stop, *tasks}
        try:
            while not wanted.done() and not stop.done():
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()  # raises what it raised
            return wanted.done() and not stop.done()
        finally:
            wanted.cancel()
            stop.cancel()

    async def _keep(self, child: _Child) -> None:
        """Wait for what a process needs, then keep it running until the platform stops."""
        for name in child.process.needs:
            await self._by_name[name].ready.wait()
        await child.keep()

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGCHLD, self._reap)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._told_to_stop)
        loop.add_signal_handler(signal.SIGUSR1, self._told_to_restart)

    def _told_to_stop(self) -> None:
        """Drain on the first signal; on the second, kill."""
        if self._stopping.is_set():
            self._kill.set()
        self._stopping.set()

    def _told_to_restart(self) -> None:
        """Restart what ``restarts.ask`` wants, one after the other, unless that is being done already."""
        names = restarts.taken(self._run)
        if names and not self._stopping.is_set():
            self._rolling = asyncio.create_task(self._roll(names, self._rolling))

    async def _roll(self, names: Sequence[str], before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait({before})
        for name in names:
            if name in self._by_name:
                await self._by_name[name].restart()

    def _reap(self) -> None:
        for child in self._children:
            child.reap()

    async def _stop(self, tasks: Iterable[asyncio.Task[None]]) -> None:
        """End everything, from the gateway inwards, the servers last."""
        self.state.phase = "failed" if self.state.problem else "stopping"
        self._changed()
        for task in [*tasks, *([self._rolling] if self._rolling else [])]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for stage in sorted({child.process.stage for child in self._children}, reverse=True):
            here = [child for child in self._children if child.process.stage == stage]
            await asyncio.gather(*(child.stop(self._kill) for child in here))

    async def _cap_logs(self) -> None:
        while True:
            await asyncio.sleep(CAP_EVERY)
            logs.cap(self._logs)

    async def _print_logs(self) -> None:
        # Not a thread and not a process: a thread would not survive the forks, and this one ends when all logs are written.
        follower = logs.Follower(lambda: sorted(self._logs.glob("*.log")))
        while self._verbose:
            for log, line in follower.new_lines():
                print(logs.prefixed(log, line), flush=True)
            await asyncio.sleep(logs.FOLLOW_EVERY)

    async def _watch_owner(self) -> None:
        while self._owner is not None:
            if self._owner.process() is None:
                self._stopping.set()
            await asyncio.sleep(OWNER_EVERY)

    def _changed(self) -> None:
        self.state.write(self._run)


class _Child:
    """One process of the topology through all its lives."""

    def __init__(self, process: Process, folder: Path, changed: Callable[[], None]) -> None:
        self.process = process
        self.state = ProcessState(process.name, port=process.port)
        self.ready = asyncio.Event()  # was ready at least once
        self._log = folder / "logs" / f"{process.name}.log"
        self._changed = changed
        self._ended = asyncio.Event()
        self._answers = asyncio.Event()  # is ready in this life
        self._wanted_anew = False
        self._listener: socket.socket | None = None
        self._status = 0

    async def keep(self) -> None:
        """Start the process, and start it again whenever it ends, each time after a longer pause.

        A process that runs once is only repeated until it ends well. Raises Failed where it doesn't become ready in time at
        the first start; later, slow or failing restarts are tried for ever.
        """
        deadline = time.monotonic() + self.process.start_limit
        failures = 0
        while True:
            started = time.monotonic()
            await self._live()
            if self._done_well():
                return
            if self._wanted_anew:
                self._wanted_anew, failures = False, 0
                self._mark("restarting", why="it was asked to restart")
                continue
            if time.monotonic() - started > SETTLED:
                failures = 0
            failures += 1
            if failures > MOST_FAILURES:
                self._refuse()
            self._mark("restarting", why=self._how_it_ended())
            if not self.ready.is_set() and self._gives_up(deadline, failures):
                return
            self.state.restarts += 1
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (failures - 1))
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311  not a secret

    def listen(self) -> None:
        """Bind the process's port, where it is the supervisor's to bind. Raises Failed where somebody else has it."""
        if not self.process.listens or self._listener is not None:
            return
        assert self.process.port is not None
        self._listener = socket.socket()
        try:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._listener.bind(("127.0.0.1", self.process.port))
            self._listener.listen(BACKLOG)
        except OSError as error:
            self._refuse()
            raise Failed(f"{self.process.name} can't have port {self.process.port}: {error}.") from error

    def _refuse(self) -> None:
        """Close the socket until the next start: nobody shall wait for a process that doesn't come up."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    async def restart(self) -> None:
        """Have the process drain and end, and wait until its next life is ready or was given up on."""
        if not self._alive() or self.process.ready is None:
            return
        self._wanted_anew = True
        self._answers.clear()
        await self._end(asyncio.Event())
        with suppress(TimeoutError):
            await asyncio.wait_for(self._answers.wait(), self.process.start_limit)

    async def watch(self) -> None:
        """Ask now and then whether the process lives; kill it when it was silent too often. Its next life is another."""
        silences = 0
        while True:
            await asyncio.sleep(ALIVE_EVERY)
            if not self._answers.is_set() or not self._alive() or self._wanted_anew:
                silences = 0
                continue
            assert self.process.alive is not None
            assert self.state.identity is not None
            pid = self.state.identity.pid
            with suppress(TimeoutError):
                async with asyncio.timeout(ALIVE_LIMIT):
                    if await self.process.alive(pid):
                        silences = 0
                        continue
            silences += 1
            self.state.silences += 1
            self._changed()
            if silences >= MOST_SILENCES and self._alive() and self.state.identity.pid == pid:
                silences = 0
                print(f"{self.process.name} hangs and is killed", file=sys.stderr, flush=True)
                _signal_group(pid, signal.SIGKILL)

    async def stop(self, kill: asyncio.Event) -> None:
        """Ask the process to end; after its grace, or when ``kill`` is set, end it and all that it started."""
        if not self._alive():
            if self.state.state not in {"done", "failed"}:
                self._mark("stopped")
            return
        await self._end(kill)
        self._mark("stopped")

    async def _end(self, kill: asyncio.Event) -> None:
        """End this life in its own way; after its grace, or when ``kill`` is set, by force. What it started goes too."""
        assert self.state.identity is not None
        pid = self.state.identity.pid
        family = _descendants(pid)
        _signal(pid, self.process.stop)
        killed = asyncio.create_task(kill.wait())
        ended = asyncio.create_task(self._ended.wait())  # once done it stays so, though the next life may have begun
        await asyncio.wait({killed, ended}, timeout=self.process.grace, return_when=asyncio.FIRST_COMPLETED)
        killed.cancel()
        if not ended.done():
            _signal_group(pid, signal.SIGKILL)
            await ended
        _kill_all(family)

    def reap(self) -> None:
        """Take notice if the process has ended."""
        if not self._alive():
            return
        assert self.state.identity is not None
        pid, status = os.waitpid(self.state.identity.pid, os.WNOHANG)
        if pid:
            self._status = os.waitstatus_to_exitcode(status)
            self._ended.set()

    async def _live(self) -> None:
        """One life of the process: from its start to its end."""
        self._ended.clear()
        self._answers.clear()
        self.listen()
        pid = spawn.spawn(self.process.name, self._program(), self._log, listener=self._listener)
        self.state.identity = Identity.of(pid)
        self._mark("starting")
        if self.process.ready is not None:
            await self._become_ready(pid)
        await self._ended.wait()
        _signal_group(pid, signal.SIGKILL)  # what it left in its group

    def _program(self) -> Program:
        """What to run: one that is watched learns how often it was silent, to tell it with its other measurements."""
        program = self.process.program
        if self.process.alive is None:
            return program
        return replace(program, env={**program.env, "CLIPSTEAD_SILENCES": str(self.state.silences)})

    async def _become_ready(self, pid: int) -> None:
        """Ask until it is ready or has ended. One that takes too long is killed, and so ends."""
        assert self.process.ready is not None
        deadline = time.monotonic() + self.process.start_limit
        pause = CHECK_EVERY
        while not self._ended.is_set():
            if await self.process.ready(pid):
                self.ready.set()
                self._mark("ready")
                self._answers.set()
                return
            if time.monotonic() > deadline:
                _signal_group(pid, signal.SIGKILL)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), pause)
            pause = min(SLOWEST_CHECK, pause * 1.3)

    def _done_well(self) -> bool:
        if self.process.ready is None and self._status == 0:
            self._mark("done")
            self.ready.set()
            return True
        return False

    def _gives_up(self, deadline: float, failures: int) -> bool:
        """Decide about a process that never was ready. True: go on without it; raises Failed where that can't be."""
        if self.process.essential and time.monotonic() < deadline and failures < 6:
            return False
        self._mark("failed", why=self._how_it_ended())
        if self.process.essential:
            said = "\n".join(f"    {line}" for line in logs.last_lines(self._log, 15))
            raise Failed(f"{self.process.name} did not start: {self.state.why}. Its log ({self._log}) ends:\n{said}")
        return True

    def _how_it_ended(self) -> str:
        if self._status < 0:
            return f"it was ended by {signal.Signals(-self._status).name}"
        return f"it ended with status {self._status}"

    def _alive(self) -> bool:
        return self.state.identity is not None and not self._ended.is_set()

    def _mark(self, state: str, why: str = "") -> None:
        self.state.state = state
        if why:
            self.state.why = why
        self._changed()


def end_leftovers(state: State | None) -> list[str]:
    """End what a supervisor left that died without stopping its platform; the names of what was found.

    PostgreSQL gets its fast shutdown, as its data deserve; the rest is killed.
    """
    if state is None:
        return []
    found = {entry.name: entry.identity.process() for entry in state.processes if entry.identity}
    living = {name: process for name, process in found.items() if process}
    for name, process in living.items():
        family = [process, *process.children(recursive=True)]
        if name == "postgres":
            _signal(process.pid, signal.SIGINT)
        else:
            _kill_all(family)
    _gone, alive = psutil.wait_procs(living.values(), timeout=60)
    _kill_all(alive)
    return sorted(living)


def _descendants(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _kill_all(processes: Iterable[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()  # psutil makes sure that the id still means the same process


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _signal_group(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(pid, number)
