"""The yardstick of ``bench pipeline``."""

from __future__ import annotations

from typing import Any

from infra.onehost.bench import engine_seconds


def view(*spans: tuple[int, float]) -> dict[str, Any]:
    engine = [{"engine": "x", "started_at": f"2026-01-01T00:00:{at:02}Z", "seconds": seconds} for at, seconds in spans]
    return {"stages": [{"name": "render", "engine": engine}, {"name": "check", "engine": []}]}


def test_time_in_which_several_engines_worked_counts_once() -> None:
    recording, clip = view((0, 2.0), (10, 5.0)), view((12, 1.0), (14, 4.0), (20, 0.5))
    assert engine_seconds([recording, clip]) == 2.0 + 8.0 + 0.5


def test_no_engine_no_time() -> None:
    assert engine_seconds([view()]) == 0.0
