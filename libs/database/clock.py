"""How far this process's clock is from the database's, which is the one that leases and expiries are judged by.

Tokens between services and sessions' cookies are judged by the clock of whoever reads them, and those have to agree.
"""

from __future__ import annotations

import math
import time

from prometheus_client import Gauge
from sqlalchemy import func, select
from sqlalchemy.orm import Session

__all__ = ["Clock"]

EVERY = 15.0  # seconds
CLOSE = 1.0  # seconds that a round trip may take; the answer to a slower one says too little

OFFSET = Gauge(
    "clock_offset_seconds",
    "How far the clock of this process is ahead of PostgreSQL's. NaN until it was compared, and where there is none.",
)
OFFSET.set(math.nan)


class Clock:
    """Compares now and then, within transactions that happen anyway: a process that asks for nothing asks for no time."""

    def __init__(self) -> None:
        self._due = 0.0

    def compare(self, session: Session) -> None:
        """Ask for the time, if it is due. Half of the round trip is taken for the way there."""
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + EVERY
        connection = session.connection()
        connection.execute(select(1))  # a connection, and BEGIN, take ways of their own
        begun, asked = time.time(), time.monotonic()
        theirs = float(connection.scalar(select(func.extract("epoch", func.clock_timestamp()))) or 0)
        taken = time.monotonic() - asked
        if taken <= CLOSE:
            OFFSET.set(begun + taken / 2 - theirs)
