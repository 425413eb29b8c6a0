"""Foreign programs as well-kept children: ffmpeg, yt-dlp, whisper, PocketSphinx.

Each child has its own session under a small supervisor (``_guard.py``). When our process ends, also by SIGKILL, the
supervisor kills the child and all that descends from it. It runs under limits of memory, processor time, file size, open
files and processes, a deadline and a no-progress timer; leaves no core dump; is the first that the kernel takes when memory
runs out; and has no network unless it asks for one: ``isolation`` tells by what means. Nothing here knows what the child
does.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Self

from prometheus_client import Counter

from libs.telemetry import correlation_id, log, redact

__all__ = [
    "ChildCancelled",
    "ChildDeadline",
    "ChildError",
    "ChildFailed",
    "ChildRefused",
    "ChildStalled",
    "Door",
    "Finished",
    "Isolation",
    "isolation",
    "network_can_be_cut",
    "run",
    "run_module",
]

GUARD = Path(__file__).with_name("_guard.py")
ROOT = Path(__file__).resolve().parents[2]
KEPT_STDERR = 16 * 1024  # bytes
MOST_STDOUT = 64 * 1024 * 1024  # bytes; more than that is a child gone wild
GRACE = 2.0  # seconds between SIGTERM and SIGKILL
TICK = 0.25  # seconds between looks at deadline, stall and cancel
TASKS = 1024  # processes and threads of one child, where they can be counted by themselves
_QUERY = re.compile(
    r"(?P<keep>https?://[^\s?#\"'<>]+\?)[^\s\"'<>]+", re.IGNORECASE
)  # where links carry their signatures
_TOOL = re.compile(r"[A-Za-z_]*[A-Za-z]")  # of a program's name: without version and platform
_PRIVATE = getattr(socket, "MSG_CMSG_CLOEXEC", 0)  # what we are handed is not for our other children
OOM_SCORE = 500  # of 1000: taken before any service, after what the administrator marked with more

STALLS = Counter("ffmpeg_stalls", "Children that were ended because they made no progress, by program.", ["tool"])


class ChildError(Exception):
    """A child did not do its work.

    ChildError
    ├── ChildFailed       it ended with an error
    ├── ChildRefused      it said itself, with a code and a sentence, why it can't
    ├── ChildStalled      no sign of life for too long
    ├── ChildDeadline     it took too long altogether
    └── ChildCancelled    we were told to stop it
    """

    def __init__(self, message: str, *, status: int | None = None, stderr: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.stderr = stderr


class ChildFailed(ChildError):
    """It ended with an error; ``status`` is negative for a signal, ``stderr`` its last words, secrets taken out."""


class ChildRefused(ChildError):
    """It said itself why it can't: ``code`` is stable, ``detail`` a sentence a person can act on."""

    def __init__(self, code: str, detail: str, *, stderr: str = "") -> None:
        super().__init__(f"{code}: {detail}", stderr=stderr)
        self.code = code
        self.detail = detail


class ChildStalled(ChildError):
    """No progress for ``stall`` seconds, however busy it was."""


class ChildDeadline(ChildError):
    """Not done within ``deadline`` seconds."""


class ChildCancelled(ChildError):
    """``cancelled()`` said so."""


@dataclass(frozen=True)
class Isolation:
    """What kept a child apart: a network ``namespace`` of its own, a ``filter`` of system calls."""

    namespace: bool = False
    filter: bool = False


@dataclass(frozen=True)
class Door:
    """The one way out of a child's own network namespace: a listener on its loopback at ``port``, served by us.

    ``opened`` gets the listening socket, to keep and to close. Where the system has no namespace for us it is never called,
    and the child shares our network.
    """

    port: int
    opened: Callable[[socket.socket], None]


@dataclass(frozen=True)
class Finished:
    """A child that ended well. ``stderr`` holds its last 16 KiB, secrets taken out."""

    stdout: bytes
    stderr: str
    seconds: float
    isolation: Isolation = Isolation()


