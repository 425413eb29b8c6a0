"""Named places where a fault test ends this process: before and after each commit, and wherever ``point`` is called.

Outside of such a test nothing is armed, and a place costs one comparison. In one, ``CLIPSTEAD_FAULTS`` names this process's
order file: ``before 3 rendering._publish`` means "at the third commit from now that ``rendering._publish`` makes, die just
before it". Whoever writes the file gives the order; it is renamed to ``….done`` as it is carried out.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from sqlalchemy import event
from sqlalchemy.orm import Session

__all__ = ["AFTER", "BEFORE", "arm", "point"]

VARIABLE = "CLIPSTEAD_FAULTS"
BEFORE, AFTER = "before", "after"
OURS = ("services.", "libs.bus.", "gateway.")
HERE = "libs.faults"


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
