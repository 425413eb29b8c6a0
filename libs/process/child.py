"""The other side of ``libs.process.run_module``: what a child module calls.

A child is a module with ``if __name__ == "__main__": child.main(handle)``. It reads one JSON request from standard input
and writes JSON lines: messages on the way, and a result or an error at the end. Prints of foreign libraries go to stderr.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

__all__ = ["Handle", "Refuse", "Tell", "main"]

Tell = Callable[[dict[str, Any]], None]
Handle = Callable[[dict[str, Any], Tell], dict[str, Any]]


class Refuse(Exception):
    """The work can't be done: a stable code and a sentence a person can act on."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


def main(handle: Handle) -> None:
    """Answer one request and exit."""
    # The pipe is ours alone: whatever a foreign library prints to file descriptor 1 must not look like a message.
    messages = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def tell(message: dict[str, Any]) -> None:
        messages.write(json.dumps(message) + "\n")
        messages.flush()

    try:
        tell({"result": handle(json.load(sys.stdin), tell)})
    except Refuse as refusal:
        tell({"error": {"code": refusal.code, "detail": refusal.detail}})
        sys.exit(1)
