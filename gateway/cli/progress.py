"""Live progress on standard error: bars on a terminal, plain lines elsewhere. Results go to standard output instead."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.text import Text

from gateway.cli.api import View

__all__ = ["Show", "show"]

TITLES = {
    "receive": "Receiving",
    "check": "Checking",
    "transcribe": "Transcribing",
    "find": "Finding moments",
    "render": "Rendering",
}
MIB = 1 << 20
STEP = 0.2  # a plain line for each fifth of a stage


class Show(Protocol):
    """What a pipeline run is told to show."""

    def sent(self, done: int, total: int) -> None:
        """Bytes of the upload that are safe, of all."""

    def stages(self, view: View) -> None:
        """The recording as it is now."""


def show() -> AbstractContextManager[Show]:
    """Choose bars or lines by whether standard error is a terminal."""
    return _Bars() if sys.stderr.isatty() else _Lines()


class _Bars:
    """One bar per stage, with what is done of what there is, and an estimate."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            _Amount(),
            _Remaining(),
            TextColumn("[dim]{task.fields[detail]}"),
            console=Console(stderr=True),
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        for name, title in TITLES.items():
            self._tasks[name] = self._progress.add_task(
                title, total=None, start=False, detail="", amount="", eta=None, state="waiting"
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def sent(self, done: int, total: int) -> None:
        amount = _amount(done, total, "bytes")
        self._update("receive", done=done, total=total, amount=amount, state="running")

    def stages(self, view: View) -> None:
        for stage in view["stages"]:
            if stage["state"] == "waiting" or stage["name"] not in self._tasks:
                continue
            done, total = _extent(stage)
            amount = _amount(done, total, stage["unit"])
            self._update(
                stage["name"],
                done=done,
                total=total,
                amount=amount,
                state=stage["state"],
                eta=stage.get("eta"),
                detail=stage.get("detail") or "",
            )

    def _update(self, name: str, *, done: float, total: float | None, amount: str, state: str, **more: Any) -> None:
        task = self._tasks[name]
        self._progress.start_task(task)
        if state == "failed":
            more["description"] = f"[red]{TITLES[name]}"
        # The bar of a finished stage is full even where its last report was not.
        full = state in {"done", "skipped"}
        total = (total or 1) if full else total
        self._progress.update(
            task, completed=total if full and total else done, total=total, amount=amount, state=state, **more
        )


class _Amount(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(str(task.fields["amount"]).ljust(18))


class _Remaining(ProgressColumn):
    def render(self, task: Task) -> Text:
        eta, state = task.fields["eta"], task.fields["state"]
        if state == "running" and eta is not None:
            return Text(f"{_clock(eta)} left")
        return Text({"done": "done", "failed": "failed", "skipped": "skipped"}.get(state, "").ljust(9))


class _Lines:
    """A line where a stage begins, at each fifth of it, and where it ends."""

    def __init__(self) -> None:
        self._said: dict[str, tuple[str, int]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def sent(self, done: int, total: int) -> None:
        self._say("receive", "running", done, total, "bytes", "")

    def stages(self, view: View) -> None:
        for stage in view["stages"]:
            if stage["state"] != "waiting":
                done, total = _extent(stage)
                self._say(stage["name"], stage["state"], done, total, stage["unit"], stage.get("detail") or "")

    def _say(self, name: str, state: str, done: float, total: float | None, unit: str, detail: str) -> None:
        step = int(done / total / STEP) if total and state == "running" else 0
        if self._said.get(name) == (state, step) or self._said.get(name, ("", 0))[0] in {"done", "failed", "skipped"}:
            return
        self._said[name] = (state, step)
        words = [
            f"{TITLES.get(name, name)}:",
            state if state != "running" else _amount(done, total, unit) or "begun",
            detail,
        ]
        print(" ".join(filter(None, words)), file=sys.stderr, flush=True)


def _extent(stage: View) -> tuple[float, float | None]:
    return float(stage["done"] or 0), float(stage["total"]) if stage["total"] else None


def _amount(done: float, total: float | None, unit: str) -> str:
    """A fraction in the unit of its stage: "3.1 of 12.0 MB", "35 of 127 s", "1 of 3 clips"."""
    if total is None:
        return ""
    if unit == "bytes":
        return f"{done / MIB:.1f} of {total / MIB:.1f} MiB"
    return f"{done:.0f} of {total:.0f} {'s' if unit == 'seconds' else unit}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"
