"""Child process that fetches one URL with yt-dlp into one folder.

What yt-dlp may do is cut down twice. By its options: no configuration, plug-ins, cookies, netrc, external downloaders or
post-processing, fixed file names. And by an audit hook, which Python can't take back once set: connections go to the
egress proxy alone, no program is started, and nothing is written outside the folder. The hook is a second wall around pure
Python code, not a sandbox against native code; the first wall is the network namespace and the filter of ``libs.process``.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from libs.process import child

_X_SPACE = re.compile(r"https?://(?:www\.|mobile\.)?(?:x|twitter)\.com/i/spaces/", re.IGNORECASE)
_NETWORK = {"socket.connect", "socket.sendto", "socket.sendmsg", "socket.bind"}
_PROGRAMS = {
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "os.fork",
    "os.forkpty",
    "pty.spawn",
}
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_NETWORK_FAILED = "The site could not be reached, or broke off in the middle."


class Unplayable(Exception):
    """What the page holds can't be imported by its nature. The text is for the person who asked."""


def confine(folder: Path, proxy_port: int) -> None:
    """From now on refuse connections but to the proxy, programs, and writing outside ``folder``."""
    inside = str(folder.resolve()) + os.sep

    def judge(event: str, args: tuple[Any, ...]) -> None:
        if event in _NETWORK and args[1] != ("127.0.0.1", proxy_port):
            raise PermissionError(f"{event} to {args[1]!r} is not allowed")
        if event in _PROGRAMS:
            raise PermissionError(f"{event} is not allowed")
        if event == "open" and isinstance(args[2], int) and args[2] & _WRITES and not _may_write(args[0], inside):
            raise PermissionError(f"writing {args[0]!r} is not allowed")

    sys.addaudithook(judge)


def _may_write(path: object, inside: str) -> bool:
    if not isinstance(path, str | bytes):
        return isinstance(path, int)  # a descriptor that is open already
    name = os.path.realpath(os.fsdecode(path))
    return name.startswith(inside) or name == os.devnull


def choose(formats: list[dict[str, Any]], *, sound_only: bool) -> list[dict[str, Any]]:
    """Pick what to fetch from yt-dlp's list, which is sorted from worst to best.

    One whole file where it is as good as separate streams, else one stream of pictures and one of sound. A codec that
    yt-dlp doesn't know counts as present.
    """
    usable = [each for each in formats if not each.get("has_drm") and each.get("ext") != "none"]
    pictures = [each for each in usable if each.get("vcodec") != "none" and each.get("acodec") == "none"]
    sounds = [each for each in usable if each.get("vcodec") == "none" and each.get("acodec") != "none"]
    whole = [each for each in usable if each.get("vcodec") != "none" and each.get("acodec") != "none"]
    if sound_only and (sounds or whole):
        return (sounds or whole)[-1:]
    if pictures and sounds and (not whole or _height(pictures[-1]) > _height(whole[-1])):
        return [pictures[-1], sounds[-1]]
    return (whole or sounds or pictures)[-1:]


def _height(chosen: dict[str, Any]) -> int:
    return int(chosen.get("height") or 0)


def handle(request: dict[str, Any], tell: child.Tell) -> dict[str, Any]:
    """Fetch ``request["url"]`` into ``request["folder"]``; answer the file names and a title."""
    folder = Path(request["folder"])
    ydl = _downloader(request, folder, tell)
    confine(folder, int(request["proxy"].rpartition(":")[2]))
    try:
        info = ydl.extract_info(request["url"], download=True)
    except Unplayable as reason:
        raise child.Refuse("import_unsupported", str(reason)) from reason
    except Exception as error:
        raise _refusal(error) from error
    if info and info.get("_type") == "playlist":
        info = next((entry for entry in info.get("entries") or () if entry), None)
    parts = sorted(path.name for path in folder.glob("part*.bin") if path.stat().st_size)
    if not info or not parts:
        raise child.Refuse("import_unsupported", "There is no recording at this address that can be imported.")
    return {"parts": parts, "title": str(info.get("title") or "")[:500], "version": _version()}


def _version() -> str:
    from yt_dlp.version import __version__

    return str(__version__)


