"""Where this platform lives: its folder and its ports."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

__all__ = ["REPOSITORY", "Place"]

REPOSITORY = Path(__file__).resolve().parents[2]
DEFAULT_PORT = 3000
LAST_PORT = 65_000


@dataclass(frozen=True)
class Place:
    """One platform on this machine. Two of them get on with each other if both folder and port differ."""

    home: Path
    port: int = DEFAULT_PORT

    @classmethod
    def from_environment(cls) -> Place:
        """Read ``CLIPSTEAD_HOME`` and ``CLIPSTEAD_PORT``. Raises ValueError for a port that can't be."""
        home = Path(os.environ.get("CLIPSTEAD_HOME") or REPOSITORY / "var").absolute()
        text = os.environ.get("CLIPSTEAD_PORT") or str(DEFAULT_PORT)
        if not text.isdecimal() or not 0 < int(text) <= LAST_PORT:
            raise ValueError(f"CLIPSTEAD_PORT is {text!r}; it has to be a number from 1 to {LAST_PORT}")
        return cls(home, int(text))

    @property
    def url(self) -> str:
        """What people open."""
        return os.environ.get("CLIPSTEAD_PUBLIC_URL") or f"http://localhost:{self.port}"

    @property
    def logs(self) -> Path:
        """One file per process."""
        return self.home / "logs"

    @property
    def secrets(self) -> Path:
        """One file per secret, readable by the owner alone."""
        return self.home / "secrets"

    @property
    def run(self) -> Path:
        """The lock and the state of the supervisor."""
        return self.home / "run"

    def log(self, process: str) -> Path:
        """The log of one process."""
        return self.logs / f"{process}.log"
