"""Foreign programs as well-kept children: ffmpeg, yt-dlp, whisper, PocketSphinx.

Each child has its own session (so that the whole group can be ended), dies with its parent, runs under limits, a deadline
and a no-progress timer, and has no network unless it asks for one. Nothing here knows what the child does.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from libs.telemetry import correlation_id, log

__all__ = [
    "ChildCancelled",
    "ChildDeadline",
    "ChildError",
    "ChildFailed",
    "ChildRefused",
    "ChildStalled",
    "Finished",
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
    """It ended with an error; ``status`` is negative for a signal, ``stderr`` its last words."""


class ChildRefused(ChildError):
    """It said itself why it can't: ``code`` is stable, ``detail`` a sentence a person can act on."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


class ChildStalled(ChildError):
    """No output, and so no progress, for ``stall`` seconds."""


class ChildDeadline(ChildError):
    """Not done within ``deadline`` seconds."""


class ChildCancelled(ChildError):
    """``cancelled()`` said so."""


@dataclass(frozen=True)
class Finished:
    """A child that ended well. ``stderr`` holds its last 16 KiB."""

    stdout: bytes
    stderr: str
    seconds: float


@dataclass
class _Watch:
    """When to lose patience."""

    deadline: float
    stall: float
    cancelled: Callable[[], bool] | None
    started: float = field(default_factory=time.monotonic)
    alive: float = field(default_factory=time.monotonic)

    def check(self) -> ChildError | None:
        now = time.monotonic()
        if self.cancelled is not None and self.cancelled():
            return ChildCancelled("cancelled")
        if now - self.started > self.deadline:
            return ChildDeadline(f"not done within {self.deadline:.0f} s")
        if now - self.alive > self.stall:
            return ChildStalled(f"no progress for {self.stall:.0f} s")
        return None


