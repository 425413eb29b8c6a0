"""Children end when they should, and take everything of theirs with them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

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


@pytest.mark.skipif(sys.platform != "linux", reason="the parent-death signal is Linux's")
def test_a_killed_parent_takes_its_children_along(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    script = f"from libs import process\nprocess.run(['sh', '-c', 'echo $$ > {note}; exec sleep 60'], deadline=60)\n"
    parent = subprocess.Popen([sys.executable, "-c", script])
    until = time.monotonic() + 20
    while not note.exists() or not note.read_text().strip():
        assert time.monotonic() < until
        threading.Event().wait(0.05)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert gone(int(note.read_text()))


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


def test_network_is_cut_unless_wanted() -> None:
    if not process.network_can_be_cut():
        pytest.skip("this system does not let us make network namespaces")
    look = "import socket; s=socket.socket(); s.settimeout(2); print(s.connect_ex(('127.0.0.1', 9)))"
    assert process.run([*PYTHON, look], deadline=10).stdout.strip() == b"101"  # ENETUNREACH
    assert process.run([*PYTHON, look], deadline=10, network=True).stdout.strip() == b"111"  # ECONNREFUSED


def test_module_child_tells_results_refusals_and_noise(tmp_path: Path) -> None:
    (tmp_path / "toy_child.py").write_text(
        "from libs.process import child\n"
        "def handle(request, tell):\n"
        "    print('noise of a library')\n"
        "    tell({'progress': 0.5})\n"
        "    if request['bad']:\n"
        "        raise child.Refuse('unsupported_media', 'This is no recording.')\n"
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
