"""Schedules: what people do, interleaved with what goes wrong.

A Hypothesis state machine draws them. Its choices never depend on how the platform answers, so that a seed and a number
always give the same schedule, and one of them can be had again alone.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from libs.contracts.subscriptions import SERVICES
from tests.faults import checker
from tests.faults.history import History
from tests.faults.origin import speech
from tests.faults.people import Person
from tests.faults.world import NETWORKS, PROCESSES, SERVERS, TROUBLES, WORKERS, WRONG_BYTES, World

__all__ = ["Report", "Violation", "draw", "run"]

STEPS = 12
SPREAD = 1_000_003  # apart enough that no two seeds share a schedule
MOST_RECORDINGS = 4  # a schedule is about what goes wrong, not about load
NAMES = ("Ann", "Bob")
PLACES = ("", "claim", "finish", "_publish", "_settle", "_hand_over", "highlights_ready", "heard", "delete", "create")

people = st.sampled_from(range(len(NAMES)))
numbers = st.integers(0, 7)
moments = st.sampled_from((0.1, 0.3, 1.0))  # seconds
sizes = st.sampled_from((1.2, 1.6, 3.4))  # seconds of speech


@dataclass(frozen=True)
class Violation:
    """A promise that was not kept: in which schedule, what, and the schedule's whole story."""

    seed: int
    schedule: int
    what: str
    story: list[str]


@dataclass
class Report:
    """What came of a run."""

    schedules: int = 0
    violations: list[Violation] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)  # of each schedule


def run(
    world: World,
    history: History,
    number: int,
    count: int,
    chosen: Collection[int] | None = None,
    say: Callable[[str], None] = lambda _: None,
    note: Callable[[str], None] = lambda _: None,
) -> Report:
    """Carry out the first ``count`` schedules of seed ``number``, or those that are ``chosen``.

    ``say`` hears how each went, ``note`` each step that is drawn.
    """
    report = Report()
    for index in range(1, count + 1) if chosen is None else sorted(chosen):
        _carry_out(_Live(world, history, report, number, index, say), number, index, note)
    return report


def draw(number: int, index: int, note: Callable[[str], None]) -> None:
    """Draw one schedule without carrying it out; ``note`` hears each step."""
    _carry_out(None, number, index, note)