def run(
    argv: Sequence[str],
    *,
    deadline: float,
    stall: float = 60.0,
    memory: int | None = None,
    file_size: int | None = None,
    open_files: int = 512,
    network: bool = False,
    nice: int = 0,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    on_line: Callable[[str], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Finished:
    """Run a program to its end.

    Seconds for ``deadline`` and ``stall`` (any output is a sign of life); bytes for ``memory`` (address space) and
    ``file_size``. With ``on_line`` each line of standard output goes there and is not collected. ``env`` is added to a
    minimal environment: no setting or secret of ours leaks into a child. Raises a ChildError; the group is gone by then.
    """
    wishes = {
        "parent": os.getpid(),
        "network": network,
        "memory": memory,
        "file_size": file_size,
        "cpu_seconds": int(deadline * (os.cpu_count() or 1)) + 10,
        "open_files": open_files,
        "nice": nice,
    }
    guarded = [sys.executable, "-I", "-S", str(GUARD), json.dumps(wishes), "--", *argv]
    watch = _Watch(deadline, stall, cancelled)
    child = subprocess.Popen(
        guarded,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=cwd,
        env=_environment(env),
        start_new_session=True,
    )
    outputs = _Outputs(on_line)
    try:
        _pump(child, stdin, outputs, watch)
    except BaseException:
        end_group(child)
        raise
    finally:
        for pipe in (child.stdin, child.stdout, child.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
    _sweep(child.pid)  # grandchildren that outlived the child
    if child.returncode != 0:
        raise ChildFailed(
            f"{Path(argv[0]).name} ended with status {child.returncode}", status=child.returncode, stderr=outputs.stderr
        )
    return Finished(outputs.stdout, outputs.stderr, time.monotonic() - watch.started)


def run_module(
    module: str,
    request: Mapping[str, Any],
    *,
    on_message: Callable[[dict[str, Any]], None] | None = None,
    **limits: Any,  # those of ``run``
) -> dict[str, Any]:
    """Run ``python -m module`` with a JSON request and return its JSON result; see ``libs.process.child``.

    Messages that the child tells on the way go to ``on_message``. Raises ChildRefused with the child's own reason.
    """
    answer: dict[str, Any] = {}

    def take(line: str) -> None:
        try:
            message = json.loads(line)
        except ValueError:
            log.warning("a child said something that is no message", extra={"child": module, "said": line[:200]})
            return
        if "result" in message or "error" in message:
            answer.update(message)
        elif on_message is not None:
            on_message(message)

    env = {"PYTHONPATH": str(ROOT), **limits.pop("env", {})}
    try:
        run(
            [sys.executable, "-m", module],
            stdin=json.dumps(request).encode(),
            on_line=take,
            env=env,
            **{"cwd": ROOT, **limits},
        )
    except ChildFailed:
        if "error" not in answer:
            raise
    if "error" in answer:
        raise ChildRefused(answer["error"]["code"], answer["error"]["detail"])
    if "result" not in answer:
        raise ChildFailed(f"{module} ended without a result")
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

    def __init__(self, on_line: Callable[[str], None] | None) -> None:
        self._on_line = on_line
        self._collected: list[bytes] = []
        self._size = 0
        self._rest = b""
        self._last_words: deque[bytes] = deque()

    def say(self, data: bytes) -> None:
        """Take a piece of standard output."""
        if self._on_line is None:
            self._collected.append(data)
            self._size += len(data)
        else:
            *lines, self._rest = (self._rest + data).split(b"\n")
            for line in lines:
                self._on_line(line.decode(errors="replace"))
        if max(self._size, len(self._rest)) > MOST_STDOUT:
            raise ChildFailed("it would not stop talking", stderr=self.stderr)

    def complain(self, data: bytes) -> None:
        """Take a piece of standard error."""
        self._last_words.append(data)
        while sum(map(len, self._last_words)) - len(self._last_words[0]) > KEPT_STDERR:
            self._last_words.popleft()

    def end(self) -> None:
        """Hand on a last line that had no end."""
        if self._on_line is not None and self._rest:
            self._on_line(self._rest.decode(errors="replace"))

    @property
    def stdout(self) -> bytes:
        return b"".join(self._collected)

    @property
    def stderr(self) -> str:
        return b"".join(self._last_words)[-KEPT_STDERR:].decode(errors="replace")


def _pump(child: subprocess.Popen[bytes], stdin: bytes, outputs: _Outputs, watch: _Watch) -> None:
    """Feed and drain the child without blocking on any one pipe, until it ends."""
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stderr is not None
    for pipe in (child.stdin, child.stdout, child.stderr):
        os.set_blocking(pipe.fileno(), False)
    left = memoryview(stdin)
    readers = {child.stdout: outputs.say, child.stderr: outputs.complain}
    writers = [child.stdin]
    while readers:
        _lose_patience(watch, outputs)
        readable, writable, _ = select.select(list(readers), writers, [], TICK)
        if writable:
            left = _feed(child, left)
            if not left:
                child.stdin.close()
                writers = []
        for pipe in readable:
            data = pipe.read(65536)
            if data:
                watch.alive = time.monotonic()
                readers[pipe](data)
            else:
                del readers[pipe]
        if child.poll() is not None and not readable:
            break  # a grandchild may hold the pipes open; the caller sweeps the group
    outputs.end()
    while child.poll() is None:
        _lose_patience(watch, outputs)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(TICK)


def _lose_patience(watch: _Watch, outputs: _Outputs) -> None:
    problem = watch.check()
    if problem is not None:
        problem.stderr = outputs.stderr
        raise problem


def _feed(child: subprocess.Popen[bytes], left: memoryview) -> memoryview:
    assert child.stdin is not None
    try:
        return left[os.write(child.stdin.fileno(), left[:65536]) :] if left else left
    except BrokenPipeError:
        return left[len(left) :]  # it ended without reading; its status tells why


def end_group(child: subprocess.Popen[bytes]) -> None:
    """End a child and all it started: SIGTERM, two seconds of grace, SIGKILL."""
    if child.poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGTERM)
        try:
            child.wait(GRACE)
        except subprocess.TimeoutExpired:
            log.warning("a child ignored SIGTERM", extra={"pid": child.pid})
    _sweep(child.pid)
    child.wait()


def _sweep(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


@cache
def network_can_be_cut() -> bool:
    """Tell whether children without network really have none here (``doctor`` reports it)."""
    if sys.platform != "linux":
        return False
    look = (
        "import socket,sys\nsock=socket.socket()\nsock.settimeout(1)\n"
        "sys.exit(0 if sock.connect_ex(('127.0.0.1', 9)) in (101, 100) else 1)"
    )
    try:
        run([sys.executable, "-I", "-S", "-c", look], deadline=10)
    except ChildError:
        return False
    return True
