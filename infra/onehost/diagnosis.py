"""What is on this machine, and what would make Clipstead work better on it."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.error import URLError
from urllib.request import urlopen

import psutil

from infra.onehost import ports, running, webapp
from infra.onehost.place import Place
from infra.onehost.topology import PORTS
from libs import process

__all__ = ["Finding", "examine"]

GIB = 1 << 30
LEAST_DISK = 2 * GIB  # below this, uploads are refused sooner or later
LEAST_MEMORY = 3 * GIB
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. Not ``good``: it could be better; ``fatal``: nothing will run."""

    what: str
    found: str
    good: bool = True
    improve: str = ""
    fatal: bool = False

    def __str__(self) -> str:
        mark = "✗" if self.fatal else "✓" if self.good else "•"
        hint = f"\n{'':21}→ {self.improve}" if self.improve else ""
        return f"{mark} {self.what:18} {self.found}{hint}"


def examine(place: Place) -> list[Finding]:
    """Look at everything. Whatever can't be found out is told as such."""
    return [finding for look in _looks(place) for finding in look()]


def _looks(place: Place) -> list[Callable[[], Iterator[Finding]]]:
    return [
        _python,
        _ffmpeg,
        lambda: _speech(place),
        _moments,
        _node,
        _browser,
        lambda: _disk(place),
        _memory,
        lambda: _ports(place),
        _isolation,
    ]


def _python() -> Iterator[Finding]:
    yield Finding("Python", f"{platform.python_version()} on {platform.platform(terse=True)}, {os.cpu_count()} cores")


def _ffmpeg() -> Iterator[Finding]:
    import imageio_ffmpeg

    yield Finding("ffmpeg", f"{imageio_ffmpeg.get_ffmpeg_version()} ({imageio_ffmpeg.get_ffmpeg_exe()})")
    yield Finding("PyAV", importlib.metadata.version("av"))


def _speech(place: Place) -> Iterator[Finding]:
    from services.transcription.engines.choice import standing
    from services.transcription.settings import TranscriptionSettings

    choice = standing(TranscriptionSettings(home=place.home))
    draft = choice.quality == "draft"
    yield Finding("speech to text", f"{choice.label}. {choice.reason}", not draft, choice.improve)
    yield Finding("speakers", "built-in diarizer")


def _moments() -> Iterator[Finding]:
    from services.highlight.settings import HighlightSettings

    host = HighlightSettings().ollama_host
    models = _ollama_models(host) if host else None
    if models:
        yield Finding("moments", f"Ollama at {host}: {', '.join(models)}")
    elif models is not None:
        yield Finding("moments", f"built-in; Ollama answers at {host}, but has no model", False, "ollama pull llama3.2")
    else:
        hint = "Install Ollama (https://ollama.com) and pull a model; titles and reasons get better."
        yield Finding("moments", f"built-in; no Ollama at {host or '(switched off)'}", False, hint)


def _ollama_models(host: str) -> list[str] | None:
    try:
        with urlopen(f"{host.rstrip('/')}/api/tags", timeout=2) as reply:  # noqa: S310  the administrator's own setting
            return [model["name"] for model in json.load(reply)["models"]]
    except (URLError, OSError, ValueError, KeyError):
        return None


def _node() -> Iterator[Finding]:
    found = webapp.node()
    if found is None:
        yield Finding("Node", "none", False, "Install Node 20 or newer: without it the web app can't be built.")
        return
    built = "stale: `up` will build it" if webapp.is_stale() else "built"
    yield Finding("Node", f"{found[1]} ({found[0]}); web app: {built}")


def _browser() -> Iterator[Finding]:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    hint = "" if found else "Only the browser tests want one; `./clipstead test` fetches it."
    yield Finding("Chromium", found or "none", found is not None, hint)


def _disk(place: Place) -> Iterator[Finding]:
    folder = next(path for path in (place.home, *place.home.parents) if path.exists())
    free = shutil.disk_usage(folder).free
    hint = "" if free > LEAST_DISK else "Make room, or set CLIPSTEAD_HOME to a folder on a larger disk."
    yield Finding("free disk", f"{free / GIB:.1f} GiB at {place.home}", free > LEAST_DISK, hint)
    if folder == place.home and not os.access(folder, os.W_OK):
        yield Finding("home", f"{place.home} can't be written to", False, "Set CLIPSTEAD_HOME to another.", fatal=True)


def _memory() -> Iterator[Finding]:
    memory = psutil.virtual_memory()
    enough = memory.available > LEAST_MEMORY
    hint = "" if enough else "About 3 GiB are wanted while a recording is worked on."
    yield Finding("memory", f"{memory.available / GIB:.1f} of {memory.total / GIB:.1f} GiB available", enough, hint)


def _ports(place: Place) -> Iterator[Finding]:
    if running.current(place):
        yield Finding("ports", f"Clipstead is running at {place.url}")
        return
    offsets = sorted({offset for pair in PORTS.values() for offset in pair if offset is not None})
    lost = ports.taken([(_owner(offset), place.port + offset) for offset in offsets])
    if lost:
        said = " ".join(map(str, lost))
        yield Finding("ports", said, good=False, improve="Set CLIPSTEAD_PORT to another number.", fatal=True)
    else:
        yield Finding("ports", f"{place.port} to {place.port + offsets[-1]}: those that are wanted are free")


def _owner(offset: int) -> str:
    return next(f"{name}'s worker" if pair[0] != offset else name for name, pair in PORTS.items() if offset in pair)


def _isolation() -> Iterator[Finding]:
    """By what means media tools have no network, and imports nothing but their proxy."""
    found = process.isolation()
    if sys.platform != "linux":
        yield Finding("isolation", "media tools run with limits, but with network: only Linux can cut it", good=False)
        yield Finding("imports", "held to their proxy by yt-dlp's options and an audit hook alone", good=False)
        return
    means = [
        name
        for name, there in (("a namespace of their own", found.namespace), ("a filter of system calls", found.filter))
        if there
    ]
    hint = "" if means else "Allow user namespaces (sysctl user.max_user_namespaces), or seccomp filters."
    said = f"without network, by {' and '.join(means)}" if means else "with network"
    yield Finding("isolation", f"media tools run {said}; with limits", bool(means), hint)
    if found.namespace:
        yield Finding("imports", "in a network of their own, where only the checking proxy answers")
        return
    ways = "yt-dlp's options, an audit hook" + (" and a filter of system calls" if found.filter else "")
    hint = "Allow user namespaces (sysctl user.max_user_namespaces), or containers with CAP_SYS_ADMIN."
    yield Finding("imports", f"in this machine's network, held to the checking proxy by {ways}", False, hint)