def _carry_out(live: _Live | None, number: int, index: int, note: Callable[[str], None]) -> None:
    """Draw the schedule of this number, and carry it out on ``live``."""
    drawn = iter((False, True))

    class Schedule(_Schedule):
        def __init__(self) -> None:
            super().__init__()
            # The first that Hypothesis draws is always the smallest there is: not worth carrying out.
            is_wanted = next(drawn, False)
            self.note = note if is_wanted else lambda _: None
            self.live = live if is_wanted else None

    wanted = settings(
        max_examples=2,
        stateful_step_count=STEPS,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    # Each has a seed of its own: drawn one after the other from one seed, they would be variations of each other.
    run_state_machine_as_test(seed(number * SPREAD + index)(Schedule), settings=wanted, _min_steps=4)


class _Live:
    """A schedule that is carried out."""

    def __init__(
        self,
        world: World,
        history: History,
        report: Report,
        number: int,
        index: int,
        say: Callable[[str], None],
    ) -> None:
        self.world, self._history, self._report, self._seed, self._index = world, history, report, number, index
        self._say = say
        world.schedule = index
        self._began = time.monotonic()
        world.heal()
        self.people = [Person(name, world.url, world.origin, history, index) for name in NAMES]

    def end(self) -> None:
        """Make everything well again, have everybody insist, wait until all is done, and compare."""
        found: list[str] = []
        try:
            found = self._judge()
        except Exception:  # what the suite itself trips over is to be seen as well
            found = [traceback.format_exc()]
        for person in self.people:
            person.close()
        self._report.schedules += 1
        self._report.seconds.append(time.monotonic() - self._began)
        story = self._history.of(self._index)
        self._report.violations += [Violation(self._seed, self._index, what, story) for what in found]
        self._say(f"schedule {self._index}: {len(found) or 'no'} violations, {self._report.seconds[-1]:.1f} s")
        for what in found:
            self._say(f"  ! {what}")
        for line in story if found else ():
            self._say(f"    {line}")

    def _judge(self) -> list[str]:
        self.world.heal()
        for person in self.people:
            person.do(person.insist)
            person.idle()
        unfinished = self.world.settle()
        for person in self.people:
            person.do(person.insist_on_deletions)
            person.idle()
        unfinished = unfinished or self.world.settle()
        lost = [loss for person in self.people for loss in person.lost]
        return lost + ([unfinished] if unfinished else checker.violations(self.world, self.people))


class _Schedule(RuleBasedStateMachine):
    """The rules. Each does nothing where the schedule is only drawn."""

    live: _Live | None = None
    note: Callable[[str], None]
    brought = 0  # recordings; a fact about what was drawn, not about what became of it

    def teardown(self) -> None:
        if self.live is not None:
            self.live.end()

    @initialize(who=people, seconds=sizes, start=st.sampled_from((0.0, 2.0, 5.0)))
    def begin(self, who: int, seconds: float, start: float) -> None:
        """Everybody begins with one recording on its way, or there is nothing to lose."""
        self.brought += 1
        self._does(who, "upload", speech(start, seconds), 1, cut=False)

    # what people do ------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.brought < MOST_RECORDINGS)
    @rule(who=people, seconds=sizes, pieces=st.integers(1, 3), cut=st.booleans())
    def upload(self, who: int, seconds: float, pieces: int, cut: bool) -> None:
        self.brought += 1
        self._does(who, "upload", speech(3.0, seconds), pieces, cut=cut)

    @precondition(lambda self: self.brought < MOST_RECORDINGS)
    @rule(who=people, seconds=sizes)
    def fetch(self, who: int, seconds: float) -> None:
        self.brought += 1
        data = speech(1.0, seconds)
        self._does(who, "fetch", data)

    @rule(who=people, number=numbers, start=st.sampled_from((0.0, 0.1)), after=moments)
    def clip(self, who: int, number: int, start: float, after: float) -> None:
        self._wait(after)
        self._does(who, "clip", number, start, start + 1.0)

    @rule(who=people, number=numbers, after=moments)
    def share(self, who: int, number: int, after: float) -> None:
        self._wait(after)
        self._does(who, "share", number)

    @rule(who=people, number=numbers)
    def revoke(self, who: int, number: int) -> None:
        self._does(who, "revoke", number)

    @rule(who=people, number=numbers, title=st.sampled_from(("Evening talk", "Über Morgen", "三")))
    def rename(self, who: int, number: int, title: str) -> None:
        self._does(who, "rename", number, title)

    @rule(who=people, number=numbers, liked=st.booleans())
    def like(self, who: int, number: int, liked: bool) -> None:
        self._does(who, "like", number, liked=liked)

    @rule(who=people, number=numbers, after=moments)
    def delete(self, who: int, number: int, after: float) -> None:
        self._wait(after)
        self._does(who, "delete", number)

    # what goes wrong -----------------------------------------------------------------------------------------------

    @rule(name=st.sampled_from(PROCESSES), after=moments)
    def kill(self, name: str, after: float) -> None:
        self._wait(after)
        self._suffers("kill", name)

    @rule(name=st.sampled_from(PROCESSES), when=st.sampled_from(("before", "after")), count=st.integers(1, 3),
          place=st.sampled_from(PLACES))  # fmt: skip
    def kill_at_commit(self, name: str, when: str, count: int, place: str) -> None:
        self._suffers("kill_at_commit", name, when, count, place)

    @rule(name=st.sampled_from(WORKERS), after=moments)
    def kill_child(self, name: str, after: float) -> None:
        self._wait(after)
        self._suffers("kill_child", name)

    @rule(name=st.sampled_from(PROCESSES), seconds=st.sampled_from((1.0, 4.0)))
    def pause(self, name: str, seconds: float) -> None:
        self._suffers("pause", name, seconds)

    @rule(name=st.sampled_from(PROCESSES))
    def terminate(self, name: str) -> None:
        self._suffers("terminate", name)

    @rule(name=st.sampled_from((*SERVERS, "flush")), after=moments)
    def server(self, name: str, after: float) -> None:
        self._wait(after)
        if name == "flush":
            self._suffers("flush")
        else:
            self._suffers("kill", name)

    @rule(at=st.sampled_from(NETWORKS), fault=st.sampled_from(TROUBLES), seconds=moments)
    def network(self, at: str, fault: Any, seconds: float) -> None:
        self._suffers("trouble", at, fault, seconds)

    @rule(fault=st.sampled_from((*TROUBLES, WRONG_BYTES)), seconds=moments)
    def store(self, fault: Any, seconds: float) -> None:
        self._suffers("trouble", "store", fault, seconds)

    @rule(service=st.sampled_from([name for name in SERVICES if name != "auth"]), forged=st.booleans())
    def message(self, service: str, forged: bool) -> None:
        self._suffers("forge" if forged else "duplicate", service)

    @rule(seconds=moments)
    def disk(self, seconds: float) -> None:
        self._suffers("fill_disk", seconds)

    @rule(name=st.sampled_from(PROCESSES), seconds=moments, offset=st.sampled_from((-600, -3, 3, 600)))
    def clock(self, name: str, seconds: float, offset: int) -> None:
        self._suffers("skew", name, seconds, offset)

    # how -----------------------------------------------------------------------------------------------------------

    def _does(self, who: int, what: str, *arguments: Any, **more: Any) -> None:
        self.note(f"{NAMES[who]} {what} {[one for one in arguments if not isinstance(one, bytes)]} {more}")
        if self.live is not None:
            person = self.live.people[who]
            person.do(lambda: getattr(person, what)(*arguments, **more))

    def _suffers(self, what: str, *arguments: Any) -> None:
        self.note(f"{what} {arguments}")
        if self.live is not None:
            getattr(self.live.world, what)(*arguments)

    def _wait(self, seconds: float) -> None:
        if self.live is not None:
            threading.Event().wait(seconds)  # a part of the schedule: how much happens before the next step
