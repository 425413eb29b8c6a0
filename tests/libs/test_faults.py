"""Places where a fault test ends a process: only where it was asked for, and never in production."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from libs import faults

PROGRAM = """
from libs import faults
faults.arm("development")
for n in range(3):
    faults.point("before", "uploads._settle")
    print("passed", flush=True)
"""


def test_there_are_no_orders_in_production(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(faults.VARIABLE, str(tmp_path / "gateway"))
    with pytest.raises(RuntimeError, match="production"):
        faults.arm("production")


@pytest.mark.parametrize(
    ("order", "passed", "status"),
    [
        ("before 2 uploads._settle", 1, -9),
        ("before 1", 0, -9),
        ("after 1 uploads._settle", 3, 0),
        ("before 1 elsewhere", 3, 0),
        (None, 3, 0),
    ],
)
def test_a_process_dies_where_and_when_it_was_told_to(
    tmp_path: Path, order: str | None, passed: int, status: int
) -> None:
    orders = tmp_path / "ingest"
    if order is not None:
        orders.write_text(order)
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={faults.VARIABLE: str(orders), "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
        stdout=subprocess.PIPE,
        check=False,
        text=True,
    )
    assert (ended.stdout.count("passed"), ended.returncode) == (passed, status)
    assert orders.exists() is (order is not None and status == 0)


def test_a_process_lives_with_the_clock_that_it_was_given(tmp_path: Path) -> None:
    orders = tmp_path / "relay"
    faults.clock_of(orders).write_text("-600")
    told = subprocess.run(
        [sys.executable, "-c", "from libs import faults\nimport time\nfaults.arm('development')\nprint(time.time())"],
        env={faults.VARIABLE: str(orders), "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    assert 590 < time.time() - float(told.stdout) < 610
