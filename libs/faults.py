"""Named places where a fault test ends this process: before and after each commit, and wherever ``point`` is called.

Outside of such a test nothing is armed, and a place costs one comparison. In one, ``CLIPSTEAD_FAULTS`` names this process's
order file: ``before 3 rendering._publish`` means "at the third commit from now that ``rendering._publish`` makes, die just
before it". Whoever writes the file gives the order; a file ``….done`` tells that it was carried out.

A file ``….clock`` has the process live with a clock that is so many seconds off. (libfaketime would do so from outside, but
that of Debian 12 breaks Python 3.11's waits: it knows neither ``clock_nanosleep`` to a deadline nor ``sem_clockwait``.)
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from sqlalchemy import event
from sqlalchemy.orm import Session

__all__ = ["AFTER", "BEFORE", "CLOCK", "arm", "clock_of", "point"]

VARIABLE = "CLIPSTEAD_FAULTS"
BEFORE, AFTER = "before", "after"
CLOCK = ".clock"
OURS = ("services.", "libs.bus.", "gateway.")


class _Armed:
    """This process's order file, and how often its place was passed."""

    orders: Path | None = None
    order: str = ""
    passed: int = 0


def arm(environment: str) -> None:
    """Look for orders from now on, if ``CLIPSTEAD_FAULTS`` says where. Raises RuntimeError in production."""
    path = os.environ.get(VARIABLE)
    if not path:
        return
    if environment == "production":
        raise RuntimeError(f"{VARIABLE} has processes kill themselves and is for tests; it has no place in production")
    if _Armed.orders is None:
        event.listen(Session, "before_commit", lambda _: point(BEFORE, _operation()))
        event.listen(Session, "after_commit", lambda _: point(AFTER, _operation()))
    _Armed.orders = Path(path)
    clock = clock_of(_Armed.orders)
    if clock.exists():
        offset, right = float(clock.read_text()), time.time
        time.time = lambda: right() + offset


def clock_of(orders: Path) -> Path:
    """The file that says how far off the clock of a process is, beside its order file."""
    return orders.with_name(orders.name + CLOCK)


def point(when: str, place: str) -> None:
    """Die here, with SIGKILL, if that is the order. ``place`` is named ``module.function``."""
    if _Armed.orders is None:
        return
    try:
        order = _Armed.orders.read_text()
    except FileNotFoundError:
        return
    if order != _Armed.order:
        _Armed.order, _Armed.passed = order, 0
    wanted_when, count, wanted_place = (*order.split(), "")[:3]
    if when != wanted_when or wanted_place not in place:
        return
    _Armed.passed += 1
    if _Armed.passed >= int(count):
        done = _Armed.orders.with_suffix(".done")
        done.write_text(f"{when} {place}")
        _Armed.orders.unlink(missing_ok=True)
        os.kill(os.getpid(), signal.SIGKILL)


def _operation() -> str:
    """The function of ours that opened the transaction: the nearest caller outside of the libraries."""
    frame = sys._getframe(1)  # noqa: SLF001  the documented way to one's callers; inspect would read sources
    while frame.f_back is not None:
        module = frame.f_globals.get("__name__", "")
        if module.startswith(OURS):
            return f"{module.rpartition('.')[2]}.{frame.f_code.co_name}"
        frame = frame.f_back
    return "elsewhere"
