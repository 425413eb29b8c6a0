"""Fetch what a URL leads to: yt-dlp in a child, all its traffic through the egress proxy.

Where the system allows it, the child has a network of its own in which there is nothing but that proxy. Elsewhere it shares
ours, and is held to the proxy by its options, by the proxy's password and by an audit hook (``fetch_child``).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from libs import process
from libs.process import ChildCancelled, ChildDeadline, ChildError, ChildFailed, ChildRefused, ChildStalled, Door
from services.ingest.engines.egress import Egress, Policy, Refused, Resolver, system_resolver

__all__ = ["Fetched", "TryAgain", "fetch", "version"]

_FETCH = "services.ingest.engines.fetch_child"
_JOIN = "services.ingest.engines.join_child"
_SLACK = 1 << 20  # bytes: metadata around the two streams
_JOIN_DEADLINE = 1800.0
_STALL = 60.0  # seconds in which neither a byte came nor a word was said; the proxy judges the rate before that

OnProgress = Callable[[int, int | None], None]


class TryAgain(Exception):
    """It failed for a reason that may pass: the site was busy, or the line broke. The text is for people.

    ``stderr``: the last words of the child that it happened to.
    """

    stderr = ""


@dataclass(frozen=True)
class Fetched:
    """One whole file, and what the site calls it (empty if it doesn't say)."""

    path: Path
    title: str


def version() -> str:
    """The release of yt-dlp that is installed."""
    from importlib.metadata import version as installed

    return installed("yt-dlp")


def fetch(
    url: str,
    folder: Path,
    policy: Policy,
    *,
    memory: int,
    on_progress: OnProgress,
    cancelled: Callable[[], bool],
    resolver: Resolver = system_resolver,
) -> Fetched:
    """Fetch a recording into ``folder``, which is emptied first.

    ``on_progress`` takes bytes so far and in all (None while unknown). Raises Refused for good, TryAgain for now, and
    ChildCancelled where ``cancelled()`` says so.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with Egress(policy, resolver) as egress:
        try:
            found = _run(url, folder, policy, egress, memory=memory, on_progress=on_progress, cancelled=cancelled)
        except (ChildRefused, ChildFailed, ChildCancelled, ChildStalled, ChildDeadline) as error:
            _explain(error, egress, asked_to_stop=cancelled())
            raise
        if egress.verdict is not None:
            raise egress.verdict
    parts = [folder / name for name in found["parts"]]
    return Fetched(_joined(parts, folder, policy, memory, cancelled), str(found["title"]))


def _run(
    url: str,
    folder: Path,
    policy: Policy,
    egress: Egress,
    *,
    memory: int,
    on_progress: OnProgress,
    cancelled: Callable[[], bool],
) -> dict[str, Any]:
    # The child is more patient than the proxy, so that it is the proxy that says what went wrong.
    patience = 3 * policy.window
    request = {"url": url, "folder": str(folder), "proxy": egress.url, "cap": policy.cap, "timeout": patience}

    def take(message: dict[str, Any]) -> None:
        on_progress(int(message["done"]), message["total"])

    return process.run_module(
        _FETCH,
        request,
        on_message=take,
        deadline=policy.deadline + policy.window,
        stall=_STALL,
        pulse=lambda: egress.received,
        memory=memory,
        file_size=policy.cap + _SLACK,
        alone=True,
        network=Door(egress.port, egress.move_to),
        env={"HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "XDG_CACHE_HOME": str(folder), "TMPDIR": str(folder)},
        cancelled=lambda: egress.verdict is not None or cancelled(),
    )


def _explain(error: ChildError, egress: Egress, *, asked_to_stop: bool) -> None:
    """Raise what the person should read, knowing what the proxy saw. Returns if the error speaks for itself."""
    if asked_to_stop and egress.verdict is None:
        return
    told: Refused | TryAgain
    if egress.problem is not None:
        told = egress.problem
    elif isinstance(error, ChildRefused):
        told = TryAgain(error.detail) if error.code == "transient" else Refused(error.code, error.detail)
    elif isinstance(error, ChildStalled | ChildDeadline):
        told = Refused("import_timeout", "The import took too long and was given up.")
    else:
        return
    told.stderr = error.stderr
    raise told from error


def _joined(parts: list[Path], folder: Path, policy: Policy, memory: int, cancelled: Callable[[], bool]) -> Path:
    if len(parts) == 1:
        return parts[0]
    target = folder / "joined.bin"
    try:
        process.run_module(
            _JOIN,
            {"parts": [str(part) for part in parts], "target": str(target)},
            deadline=_JOIN_DEADLINE,
            memory=memory,
            file_size=policy.cap + _SLACK,
            alone=True,
            cancelled=cancelled,
        )
    except ChildRefused as error:
        refusal = Refused(error.code, error.detail)
        refusal.stderr = error.stderr
        raise refusal from error
    return target
