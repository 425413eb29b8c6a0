"""Children end when they should, and take everything of theirs with them."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import site
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import psutil
import pytest
from prometheus_client import REGISTRY

from libs import process

PYTHON = [sys.executable, "-I", "-S", "-c"]


def gone(pid: int, limit: float = 10) -> bool:
    """Wait until a process has ended (or is a zombie that its own parent has to reap)."""
    until = time.monotonic() + limit
    while time.monotonic() < until:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        threading.Event().wait(0.05)
    return False


def test_output_and_error_are_kept_apart() -> None:
    finished = process.run([*PYTHON, "import sys; print('out'); print('err', file=sys.stderr)"], deadline=10)
    assert (finished.stdout, finished.stderr) == (b"out\n", "err\n")


def test_failure_tells_status_and_last_words() -> None:
    with pytest.raises(process.ChildFailed) as caught:
        process.run([*PYTHON, "import sys; sys.stderr.write('x' * 100_000 + 'the end'); sys.exit(3)"], deadline=10)
    assert caught.value.status == 3
    assert caught.value.stderr.endswith("the end")
    assert len(caught.value.stderr) == process.KEPT_STDERR


def test_large_input_and_output_do_not_deadlock() -> None:
    data = os.urandom(1 << 20) * 5
    assert process.run(["cat"], deadline=20, stdin=data).stdout == data


def test_silence_and_slowness_are_told_apart() -> None:
    with pytest.raises(process.ChildStalled):
        process.run(["sleep", "30"], deadline=20, stall=0.5)
    chatty = "import time\nwhile True:\n print('.', flush=True)\n time.sleep(0.05)"
    with pytest.raises(process.ChildDeadline):
        process.run([*PYTHON, chatty], deadline=1, stall=0.9)


def stalls(tool: str) -> float:
    return REGISTRY.get_sample_value("ffmpeg_stalls_total", {"tool": tool}) or 0.0


def test_an_ffmpeg_that_hangs_is_counted_by_its_name(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")  # nobody ever writes to it
    before = stalls("ffmpeg")
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(),
        "-v",
        "error",
        "-nostdin",
        "-i",
        str(tmp_path / "fifo"),
        "-f",
        "null",
        "-",
    ]
    with pytest.raises(process.ChildStalled):
        process.run(command, deadline=20, stall=1)
    assert stalls("ffmpeg") == before + 1


def test_what_ends_or_is_cancelled_is_no_stall() -> None:
    before = stalls("true") + stalls("sleep")
    process.run(["true"], deadline=10)
    with pytest.raises(process.ChildCancelled):
        process.run(["sleep", "30"], deadline=20, cancelled=lambda: True)
    with pytest.raises(process.ChildDeadline):
        process.run(["sleep", "30"], deadline=1)
    assert stalls("true") + stalls("sleep") == before


def test_cancel_ends_grandchildren_that_ignore_sigterm() -> None:
    pids: list[int] = []
    script = (
        "import os,signal,subprocess,sys,time\n"
        "deaf='import signal,time;signal.signal(15,signal.SIG_IGN);time.sleep(60)'\n"
        "inner=subprocess.Popen([sys.executable,'-c',deaf])\n"
        "print(inner.pid, flush=True)\ntime.sleep(60)"
    )
    with pytest.raises(process.ChildCancelled):
        process.run(
            [*PYTHON, script], deadline=30, on_line=lambda line: pids.append(int(line)), cancelled=lambda: bool(pids)
        )
    assert gone(pids[0])


def test_a_grandchild_left_behind_is_swept() -> None:
    finished = process.run(["sh", "-c", "sleep 60 & echo $!"], deadline=10)
    assert gone(int(finished.stdout))


linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux's own means")


def written(note: Path, limit: float = 20) -> list[int]:
    """Wait for the process ids that a child writes into a file, one line."""
    until = time.monotonic() + limit
    while not note.exists() or not note.read_text().endswith("\n"):
        assert time.monotonic() < until
        threading.Event().wait(0.05)
    return [int(pid) for pid in note.read_text().split()]


# A Python child with an ffmpeg in its group, which would go on for ever, and another program that left the group.
FAMILY = f"""
import os, subprocess, sys, time
endless = "-v quiet -nostdin -re -f lavfi -i anullsrc -f null -".split()
near = subprocess.Popen([{imageio_ffmpeg.get_ffmpeg_exe()!r}, *endless])
far = subprocess.Popen(["sleep", "60"], start_new_session=True)
with open(sys.argv[1], "w") as note:
    print(os.getppid(), os.getpid(), near.pid, far.pid, file=note)
