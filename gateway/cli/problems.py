"""Why a command ends without its result. Each kind has an exit status of its own, for scripts.

Stopped
├── PipelineFailed   1  the recording was refused, or a stage or clip failed
├── Usage            2  the command line can't be understood (argparse says the same)
├── Unreachable      3  nobody answers, or only with errors of its own
└── Refused          4  the platform said no: not signed in, not allowed, too much
"""

from __future__ import annotations

__all__ = ["PipelineFailed", "Refused", "Stopped", "Unreachable", "Usage"]


class Stopped(Exception):
    """Base of all. The text is for the user."""

    status = 1


class PipelineFailed(Stopped):
    """The platform works, and this recording did not come through."""

    status = 1


class Usage(Stopped):
    """What was asked for makes no sense."""

    status = 2


class Unreachable(Stopped):
    """No answer, for longer than a restart takes."""

    status = 3


class Refused(Stopped):
    """A problem document (RFC 9457) came back."""

    status = 4

    def __init__(self, http_status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.http_status = http_status
        self.code = code