def _downloader(request: dict[str, Any], folder: Path, tell: child.Tell) -> Any:
    os.environ["YTDLP_NO_PLUGINS"] = "1"
    sys.dont_write_bytecode = True
    import yt_dlp
    from yt_dlp.globals import plugin_dirs

    plugin_dirs.value = []
    sound_only = bool(_X_SPACE.match(request["url"]))
    progress = _Progress(tell)

    def selected(context: dict[str, Any]) -> Iterator[dict[str, Any]]:
        chosen = choose(context["formats"], sound_only=sound_only)
        progress.expect(chosen)
        for number, each in enumerate(chosen):
            yield {**each, "format_id": f"part{number}"}

    return yt_dlp.YoutubeDL(
        {
            "proxy": request["proxy"],
            "format": selected,
            "format_sort": ["res:1080", "vcodec:h264", "acodec:aac"],
            "outtmpl": {"default": str(folder / "%(format_id)s.bin")},
            "paths": {},
            "cachedir": False,
            "nopart": True,
            "continuedl": False,
            "overwrites": True,
            "noplaylist": True,
            "playlist_items": "1",
            "external_downloader": None,
            "hls_prefer_native": True,
            "hls_use_mpegts": True,
            "concurrent_fragment_downloads": 1,
            "fixup": "never",
            "postprocessors": [],
            "usenetrc": False,
            "cookiefile": None,
            "cookiesfrombrowser": None,
            "writethumbnail": False,
            "writesubtitles": False,
            "writeinfojson": False,
            "allowed_extractors": ["default"],
            "max_filesize": request["cap"],
            "socket_timeout": request["timeout"],
            "retries": 2,
            "fragment_retries": 2,
            "extractor_retries": 1,
            "file_access_retries": 0,
            "match_filter": _importable,
            "progress_hooks": [progress],
            "quiet": True,
            "no_warnings": True,
            "noprogress": True,
            "color": "never",
        },
        auto_init=True,
    )


def _importable(info: dict[str, Any], *, incomplete: bool = False) -> str | None:
    del incomplete
    if info.get("is_live") or info.get("live_status") in {"is_live", "is_upcoming"}:
        raise Unplayable("This is a live broadcast. Import it when it is over.")
    return None


class _Progress:
    """Adds up the bytes of one or two files. ``total`` stays None until the site has said it."""

    def __init__(self, tell: child.Tell) -> None:
        self._tell = tell
        self._sizes: list[int | None] = []
        self._done: dict[str, int] = {}

    def expect(self, chosen: list[dict[str, Any]]) -> None:
        self._sizes = [each.get("filesize") or each.get("filesize_approx") for each in chosen]

    def __call__(self, state: dict[str, Any]) -> None:
        done, total = state.get("downloaded_bytes"), state.get("total_bytes") or state.get("total_bytes_estimate")
        self._done[state.get("filename") or ""] = int(done or 0)
        if len(self._sizes) <= 1:
            self._sizes = [total]
        known = [size for size in self._sizes if size]
        whole = int(sum(known)) if known and len(known) == len(self._sizes) else None
        fetched = sum(self._done.values())
        self._tell({"done": fetched, "total": max(whole, fetched) if whole else None})


def _refusal(error: Exception) -> child.Refuse:
    """Sort what went wrong into our codes. ``transient`` asks for another try."""
    from yt_dlp.networking.exceptions import HTTPError, TransportError
    from yt_dlp.utils import GeoRestrictedError, UnsupportedError

    for cause in _causes(error):
        if isinstance(cause, HTTPError):
            return _by_status(int(cause.status))
        if isinstance(cause, UnsupportedError):
            return child.Refuse("import_unsupported", "There is no recording at this address that can be imported.")
        if isinstance(cause, GeoRestrictedError):
            return child.Refuse("import_failed", "The site does not offer this recording where this server stands.")
        if isinstance(cause, TransportError | TimeoutError | ConnectionError):
            return child.Refuse("transient", _NETWORK_FAILED)
        if isinstance(cause, Unplayable):
            return child.Refuse("import_unsupported", str(cause))
    return child.Refuse("import_failed", f"This address could not be imported: {_first_line(error)}.")


def _by_status(status: int) -> child.Refuse:
    if status in {404, 410}:
        return child.Refuse("import_not_found", f"There is nothing at this address (the site answered {status}).")
    if status in {408, 425, 429} or status >= 500:
        return child.Refuse("transient", f"The site is not able to answer at the moment ({status}).")
    return child.Refuse("import_failed", f"The site refuses to hand this out (it answered {status}).")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what led to it: yt-dlp keeps the original in several places."""
    left, seen = [error], set()
    while left:
        one = left.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        info = getattr(one, "exc_info", None)
        nested = (info[1] if info else None, getattr(one, "cause", None), one.__cause__, one.__context__)
        left.extend(each for each in nested if isinstance(each, BaseException))


def _first_line(error: Exception) -> str:
    """What yt-dlp says, less its prefix and its advice to report bugs to its authors."""
    lines = str(error).removeprefix("ERROR: ").splitlines() or [type(error).__name__]
    text = re.split(r"(?:;|\.)\s+(?:please report|If you believe|Use --)", lines[0])[0]
    return text.strip().rstrip(".")[:200]


if __name__ == "__main__":
    child.main(handle)
