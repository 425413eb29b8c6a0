"""The states of stages and media, and the rules that make one overall status of them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class StageState(StrEnum):
    """Where one stage of the pipeline stands."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"  # an earlier one ended without a result


class Status(StrEnum):
    """Where a recording or clip stands, as people see it."""

    RECEIVING = "receiving"
    CHECKING = "checking"
    TRANSCRIBING = "transcribing"
    FINDING = "finding"
    RENDERING = "rendering"
    READY = "ready"
    FAILED = "failed"  # a later stage ended without a result; a recording stays playable
    REJECTED = "rejected"  # it can't be used at all
    DROPPED = "dropped"  # of a clip: it was ready; its file is gone, as the platform's rules say, and can be made again


STAGES: dict[str, Status] = {
    "receive": Status.RECEIVING,
    "check": Status.CHECKING,
    "transcribe": Status.TRANSCRIBING,
    "find": Status.FINDING,
    "render": Status.RENDERING,
}
"""The stages of a recording in order, and what its status is while each is the first that is not over."""

INTAKE = frozenset({"receive", "check"})


@dataclass(slots=True)
class Stage:
    """One stage: how far it is (``done`` of ``total`` in ``unit``), and when it began and ended (RFC 3339)."""

    name: str
    unit: str
    state: StageState = StageState.WAITING
    done: float = 0
    total: float | None = None
    eta: float | None = None  # seconds
    detail: str = ""
    code: str = ""  # of a failure; shown as the media's problem
    started_at: str | None = None
    finished_at: str | None = None
    engine: list[dict[str, Any]] = field(default_factory=list)

    def finish(self, state: StageState, at: str | None) -> None:
        """End it. A stage that nobody saw begin began when it ended."""
        self.state, self.finished_at, self.eta = state, at, None
        self.started_at = self.started_at or at

    def public(self) -> dict[str, Any]:
        """Show it as people see it."""
        shown = {name: getattr(self, name) for name in self.__slots__ if name != "code"}
        return shown | {"state": str(self.state)}


def status(stages: Sequence[Stage]) -> Status:
    """Make one status of stages in order: the failure if there is one, else the first stage that is not over."""
    failed = failure(stages)
    if failed is not None:
        return Status.REJECTED if failed.name in INTAKE else Status.FAILED
    for stage in stages:
        if stage.state is not StageState.DONE:
            return STAGES[stage.name]
    return Status.READY


def failure(stages: Sequence[Stage]) -> Stage | None:
    """Find the stage that ended without a result, if any."""
    return next((stage for stage in stages if stage.state is StageState.FAILED), None)


def skip_after_failure(stages: Sequence[Stage]) -> None:
    """Skip what waits behind a failed stage. A stage that has run keeps its own state."""
    failed = False
    for stage in stages:
        if failed and stage.state in {StageState.WAITING, StageState.RUNNING}:
            stage.state, stage.eta = StageState.SKIPPED, None
        failed = failed or stage.state is StageState.FAILED
