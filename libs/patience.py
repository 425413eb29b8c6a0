"""What is nobody's fault and passes: the one exception for it, the breaker, and how long to wait before trying again."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from threading import Lock

__all__ = ["Breaker", "TryLater", "backoff"]


class TryLater(Exception):
    """Something that this needs is away or full. Nobody did anything wrong, and trying again later is right.

    HTTP answers it with 503 and Retry-After, and a job that meets it is put back without counting as failed.
    """


@dataclass(slots=True)
class Breaker:
    """Spares everybody the wait for what can't be reached: rests for ``rest`` seconds after ``threshold`` failures in a row.

    Then one caller may try, and the others go on being refused until it is known what became of that. What merely answers
    with errors is not the breaker's business. Safe across threads; ``now`` is a monotonic clock.
    """

    threshold: int = 5
    rest: float = 2.0  # seconds
    failures: int = 0
    closed_from: float = 0.0
    _lock: Lock = field(default_factory=Lock, repr=False)

    def admits(self, now: float) -> bool:
        """Whether a caller may go ahead. After a rest, admits one and waits for what becomes of it."""
        with self._lock:
            if self.failures < self.threshold:
                return True
            if now < self.closed_from:
                return False
            self.closed_from = now + self.rest
            return True

    def succeeded(self) -> None:
        """It was reached."""
        with self._lock:
            self.failures = 0

    def failed(self, now: float) -> None:
        """It was not reached."""
        with self._lock:
            self.failures += 1
            self.closed_from = now + self.rest


def backoff(tries: int, first: float, longest: float) -> float:
    """Seconds to wait after ``tries`` failures: doubled each time up to ``longest``, spread by a quarter either way."""
    return min(longest, first * 2.0 ** min(tries, 30)) * random.uniform(0.75, 1.25)  # noqa: S311  jitter
