"""The main job: a recording in, its clips out."""

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gateway.cli.api import Api, View
from gateway.cli.problems import PipelineFailed, Refused
from gateway.cli.progress import Show
from gateway.cli.upload import upload

__all__ = ["Clip", "Run", "collect", "process", "stage_seconds"]

SETTLING = 15.0  # seconds in which every part of the platform has heard of a new clip

FINISHED = {"ready", "failed", "rejected", "dropped"}
PAGE = 50
LONGEST_NAME = 80  # characters


@dataclass(frozen=True)
class Clip:
    """A finished clip and what became of it here."""

    view: View
    files: list[dict[str, Any]] = field(default_factory=list)  # path, width, height, duration
    share_url: str = ""


@dataclass(frozen=True)
class Run:
    """A recording that went through the pipeline, with its clips as the library shows them, in order of time."""

    recording: View
    clips: list[View]


def process(api: Api, source: str, title: str, wishes: Mapping[str, Any], show: Show) -> Run:
    """Hand in a file or URL and follow it to its end. Raises PipelineFailed, with the reason, where it does not make it."""
    if is_url(source):
        body = {"url": source, "wishes": dict(wishes)} | ({"title": title} if title else {})
        media_id = api.create("/api/v1/imports", body)["id"]
    else:
        file = Path(source)
        media_id = upload(api, file, title or file.stem, wishes, show.sent)
    recording = _follow(api, media_id, show)
    problem = recording.get("problem")
    if recording["status"] != "ready":
        detail = problem["detail"] if problem else "it did not become ready"
        where = f" while {problem['stage']}" if problem and problem.get("stage") else ""
        raise PipelineFailed(f"The recording failed{where}: {detail}")
    clips = _clips(api, media_id)
    return Run(recording, sorted(clips, key=lambda clip: clip["start"] or 0.0))


def is_url(source: str) -> bool:
    """Tell an address from a file's name."""
    return urlsplit(source).scheme in {"http", "https"}


def collect(api: Api, run: Run, folder: Path, *, share: bool, extras: bool) -> list[Clip]:
    """Download what is ready into a folder: the clips, and with ``extras`` their posters and the recording's captions."""
    folder.mkdir(parents=True, exist_ok=True)
    taken: set[str] = set()
    ready = [view for view in run.clips if view["status"] == "ready"]
    clips = [_collect_one(api, view, folder, taken, share=share, extras=extras) for view in ready]
    if extras:
        captions = api.request("GET", f"/api/v1/media/{run.recording['id']}/transcript.vtt")
        (folder / f"{_file_name(run.recording['title'], taken)}.vtt").write_bytes(captions.content)
    return clips


def stage_seconds(recording: View) -> dict[str, float]:
    """How long each stage took, in seconds; stages that did not run are left out."""
    return {
        stage["name"]: round(_moment(stage["finished_at"]) - _moment(stage["started_at"]), 3)
        for stage in recording["stages"]
        if stage.get("started_at") and stage.get("finished_at")
    }


def _follow(api: Api, media_id: str, show: Show) -> View:
    for view in api.feed(f"/api/v1/library/{media_id}/events"):
        show.stages(view)
        if view["status"] in FINISHED:
            return view
    raise AssertionError("the feed has no end")


def _clips(api: Api, media_id: str) -> list[View]:
    found: list[View] = []
    cursor: str | None = None
    while True:
        query = {"parent_id": media_id, "kind": "clip", "limit": PAGE} | ({"cursor": cursor} if cursor else {})
        page = api.get("/api/v1/library", **query)
        found += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return found


def _collect_one(api: Api, view: View, folder: Path, taken: set[str], *, share: bool, extras: bool) -> Clip:
    grant = _ask_of(api, "/api/v1/playback", view)
    suffix = ".m4a" if grant["mime"].startswith("audio/") else ".mp4"
    name = _file_name(view["title"], taken)
    target = folder / f"{name}{suffix}"
    api.download(grant["url"], target)
    if extras and grant.get("poster_url"):
        api.download(grant["poster_url"], folder / f"{name}.jpg")
    size = {key: grant.get(key) or view.get(key) for key in ("width", "height", "duration")}
    link = _ask_of(api, "/api/v1/shares", view)["url"] if share else ""
    return Clip(view, [{"path": str(target), **size}], link)


def _ask_of(api: Api, path: str, view: View) -> Any:
    """Post something about a clip that is ready. Those who deliver it may hear of it a moment after the library did."""
    patience = time.monotonic() + SETTLING
    while True:
        try:
            return api.create(path, {"media_id": view["id"]})
        except Refused as refusal:
            if refusal.http_status != HTTPStatus.NOT_FOUND or time.monotonic() > patience:
                raise
        time.sleep(0.2)


def _file_name(title: str, taken: set[str]) -> str:
    """A name that every file system takes, unlike those taken before."""
    plain = unicodedata.normalize("NFC", title)
    words = re.sub(r"[^\w\s.-]", "", plain).strip(" .-")
    base = re.sub(r"\s+", "-", words)[:LONGEST_NAME].rstrip("-.") or "clip"
    name, count = base, 2
    while name.casefold() in taken:
        name, count = f"{base}-{count}", count + 1
    taken.add(name.casefold())
    return name


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