time.sleep(60)
"""


@contextmanager
def worker(note: Path, family: str = FAMILY, interpreter: str = sys.executable) -> Iterator[subprocess.Popen[bytes]]:
    """A process that runs a child with a family, as a worker does."""
    script = (
        "import sys\nfrom libs import process\n"
        "process.run([sys.executable, '-I', '-S', '-c', *sys.argv[1:]], deadline=60)"
    )
    with subprocess.Popen([interpreter, "-c", script, family, str(note)], cwd=process.ROOT) as parent:
        try:
            yield parent
        finally:
            parent.kill()


def test_a_killed_worker_takes_its_children_and_theirs_along(tmp_path: Path) -> None:
    with worker(tmp_path / "pids") as parent:
        supervisor, *family = written(tmp_path / "pids")
        parent.kill()
        parent.wait()
        killed = time.monotonic()
        assert all(gone(pid) for pid in family[: 3 if sys.platform == "linux" else 2])
        assert time.monotonic() - killed < 2
        assert gone(supervisor)


@linux
def test_a_supervisor_that_was_stopped_still_ends_everything_with_its_worker(tmp_path: Path) -> None:
    with worker(tmp_path / "pids") as parent:
        supervisor, *family = written(tmp_path / "pids")
        os.kill(supervisor, signal.SIGSTOP)
        parent.kill()
        parent.wait()
        assert all(gone(pid, 2) for pid in [supervisor, *family])


@linux
def test_a_killed_supervisor_takes_the_child_along_and_the_worker_the_rest(tmp_path: Path) -> None:
    with worker(tmp_path / "pids") as parent:
        supervisor, child, near, far = written(tmp_path / "pids")
        os.kill(supervisor, signal.SIGKILL)
        assert parent.wait(10)
        assert gone(child, 2)
        assert gone(near, 2)
        os.kill(far, signal.SIGKILL)  # it had left the group, and nobody was there to adopt it


def test_a_killed_child_leaves_nobody_behind(tmp_path: Path) -> None:
    with worker(tmp_path / "pids") as parent:
        _supervisor, child, *grandchildren = written(tmp_path / "pids")
        os.kill(child, signal.SIGKILL)
        assert parent.wait(10)
        assert all(gone(pid, 2) for pid in grandchildren[: 2 if sys.platform == "linux" else 1])


def test_a_child_that_is_stopped_is_cut_like_any_that_makes_no_progress() -> None:
    begun = time.monotonic()
    with pytest.raises(process.ChildStalled):
        process.run([*PYTHON, "import os; os.kill(os.getpid(), 19)"], deadline=30, stall=0.5)
    assert time.monotonic() - begun < 10


def test_being_busy_and_complaining_is_no_progress() -> None:
    busy = "import sys\nwhile True: print('working on it', file=sys.stderr, flush=True)"
    with pytest.raises(process.ChildStalled) as caught:
        process.run([*PYTHON, busy], deadline=20, stall=1)
    assert "working on it" in caught.value.stderr


def test_lines_that_tell_nothing_new_are_no_progress() -> None:
    chatty = "import time\nwhile True:\n print('same', flush=True)\n time.sleep(0.05)"
    with pytest.raises(process.ChildStalled):
        process.run([*PYTHON, chatty], deadline=20, stall=1, on_line=lambda line: line != "same")


def test_a_pulse_keeps_a_silent_child_alive_for_as_long_as_it_beats() -> None:
    started = time.monotonic()
    with pytest.raises(process.ChildStalled):
        process.run(["sleep", "60"], deadline=30, stall=0.5, pulse=lambda: min(time.monotonic() - started, 2))
    assert time.monotonic() - started > 2


def test_every_ending_has_the_last_words_without_secrets() -> None:
    said = "http://import:hunter2secret@127.0.0.1:9/x https://cdn/v.mp4?e=1&sig=s1gned"
    words = f"import sys,time; print({said!r}, file=sys.stderr, flush=True); "
    endings: list[tuple[type[process.ChildError], str, dict[str, Any]]] = [
        (process.ChildFailed, "sys.exit(1)", {}),
        (process.ChildFailed, "import os; os.kill(os.getpid(), 9)", {}),
        (process.ChildFailed, "print('x' * 70_000_000)", {}),
        (process.ChildStalled, "time.sleep(30)", {"stall": 0.5}),
        (process.ChildDeadline, "time.sleep(30)", {"deadline": 0.5}),
    ]
    if sys.platform == "linux":
        endings.append((process.ChildFailed, "bytearray(2_000_000_000)", {"memory": 500_000_000}))
    for kind, end, limits in endings:
        with pytest.raises(kind) as caught:
            process.run([*PYTHON, words + end], **{"deadline": 20, **limits})
        assert "import:" in caught.value.stderr, end
        assert "cdn/v.mp4" in caught.value.stderr, end
        assert "hunter2secret" not in caught.value.stderr, end
        assert "s1gned" not in caught.value.stderr, end
    looks: list[int] = []
    with pytest.raises(process.ChildCancelled) as cancelled:
        process.run(
            [*PYTHON, words + "time.sleep(30)"], deadline=20, cancelled=lambda: bool(looks.append(1) or looks[8:])
        )
    assert "import:" in cancelled.value.stderr


def test_a_signal_is_told_by_its_name() -> None:
    with pytest.raises(process.ChildFailed, match=r"SIGKILL.*memory") as caught:
        process.run([*PYTHON, "import os; os.kill(os.getpid(), 9)"], deadline=10)
    assert caught.value.status == -signal.SIGKILL


def test_a_program_that_is_not_there_fails_plainly() -> None:
    with pytest.raises(process.ChildFailed) as caught:
        process.run(["no-such-program"], deadline=10)
    assert (caught.value.status, caught.value.stderr) == (127, "no-such-program: No such file or directory\n")


@pytest.mark.skipif(sys.platform != "linux", reason="macOS has no address-space limit")
def test_memory_limit_holds() -> None:
    with pytest.raises(process.ChildFailed) as caught:
        process.run([*PYTHON, "x = bytearray(2_000_000_000)"], deadline=20, memory=500_000_000)
    assert "MemoryError" in caught.value.stderr


def test_file_size_limit_holds(tmp_path: Path) -> None:
    with pytest.raises(process.ChildFailed):
        process.run(["dd", "if=/dev/zero", f"of={tmp_path}/big", "bs=1k", "count=4096"], deadline=20, file_size=1 << 20)
    assert (tmp_path / "big").stat().st_size <= 1 << 20


def test_no_secret_of_ours_reaches_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIPSTEAD_LINK_SECRET", "canary")
    assert b"canary" not in process.run(["env"], deadline=10).stdout


@contextmanager
def canary() -> Iterator[tuple[int, list[object]]]:
    """A listener on loopback: its port, and whoever came."""
    hits: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            while True:
                try:
                    line, who = listener.accept()
                except OSError:
                    return
                hits.append(who)
                line.close()

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1], hits
        listener.shutdown(socket.SHUT_RDWR)


# Tries every way out that a program has, and tells what it reached.
KNOCK = """
import json, socket, sys
reached = []
def attempt(family, kind, address):
    try:
        with socket.socket(family, kind) as sock:
            sock.settimeout(2)
            sock.connect(address)
            sock.send(b"x")
            reached.append(address)
    except OSError:
        return
