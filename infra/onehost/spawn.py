"""How a process is born: in a session of its own, logging to its own file, and dying with its parent.

A Python process costs two seconds of imports, and there are sixteen. On Linux the supervisor therefore imports the shared
libraries once and *forks*: a child begins where the imports ended and shares their memory. That is safe because the
supervisor has a single thread and never uses what it imported. Elsewhere, and for other programs, a child *executes* afresh.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import importlib
import os
import pwd
import runpy
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

__all__ = ["FORKS", "Program", "preload", "spawn"]

FORKS = sys.platform == "linux"  # macOS frameworks don't survive a fork without exec
LISTENER = 3  # the first file after the standard ones
PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15

SHARED = (
    "dramatiq.brokers.redis",
    "fastapi",
    "fastapi.openapi.utils",
    "httptools",
    "httpx",
    "jwt",
    "psycopg_pool",
    "redis.asyncio",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.orm",
    "uvicorn.lifespan.on",
    "uvicorn.protocols.http.httptools_impl",
    "uvloop",
    "libs.bus.relay",
    "libs.bus.worker",
    "libs.contracts.events",
    "libs.database.migrate",
    "libs.process",
    "libs.storage",
    "libs.web",
)
"""What every service imports anyway."""


@dataclass(frozen=True)
class Program:
    """What to run. With ``module``, a Python module and its arguments; else ``argv``, a program and its arguments."""

    argv: Sequence[str] = ()
    module: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    folder: Path = Path("/")
    system_user: str | None = None
    dies_by: signal.Signals = signal.SIGKILL  # what it gets when the supervisor dies


def preload() -> None:
    """Import what the services share, for the children to inherit. Does nothing where children don't fork."""
    if not FORKS:
        return
    for module in SHARED:
        importlib.import_module(module)
    if threading.active_count() > 1:
        raise RuntimeError(f"a shared library started a thread, which no fork survives: {threading.enumerate()}")
    # Collections in children would write to every object's header and so copy all the pages that are shared.
    gc.collect()
    gc.freeze()


def spawn(name: str, program: Program, log: Path, *, listener: socket.socket | None = None, fork: bool = FORKS) -> int:
    """Start a program and return its process id. What it prints is appended to ``log``.

    It inherits ``listener`` as file ``LISTENER``, and is told so in ``CLIPSTEAD_LISTEN_FD``.
    """
    if listener is not None:
        program = replace(program, env={**program.env, "CLIPSTEAD_LISTEN_FD": str(LISTENER)})
    parent = os.getpid()
    sys.stdout.flush()  # or the child would say it again
    sys.stderr.flush()
    # Between the fork and the reset of its handlers, a signal to the child would wake the parent's event loop.
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        pid = os.fork()
        if pid == 0:
            _child(name, program, log, parent, listener, fork)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signal.valid_signals())
    return pid


def _child(name: str, program: Program, log: Path, parent: int, listener: socket.socket | None, fork: bool) -> None:
    """Never returns."""
    code = 1
    try:
        _detach(name, program, log, parent, listener)
        if program.module and fork:
            code = _run_module(program)
        else:
            _execute(program)
    except BaseException:  # nothing may unwind into the parent's stack, of which this is a copy
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _detach(name: str, program: Program, log: Path, parent: int, listener: socket.socket | None) -> None:
    """Leave behind everything of the parent's: session, handlers, files, user, folder."""
    os.setsid()
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    kept = listener.fileno() if listener is not None else None
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    if kept is not None:
        os.dup2(kept, LISTENER)
    os.closerange(LISTENER + (kept is not None), os.sysconf("SC_OPEN_MAX"))
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    if program.system_user:
        entry = pwd.getpwnam(program.system_user)
        os.setgroups([])
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
    _die_with(parent, program.dies_by)  # after the change of user, which would forget it
    _show_as(name)
    os.chdir(program.folder)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signal.valid_signals())


def _execute(program: Program) -> None:
    """Become another program. Python ignores two signals that others expect to act."""
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    argv = [sys.executable, "-m", program.module, *program.argv] if program.module else list(program.argv)
    os.execve(argv[0], argv, dict(program.env))  # noqa: S606  programs of our own topology


def _die_with(parent: int, by: signal.Signals) -> None:
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, by, 0, 0, 0)
    if os.getppid() != parent:  # it died before the line above
        os._exit(1)


def _show_as(name: str) -> None:
    """Let ``ps`` and ``top`` show the process's own name; Linux keeps 15 characters of it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_NAME, name.encode()[:15], 0, 0, 0)


def _run_module(program: Program) -> int:
    """Be ``python -m module argv…`` from here on, and return the exit status."""
    asyncio._set_running_loop(None)  # noqa: SLF001  the parent's loop runs in the parent
    os.environ.clear()
    os.environ.update(program.env)
    sys.argv = [program.module, *program.argv]
    try:
        runpy.run_module(program.module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        return _status(end.code)
    finally:
        threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001  waits for threads, as the interpreter does before it ends
    return 0


def _status(code: object) -> int:
    if code is None or isinstance(code, int):
        return code or 0
    print(code, file=sys.stderr)
    return 1
