"""The supervisor with a toy topology: what starts when, what is restarted, and that nothing is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from infra.onehost import state
from infra.onehost.state import Identity, ProcessState, State
from infra.onehost.supervisor import end_leftovers

REPOSITORY = Path(__file__).resolve().parents[3]
LIMIT = 60.0


def wait_for(condition: Callable[[], object], limit: float = LIMIT) -> None:
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


class Toy:
    """A supervisor process with a toy topology."""

    def __init__(self, home: Path, case: str, base: int) -> None:
        self.home, self.base = home, base
        (home / "run").mkdir(parents=True)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.services.onehost.toy", str(home), str(base), case],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def until_ready(self) -> Toy:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line == "ready\n", self.process.stderr.read() if self.process.stderr else ""
        return self

    def state(self) -> State:
        found = state.read(self.home / "run")
        assert found is not None
        return found

    def entry(self, name: str) -> ProcessState:
        return next(entry for entry in self.state().processes if entry.name == name)

    def history(self) -> list[str]:
        return (self.home / "history").read_text().splitlines()

    def everybody(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(LIMIT)


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[Callable[..., Toy]]:
    started: list[Toy] = []

    def start(case: str, *, odd: bool = False) -> Toy:
        base = _two_free_ports(odd=odd)
        started.append(Toy(tmp_path / f"home{len(started)}", case, base))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            family = one.everybody()
            one.process.kill()
            for process in family:
                if process.is_running():
                    process.kill()
        one.process.communicate()


def _two_free_ports(*, odd: bool) -> int:
    from infra.onehost.ports import taken

    first = 20_000 + os.getpid() % 5_000 * 2 + odd
    return next(base for base in range(first, 60_000, 10) if not taken([("", base), ("", base + 1)]))


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [one for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


def test_each_starts_after_what_it_needs_and_stops_before_it(toy: Callable[..., Toy]) -> None:
    running = toy("plain").until_ready()
    family = running.everybody()
    assert (running.home / "once").read_text() == "x"
    assert [entry.state for entry in running.state().processes] == ["ready", "done", "ready"]
    assert running.state().phase == "ready"
    assert running.end() == 0
    assert running.history() == ["store starts", "front starts", "front stops", "store stops"]
    assert alive(family) == []  # the servers' own children among them
    assert not state.is_running(running.home / "run")


def test_ctrl_c_stops_as_well(toy: Callable[..., Toy]) -> None:
    running = toy("plain").until_ready()
    family = running.everybody()
    assert running.end(signal.SIGINT) == 0
    assert alive(family) == []


def test_what_is_killed_comes_back(toy: Callable[..., Toy]) -> None:
    running = toy("plain").until_ready()
    before = running.entry("front").identity
    orphan = int((running.home / "front.child").read_text())
    assert before is not None
    os.kill(before.pid, signal.SIGKILL)
    wait_for(lambda: running.entry("front").restarts == 1 and running.entry("front").state == "ready")
    after = running.entry("front")
    assert after.identity != before
    assert after.why == "it was ended by SIGKILL"
    assert not psutil.pid_exists(orphan) or psutil.Process(orphan).status() == psutil.STATUS_ZOMBIE
    assert running.entry("store").restarts == 0


def test_what_hangs_is_killed_and_its_next_life_is_told_of_the_silence(toy: Callable[..., Toy]) -> None:
    running = toy("watched").until_ready()
    before = running.entry("front")
    assert before.identity is not None
    assert psutil.Process(before.identity.pid).environ()["CLIPSTEAD_SILENCES"] == "0"
    os.kill(before.identity.pid, signal.SIGSTOP)
    wait_for(lambda: running.entry("front").restarts == 1 and running.entry("front").state == "ready")
    after = running.entry("front")
    assert after.identity is not None
    assert (after.silences, after.why) == (3, "it was ended by SIGKILL")
    assert psutil.Process(after.identity.pid).environ()["CLIPSTEAD_SILENCES"] == "3"


def test_what_is_optional_gets_one_try_and_holds_up_nobody(toy: Callable[..., Toy]) -> None:
    running = toy("optional").until_ready()
    wait_for(lambda: running.entry("extra").state == "failed")
    assert (running.home / "tries").read_text() == "x"
    assert running.entry("extra").why == "it ended with status 7"
    assert running.entry("front").state == "ready"


def test_pauses_between_restarts_grow(toy: Callable[..., Toy]) -> None:
    running = toy("plain").until_ready()
    killed, pauses = 0, []
    while killed < 4:
        entry = running.entry("front")
        assert entry.identity is not None
        os.kill(entry.identity.pid, signal.SIGKILL)
        killed += 1
        began = time.monotonic()
        wait_for(lambda: running.entry("front").state == "starting" and running.entry("front").restarts == killed)  # noqa: B023
        pauses.append(time.monotonic() - began)
        wait_for(lambda: running.entry("front").state == "ready")
    assert pauses[3] > pauses[0]
    assert pauses[3] > 0.8  # 0.25 s doubled three times, less the jitter


def test_one_that_can_not_start_says_why(toy: Callable[..., Toy]) -> None:
    broken = toy("broken")
    _, said = broken.process.communicate(timeout=LIMIT)
    assert broken.process.returncode == 1
    assert "broken did not start: it ended with status 7" in said
    assert "the reason why" in said
    assert [entry.state for entry in broken.state().processes] == ["stopped", "failed"]


def test_one_that_does_not_stop_is_killed_after_its_grace(toy: Callable[..., Toy]) -> None:
    running = toy("stubborn", odd=True).until_ready()
    family = running.everybody()
    assert running.end() == 0
    assert "stubborn does not want to stop" in running.history()
    assert alive(family) == []


def test_the_second_ctrl_c_does_not_wait(toy: Callable[..., Toy]) -> None:
    running = toy("stubborn").until_ready()  # with ten minutes of grace
    family = running.everybody()
    running.process.send_signal(signal.SIGINT)
    wait_for(lambda: "stubborn does not want to stop" in running.history())
    assert running.end(signal.SIGINT) == 0
    assert alive(family) == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of their parent's death")
def test_a_killed_supervisor_leaves_nothing(toy: Callable[..., Toy]) -> None:
    running = toy("plain").until_ready()
    children = psutil.Process(running.process.pid).children()
    running.end(signal.SIGKILL)
    wait_for(lambda: not alive(children), 10)
    assert not state.is_running(running.home / "run")  # the lock fell with it
    # The toys' own children are strangers to libs.process, which is what ties real ones to their parents.
    for note in running.home.glob("*.child"):
        psutil.Process(int(note.read_text())).kill()


def test_leftovers_are_known_by_more_than_their_number(tmp_path: Path) -> None:
    left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        mine, theirs = Identity.of(left.pid), Identity.of(other.pid)
        assert mine is not None
        assert theirs is not None
        reused = Identity(theirs.pid, theirs.created - 100)
        entries = [ProcessState("left", "ready", mine), ProcessState("reused", "ready", reused)]
        State(Identity(1 << 22, 0.0), "", 1, processes=entries).write(tmp_path)
        assert end_leftovers(state.read(tmp_path)) == ["left"]
        assert not psutil.pid_exists(left.pid)
        assert other.poll() is None
    finally:
        for process in (left, other):
            process.kill()
            process.wait()


def test_a_module_begins_as_if_it_were_executed(toy: Callable[..., Toy]) -> None:
    running = toy("module").until_ready()
    lines = (running.home / "logs" / "module.log").read_text().splitlines()
    told = json.loads(lines[0])
    assert told == {
        "argv": ["one", "two"],
        "toy": "yes",
        "preloaded": sys.platform == "linux",
        "session": True,
        "sigterm": True,
        "blocked": [],
        "loop": True,
    }
    assert lines[1:] == ["thread ended"]  # threads are waited for