for port in json.loads(sys.argv[1]):
    attempt(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", port))
    attempt(socket.AF_INET6, socket.SOCK_STREAM, ("::ffff:127.0.0.1", port))
    attempt(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", port))
for path in sys.argv[2:]:
    attempt(socket.AF_UNIX, socket.SOCK_STREAM, path)
print(json.dumps(reached))
"""


def knocked(ports: list[int], *paths: str, network: bool | process.Door = False) -> list[Any]:
    found = process.run([*PYTHON, KNOCK, json.dumps(ports), *paths], deadline=30, network=network)
    return list(json.loads(found.stdout))


def cut_off() -> None:
    if not process.network_can_be_cut():
        pytest.skip("this system has neither network namespaces nor a filter for us")


def test_a_child_reaches_nothing_unless_the_network_is_wanted(tmp_path: Path) -> None:
    cut_off()
    path = str(tmp_path / "service.sock")
    with canary() as (port, hits), socket.socket(socket.AF_UNIX) as service:
        service.bind(path)
        service.listen()
        assert knocked([port], path) == []
        assert hits == []
        assert len(knocked([port], path, network=True)) == 4
        assert len(hits) == 2


# From inside a child, whose filter allows no namespaces, children of its own have the filter alone.
NESTED = """
import json, sys
from libs import process
found = process.run([sys.executable, "-I", "-S", "-c", *sys.argv[1:]], deadline=30)
print(json.dumps([found.isolation.namespace, found.isolation.filter, json.loads(found.stdout)]))
"""


@linux
def test_where_there_are_no_namespaces_the_filter_alone_keeps_the_network_away(tmp_path: Path) -> None:
    cut_off()
    if not process.isolation().filter:
        pytest.skip("no filter is known for this processor")
    path = str(tmp_path / "service.sock")
    with canary() as (port, hits), socket.socket(socket.AF_UNIX) as service:
        service.bind(path)
        service.listen()
        outer = [sys.executable, "-c", NESTED, KNOCK, json.dumps([port]), path]
        found = process.run(outer, deadline=60, network=True, env={"PYTHONPATH": str(process.ROOT)})
        assert json.loads(found.stdout) == [False, True, []]
        assert hits == []


def ordinary(script: str, *arguments: str) -> str:
    """Run Python as the user nobody, and return what it prints."""
    if os.geteuid() != 0 or not (setpriv := shutil.which("setpriv")):
        pytest.skip("only root can become somebody else")
    become = [setpriv, "--reuid=65534", "--regid=65534", "--clear-groups"]
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    here = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join([str(process.ROOT), *site.getsitepackages()])}
    for python in (sys.executable, f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
        if subprocess.run([*become, "test", "-x", python, "-a", "-r", process.GUARD], check=False).returncode == 0:
            command = [*become, python, "-B", "-c", script, *arguments]
            return subprocess.run(command, cwd="/", env=here, stdout=subprocess.PIPE, text=True, check=True).stdout
    pytest.skip("an ordinary user can't read this Python, or this folder")


@linux
def test_an_ordinary_users_child_reaches_nothing_and_counts_its_processes() -> None:
    script = (
        "import json, sys\nfrom libs import process\n"
        "found = process.run([sys.executable, '-I', '-S', '-c', *sys.argv[1:]], deadline=30)\n"
        "limits = process.run(['cat', '/proc/self/limits'], deadline=30)\n"
        "print(json.dumps([found.isolation.namespace, found.isolation.filter, json.loads(found.stdout)]))\n"
        "print(limits.stdout.decode())"
    )
    with canary() as (port, hits):
        said, _, limits = ordinary(script, KNOCK, json.dumps([port])).partition("\n")
        namespace, filtered, reached = json.loads(said)
        if not (namespace or filtered):
            pytest.skip("this system has neither network namespaces nor a filter for ordinary users")
        assert reached == []
        assert hits == []
    if namespace:
        processes = next(line for line in limits.splitlines() if line.startswith("Max processes"))
        assert processes.split()[2] == str(process.TASKS)


@linux
def test_an_ordinary_users_child_has_a_door_too() -> None:
    script = (
        "import sys, threading\nfrom libs import process\n"
        "def serve(listener):\n"
        "    threading.Thread(target=lambda: listener.accept()[0].sendall(b'inside'), daemon=True).start()\n"
        "found = process.run([sys.executable, '-I', '-S', '-c', sys.argv[1]], deadline=30,"
        " network=process.Door(3128, serve))\n"
        "print(found.isolation.namespace, found.stdout.decode())"
    )
    ask = (
        "import socket\n"
        "try: print(socket.create_connection(('127.0.0.1', 3128), 5).recv(99).decode())\n"
        "except OSError as error: print(error)"
    )
    namespace, _, heard = ordinary(script, ask).strip().partition(" ")
    if namespace != "True":
        pytest.skip("this system does not let ordinary users make network namespaces")
    assert heard == "inside"


@linux
def test_the_only_way_out_is_the_door() -> None:
    listeners: list[socket.socket] = []

    def serve(listener: socket.socket) -> None:
        listeners.append(listener)
        threading.Thread(target=lambda: [line.close() for line, _ in iter(listener.accept, None)], daemon=True).start()

    with canary() as (port, hits):
        door = process.Door(3128, serve)
        through = knocked([3128, port], network=door)
        if not listeners:
            pytest.skip("this system does not let us make network namespaces")
        assert {address[1] for address in through} == {3128}
        assert hits == []
        listeners[0].close()


@linux
def test_a_child_that_is_to_be_alone_can_start_threads_but_no_process() -> None:
    if not process.isolation().filter:
        pytest.skip("no filter is known for this processor")
    script = (
        "import os,threading,_posixsubprocess\n"
        "thread = threading.Thread(target=print, args=['thread'])\nthread.start(); thread.join()\n"
        "try:\n os.fork()\n print('process')\nexcept PermissionError: print('refused')"
    )
    assert process.run([*PYTHON, script], deadline=10, alone=True).stdout == b"thread\nrefused\n"
    assert b"process" in process.run([*PYTHON, script], deadline=10).stdout


@linux
def test_the_kernel_takes_the_child_first_and_writes_no_core() -> None:
    script = (
        "import resource as limits\n"
        "print(open('/proc/self/oom_score_adj').read().strip(), *limits.getrlimit(limits.RLIMIT_CORE))"
    )
    assert process.run([*PYTHON, script], deadline=10).stdout.split() == [b"500", b"0", b"0"]
    assert Path("/proc/self/oom_score_adj").read_text().strip() != "500"


def test_open_files_are_limited() -> None:
    with pytest.raises(process.ChildFailed) as caught:
        process.run([*PYTHON, "files = [open('/dev/null') for _ in range(100)]"], deadline=10, open_files=50)
    assert "Too many open files" in caught.value.stderr


def test_module_child_tells_results_refusals_and_noise(tmp_path: Path) -> None:
    (tmp_path / "toy_child.py").write_text(
        "import time\nfrom libs.process import child\n"
        "def handle(request, tell):\n"
        "    print('noise of a library')\n"
        "    tell({'progress': 0.5})\n"
        "    if request['bad']:\n"
        "        raise child.Refuse('unsupported_media', 'This is no recording.')\n"
        "    while request.get('stuck'):\n"
        "        tell({'progress': 0.6})\n"
        "        time.sleep(0.05)\n"
        "    return {'twice': request['n'] * 2}\n"
        "if __name__ == '__main__':\n"
        "    child.main(handle)\n"
    )
    env = {"PYTHONPATH": f"{process.ROOT}:{tmp_path}"}
    told: list[dict[str, object]] = []
    result = process.run_module("toy_child", {"n": 21, "bad": False}, deadline=20, env=env, on_message=told.append)
    assert result == {"twice": 42}
    assert told == [{"progress": 0.5}]
    with pytest.raises(process.ChildRefused) as caught:
        process.run_module("toy_child", {"n": 1, "bad": True}, deadline=20, env=env)
    assert caught.value.code == "unsupported_media"
    assert "noise of a library" in caught.value.stderr
    with pytest.raises(process.ChildStalled):
        process.run_module("toy_child", {"n": 1, "bad": False, "stuck": True}, deadline=20, stall=1, env=env)
    assert stalls("toy_child") == 1


STARTS = re.compile(
    r"\b(subprocess|multiprocessing|ProcessPoolExecutor|os\.(fork|forkpty|system|popen|spawn\w*|posix_spawn\w*|exec\w+))\b"
)
ALLOWED = {
    "libs/process/__init__.py": "the one place",
    "libs/process/_guard.py": "its other half",
    "services/ingest/engines/fetch_child.py": "names what it refuses",
    "services/transcription/engines/sphinx.py": "a child that shares its work with its own processes",
    "services/transcription/engines/sphinx_worker.py": "one of those",
    "gateway/cli/sample/make.py": "made the sample, once, by hand",
}


def test_nobody_else_starts_processes() -> None:
    starting = {
        path.relative_to(process.ROOT).as_posix()
        for folder in ("libs", "services", "gateway")
        for path in (process.ROOT / folder).rglob("*.py")
        if "node_modules" not in path.parts and STARTS.search(path.read_text())
    }
    assert starting - ALLOWED.keys() == set()


@pytest.mark.parametrize("service", ["ingest", "transcription", "highlight", "render"])
def test_services_and_workers_hold_no_native_media_code(service: str) -> None:
    look = (
        f"import sys, services.{service}.app, services.{service}.actors\n"
        "native = {'av', 'numpy', 'PIL', 'yt_dlp', 'fontTools', 'pocketsphinx', 'faster_whisper', 'ctranslate2'}\n"
        "print(*sorted(native & sys.modules.keys()))"
    )
    found = subprocess.run([sys.executable, "-c", look], cwd=process.ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.split() == []