@dataclass
class _Watch:
    """When to lose patience."""

    deadline: float
    stall: float
    cancelled: Callable[[], bool] | None
    pulse: Callable[[], object] | None = None
    started: float = field(default_factory=time.monotonic)
    alive: float = field(default_factory=time.monotonic)
    felt: object = None

    def check(self) -> ChildError | None:
        now = time.monotonic()
        if self.pulse is not None and (felt := self.pulse()) != self.felt:
            self.felt, self.alive = felt, now
        if self.cancelled is not None and self.cancelled():
            return ChildCancelled("cancelled")
        if now - self.started > self.deadline:
            return ChildDeadline(f"not done within {self.deadline:.0f} s")
        if now - self.alive > self.stall:
            return ChildStalled(f"no progress for {self.stall:.0f} s")
        return None

    def insist(self) -> None:
        """Raise what ``check`` finds."""
        problem = self.check()
        if problem is not None:
            raise problem


def run(
    argv: Sequence[str],
    *,
    deadline: float,
    stall: float = 60.0,
    memory: int | None = None,
    file_size: int | None = None,
    open_files: int = 512,
    alone: bool = False,
    network: bool | Door = False,
    nice: int = 0,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    on_line: Callable[[str], bool | None] | None = None,
    pulse: Callable[[], object] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Finished:
    """Run a program to its end.

    Seconds for ``deadline`` and ``stall``; bytes for ``memory`` (address space) and ``file_size``. Progress is standard
    output, or ``pulse`` giving another value than before; complaints on standard error are none. With ``on_line`` each
    line of standard output goes there and is not collected; where it returns False the line was no progress.
    ``alone``: it may start no process. ``env`` is added to a minimal environment: no setting or secret of ours leaks into
    a child. Raises a ChildError; all that the child started is gone by then.
    """
    ours, theirs = socket.socketpair()
    wishes = {
        "lifeline": theirs.fileno(),
        "network": "door" if isinstance(network, Door) else "shared" if network else "none",
        "port": network.port if isinstance(network, Door) else 0,
        "alone": alone,
        "memory": memory,
        "file_size": file_size,
        "cpu_seconds": int(deadline * (os.cpu_count() or 1)) + 10,
        "open_files": open_files,
        "tasks": TASKS,
        "oom_score": OOM_SCORE,
        "nice": nice,
    }
    guarded = [sys.executable, "-I", "-S", str(GUARD), json.dumps(wishes), "--", *argv]
    watch = _Watch(deadline, stall, cancelled, pulse)
    outputs = _Outputs(on_line)
    with _Lifeline(ours, network if isinstance(network, Door) else None) as lifeline:
        with theirs:
            child = subprocess.Popen(
                guarded,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=cwd,
                env=_environment(env),
                start_new_session=True,
                pass_fds=[theirs.fileno()],
            )
        try:
            _pump(child, stdin, outputs, watch, lifeline)
        except BaseException as error:
            if isinstance(error, ChildStalled):
                STALLS.labels(_tool(argv)).inc()
            _end(child, lifeline)
            raise
        finally:
            for pipe in (child.stdin, child.stdout, child.stderr):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
        _sweep(child.pid)  # where the supervisor itself was killed
    if child.returncode != 0:
        raise ChildFailed(_ending(argv[0], child.returncode), status=child.returncode, stderr=outputs.stderr)
    return Finished(outputs.stdout, outputs.stderr, time.monotonic() - watch.started, lifeline.isolation)


def _tool(argv: Sequence[str]) -> str:
    """What a child is called in the measurements: ``ffmpeg`` whatever its build, ``probe_child`` for a module of ours."""
    if list(argv[1:2]) == ["-m"]:
        return argv[2].rpartition(".")[2]
    found = _TOOL.match(Path(argv[0]).name)
    return found[0] if found else "other"


def _ending(program: str, status: int) -> str:
    name = Path(program).name
    if status >= 0:
        return f"{name} ended with status {status}"
    known = {signal.SIGKILL: " (as the kernel does when memory runs out)", signal.SIGXCPU: " (out of processor time)"}
    return f"{name} was killed by {signal.Signals(-status).name}{known.get(signal.Signals(-status), '')}"


def run_module(
    module: str,
    request: Mapping[str, Any],
    *,
    on_message: Callable[[dict[str, Any]], None] | None = None,
    **limits: Any,  # those of ``run``
) -> dict[str, Any]:
    """Run ``python -m module`` with a JSON request and return its JSON result; see ``libs.process.child``.

    Messages that the child tells on the way go to ``on_message``; one that says the same as the last is no progress.
    Raises ChildRefused with the child's own reason.
    """
    answer: dict[str, Any] = {}
    last = ""

    def take(line: str) -> bool:
        nonlocal last
        try:
            message = json.loads(line)
        except ValueError:
            log.warning("a child said something that is no message", extra={"child": module, "said": line[:200]})
            return False
        if "result" in message or "error" in message:
            answer.update(message)
        elif on_message is not None:
            on_message(message)
        news, last = line != last, line
        return news

    env = {"PYTHONPATH": str(ROOT), **limits.pop("env", {})}
    stderr = ""
    try:
        finished = run(
            [sys.executable, "-m", module],
            stdin=json.dumps(request).encode(),
            on_line=take,
            env=env,
            **{"cwd": ROOT, **limits},
        )
        stderr = finished.stderr
    except ChildFailed as failure:
        if "error" not in answer:
            raise
        stderr = failure.stderr
    if "error" in answer:
        raise ChildRefused(answer["error"]["code"], answer["error"]["detail"], stderr=stderr)
    if "result" not in answer:
        raise ChildFailed(f"{module} ended without a result", status=0, stderr=stderr)
    result: dict[str, Any] = answer["result"]
    return result


def _environment(extra: Mapping[str, str] | None) -> dict[str, str]:
    kept = (
        "PATH",
        "HOME",
        "LANG",
        "LC_ALL",
        "TMPDIR",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "SYSTEMROOT",
        "LD_LIBRARY_PATH",
    )
    return {
        **{name: os.environ[name] for name in kept if name in os.environ},
        "CLIPSTEAD_CORRELATION_ID": correlation_id(),
        **(extra or {}),
    }


class _Outputs:
    """What a child says: lines handed on or bytes collected, and the last 16 KiB of its standard error."""

    def __init__(self, on_line: Callable[[str], bool | None] | None) -> None:
        self._on_line = on_line
        self._collected: list[bytes] = []
        self._size = 0
        self._rest = b""
        self._last_words: deque[bytes] = deque()

    def say(self, data: bytes) -> bool:
        """Take a piece of standard output; tells whether it was progress."""
        progress = self._on_line is None
        if self._on_line is None:
            self._collected.append(data)
            self._size += len(data)
        else:
            *lines, self._rest = (self._rest + data).split(b"\n")
            for line in lines:
                progress |= self._on_line(line.decode(errors="replace")) is not False
        if max(self._size, len(self._rest)) > MOST_STDOUT:
            raise ChildFailed("it would not stop talking")
        return progress

    def complain(self, data: bytes) -> bool:
        """Take a piece of standard error, which is never progress."""
        self._last_words.append(data)
        while sum(map(len, self._last_words)) - len(self._last_words[0]) > KEPT_STDERR:
            self._last_words.popleft()
        return False

    def end(self) -> None:
        """Hand on a last line that had no end."""
        if self._on_line is not None and self._rest:
            self._on_line(self._rest.decode(errors="replace"))

    @property
    def stdout(self) -> bytes:
        return b"".join(self._collected)

    @property
    def stderr(self) -> str:
        kept = b"".join(self._last_words)[-KEPT_STDERR:].decode(errors="replace")
        return redact(_QUERY.sub(lambda found: found["keep"] + "…", kept))


class _Lifeline:
    """Our end of the socket that keeps a child alive: closing it has the supervisor kill all that it started."""

    def __init__(self, line: socket.socket, door: Door | None) -> None:
        self.line, self._door = line, door
        self.isolation = Isolation()
        self._said = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.line.close()

    def hear(self) -> bool:
        """Take in what the child tells of its isolation, and its door if it has one. False when all is told."""
        said, descriptors, _flags, _address = socket.recv_fds(self.line, 4096, 1, _PRIVATE)
        for descriptor in descriptors:
            listener = socket.socket(fileno=descriptor)
            if self._door is None:
                listener.close()
            else:
                self._door.opened(listener)
        self._said += said
        if self._said.endswith(b"\n"):
            self.isolation = Isolation(**json.loads(self._said))
            return False
        return bool(said)


def _pump(child: subprocess.Popen[bytes], stdin: bytes, outputs: _Outputs, watch: _Watch, lifeline: _Lifeline) -> None:
    """Feed and drain the child without blocking on any one pipe, until it ends. A ChildError has the last words."""
    try:
        _exchange(child, stdin, outputs, watch, lifeline)
        outputs.end()
        while child.poll() is None:
            watch.insist()
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(TICK)
    except ChildError as error:
        error.stderr = error.stderr or outputs.stderr
        raise


def _exchange(
    child: subprocess.Popen[bytes], stdin: bytes, outputs: _Outputs, watch: _Watch, lifeline: _Lifeline
) -> None:
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stderr is not None
    for pipe in (child.stdin, child.stdout, child.stderr):
        os.set_blocking(pipe.fileno(), False)
    left = memoryview(stdin)
    readers: dict[Any, Callable[[bytes], bool]] = {child.stdout: outputs.say, child.stderr: outputs.complain}
    writers: list[Any] = [child.stdin]
    told: list[Any] = [lifeline.line]
    while readers:
        watch.insist()
        readable, writable, _ = select.select([*readers, *told], writers, [], TICK)
        if writable:
            left = _feed(child, left)
            if not left:
                child.stdin.close()
                writers = []
        for pipe in readable:
            if pipe is lifeline.line:
                told = told if lifeline.hear() else []
                continue
            data = pipe.read(65536)
            if not data:
                del readers[pipe]
            elif readers[pipe](data):
                watch.alive = time.monotonic()
        if child.poll() is not None and not readable:
            break  # somebody may still hold the pipes open; the caller sweeps the group


def _feed(child: subprocess.Popen[bytes], left: memoryview) -> memoryview:
    assert child.stdin is not None
    try:
        return left[os.write(child.stdin.fileno(), left[:65536]) :] if left else left
    except BrokenPipeError:
        return left[len(left) :]  # it ended without reading; its status tells why


def _end(child: subprocess.Popen[bytes], lifeline: _Lifeline) -> None:
    """End a child and all it started: SIGTERM, two seconds of grace, SIGKILL."""
    if child.poll() is None:
        for number in (signal.SIGTERM, signal.SIGCONT):  # one that was stopped must be woken to end
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, number)
        if not _ended(child):
            log.warning("a child ignored SIGTERM", extra={"pid": child.pid})
            lifeline.line.close()  # the supervisor reaches also what has left the group
            _ended(child)
    _sweep(child.pid)
    child.wait()


def _ended(child: subprocess.Popen[bytes]) -> bool:
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(GRACE)
    return child.returncode is not None


def _sweep(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


@cache
def isolation() -> Isolation:
    """What keeps children without network from having one on this machine; tried once (``doctor`` reports it)."""
    try:
        return run(["true"], deadline=20).isolation
    except (ChildError, OSError) as error:
        log.warning("children can't be started as they should", extra={"reason": str(error)})
        return Isolation()


def network_can_be_cut() -> bool:
    """Tell whether children without network really have none here, by whichever means."""
    return isolation().namespace or isolation().filter
