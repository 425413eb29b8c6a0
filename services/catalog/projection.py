"""What people see of a recording or clip, worked out from the facts. Pure: the same facts give the same view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from libs.contracts import events
from services.catalog.facts import Fact, Facts, files, told, was_dropped, was_rendered_again
from services.catalog.states import Stage, StageState, Status, failure, skip_after_failure, status

UNTITLED = "Untitled"
_OVER = frozenset({StageState.DONE, StageState.FAILED})
FILE_FIELDS = ("rendition_id", "preset", "width", "height", "duration", "size", "mime")


@dataclass(frozen=True, slots=True)
class View:
    """The projected part of a media view: what lists are sorted and filtered by, and ``body`` with the rest."""

    title: str
    status: Status
    duration: float | None
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Clip:
    """What a recording's render stage needs to know of one of its clips."""

    found: bool  # cut from a found moment, not by hand
    stage: Stage
    dropped: bool = False  # its file is gone, which makes the recording no less finished


@dataclass(frozen=True, slots=True)
class Clips:
    """A recording's clips. ``dropped`` counts those of found moments that were deleted: they are not waited for."""

    clips: Sequence[Clip] = field(default=())
    dropped: int = 0

    def counts(self) -> dict[str, int]:
        """Count them all."""
        states = [clip.stage.state for clip in self.clips]
        return {
            "planned": len(states),
            "ready": sum(clip.stage.state is StageState.DONE and not clip.dropped for clip in self.clips),
            "failed": states.count(StageState.FAILED),
        }


def recording(facts: Facts, clips: Clips) -> View:
    """Project a recording."""
    stages = [_receive(facts), _check(facts), _transcribe(facts), _find(facts), _render(facts, clips)]
    skip_after_failure(stages)
    received = told(facts, "intake.end", events.MediaReceived)
    original: dict[str, Any] = received["original"] if received else {}
    announced = told(facts, "announced") or {}
    found = told(facts, "find.end")
    video = original.get("has_video")
    body = {
        "problem": _problem(stages),
        "media_type": None if not original else "video" if video else "audio",
        "width": original.get("width") if video else None,
        "height": original.get("height") if video else None,
        "size": original.get("size"),
        "start": None,
        "end": None,
        "score": None,
        "reason": None,
        "preset": None,
        "transcript": _transcript(facts),
        "moments": found["count"] if found else None,
        "chosen_by": found["chosen_by"] if found else None,
        "clips": clips.counts(),
        "files": [],
        "stages": [stage.public() for stage in stages],
        "origin": announced.get("origin"),
        "original_dropped_at": facts["original.dropped"]["at"] if "original.dropped" in facts else None,
    }
    title = original.get("title") or announced.get("title") or UNTITLED
    return View(title, status(stages), original.get("duration"), body)


def clip(facts: Facts) -> View:
    """Project a clip."""
    stage = clip_stage(facts)
    planned = told(facts, "planned") or {}
    finished = files(facts)
    newest = finished[-1] if finished else {}
    preset = next((fact["preset"] for fact in (newest, planned, told(facts, "render.end") or {}) if fact), None)
    length = planned["end"] - planned["start"] if planned else None
    body = {
        "problem": _problem([stage]),
        "media_type": newest["mime"].split("/")[0] if newest else None,
        "width": newest.get("width"),
        "height": newest.get("height"),
        "size": newest.get("size"),
        "start": planned.get("start"),
        "end": planned.get("end"),
        "score": planned.get("score"),
        "reason": planned.get("reason"),
        "preset": preset,
        "transcript": None,
        "moments": None,
        "chosen_by": None,
        "clips": Clips().counts(),
        "files": [{name: file[name] for name in FILE_FIELDS} for file in finished],
        "stages": [stage.public()],
        "origin": None,
        "original_dropped_at": None,
    }
    title = planned.get("title") or newest.get("title") or UNTITLED
    return View(title, _clip_status(facts, stage), newest.get("duration", length), body)


def _clip_status(facts: Facts, stage: Stage) -> Status:
    return Status.DROPPED if stage.state is StageState.DONE and was_dropped(facts) else status([stage])


def clip_stage(facts: Facts) -> Stage:
    """Work out the one stage of a clip."""
    stage = _stage(facts, "render", "seconds", reopens=was_rendered_again(facts))
    end = told(facts, "render.end")
    planned = facts.get("planned")
    if planned and stage.state is StageState.WAITING:
        stage.started_at = None
        stage.total = planned["body"]["end"] - planned["body"]["start"]
    if stage.state is StageState.DONE and end:
        stage.done = stage.total = end["duration"]
    return stage


def _receive(facts: Facts) -> Stage:
    stage = Stage("receive", "bytes")
    begun: Fact | None = facts.get("announced")
    progress: Fact | None = facts.get("receive.progress")
    if begun or progress:
        stage.state = StageState.RUNNING
        stage.started_at = begun["first"] if begun else progress["first"] if progress else None
    if progress:
        stage.done, stage.total = progress["body"]["done"], progress["body"]["total"]
    checking: Fact | None = facts.get("check.progress")
    whole = bool(progress and stage.total is not None and stage.done >= stage.total)
    end: Fact | None = facts.get("intake.end")
    rejected = told(facts, "intake.end", events.MediaRejected)
    if rejected and rejected["stage"] == "receive":
        _fail(stage, rejected, end)
    elif whole or checking or end:
        seen = progress["at"] if whole and progress else checking["first"] if checking else end["at"] if end else None
        stage.finish(StageState.DONE, seen)
    received = told(facts, "intake.end", events.MediaReceived)
    if received:
        stage.done = stage.total = received["original"]["size"]
    return stage


def _check(facts: Facts) -> Stage:
    stage = Stage("check", "bytes")
    before = _receive(facts)
    if before.state is StageState.FAILED:
        return stage
    progress: Fact | None = facts.get("check.progress")
    if progress:
        stage.done, stage.total = progress["body"]["done"], progress["body"]["total"]
    if before.state is StageState.DONE:
        stage.state, stage.started_at = StageState.RUNNING, before.finished_at
    end: Fact | None = facts.get("intake.end")
    received = told(facts, "intake.end", events.MediaReceived)
    rejected = told(facts, "intake.end", events.MediaRejected)
    if received and end:
        stage.finish(StageState.DONE, end["at"])
        stage.done = stage.total = received["original"]["size"]
        stage.engine = received["engine"]
    elif rejected:
        _fail(stage, rejected, end)
    return stage


def _transcribe(facts: Facts) -> Stage:
    stage = _stage(facts, "transcribe", "seconds", reopens=False)
    received = told(facts, "intake.end", events.MediaReceived)
    if stage.total is None and received:
        stage.total = received["original"]["duration"]
    ready = told(facts, "transcribe.end", events.TranscriptReady)
    if stage.state is StageState.DONE and ready:
        stage.done = stage.total or 0
        stage.detail = f"{_many(ready['words'], 'word')}, {_many(ready['speakers'], 'voice')}"
    return stage


def _find(facts: Facts) -> Stage:
    stage = _stage(facts, "find", "steps", reopens=True)
    ready = told(facts, "find.end")
    if stage.state is not StageState.DONE or not ready:
        return stage
    if ready["count"] == 0:
        _fail(stage, ready, facts["find.end"])
        return stage
    stage.done = stage.total = stage.total or 1
    stage.detail = ready["detail"] or f"{_many(ready['count'], 'moment')}, chosen by {ready['chosen_by']}"
    return stage


def _render(facts: Facts, clips: Clips) -> Stage:
    """Sum up the clips of found moments: over when each is ready or failed, failed when none is ready."""
    stage = Stage("render", "clips")
    found = told(facts, "find.end")
    wanted = found["count"] if found else 0
    mine = [clip.stage for clip in clips.clips if clip.found]
    # No second clip is made of a moment that was cut by hand before, so one of those may stand for a missing one.
    by_hand = sum(clip.stage.state in _OVER for clip in clips.clips if not clip.found)
    if not mine and not (wanted and clips.dropped + by_hand):
        stage.total = wanted or None
        return stage
    over = [clip for clip in mine if clip.state in _OVER]
    ready = [clip for clip in mine if clip.state is StageState.DONE]
    running = [clip for clip in mine if clip.state is StageState.RUNNING]
    stage.total = max(wanted, len(mine) + clips.dropped)
    partly = sum(min(1.0, clip.done / clip.total) for clip in running if clip.total)
    stage.done = round(len(over) + clips.dropped + partly, 3)
    stage.engine = [span for clip in mine for span in clip.engine]
    stage.started_at = min((clip.started_at for clip in mine if clip.started_at), default=None)
    stage.state = StageState.RUNNING if running or over else StageState.WAITING
    etas = [clip.eta for clip in running if clip.eta is not None]
    stage.eta = max(etas) if etas else None
    if len(over) < len(mine) or len(over) + clips.dropped + by_hand < stage.total:
        return stage
    stage.done = stage.total
    finished = max((clip.finished_at for clip in over if clip.finished_at), default=None)
    stage.finish(StageState.DONE, finished)
    failed = [clip for clip in mine if clip.state is StageState.FAILED]
    if failed and not ready:
        stage.state, stage.code, stage.detail = StageState.FAILED, failed[0].code, failed[0].detail
    elif failed:
        stage.detail = f"{len(failed)} of {_many(len(mine), 'clip')} failed: {failed[0].detail}"
    return stage


def _stage(facts: Facts, name: str, unit: str, *, reopens: bool) -> Stage:
    """Work out a stage that tells progress and an end.

    Progress told after a failure is another try. After success it is the straggler of a worker that was given up, unless
    the stage ``reopens``: moments are looked for again when the owner asks.
    """
    stage = Stage(name, unit)
    progress: Fact | None = facts.get(f"{name}.progress")
    end: Fact | None = facts.get(f"{name}.end")
    if progress:
        body = progress["body"]
        stage.state, stage.started_at = StageState.RUNNING, progress["first"]
        stage.done, stage.total = body["done"], body["total"]
        stage.eta, stage.detail = body.get("eta"), body.get("detail", "")
    if end is None:
        return stage
    failed = end["topic"] in {events.TranscriptFailed.name, events.RenditionFailed.name}
    again = progress is not None and progress["event"] > end["event"] and (failed or reopens)
    if again:
        return stage
    if failed:
        _fail(stage, end["body"], end)
    else:
        stage.finish(StageState.DONE, end["at"])
        stage.engine = end["body"].get("engine", [])
        stage.detail = ""
    return stage


def _fail(stage: Stage, body: dict[str, Any], end: Fact | None) -> None:
    stage.finish(StageState.FAILED, end["at"] if end else None)
    stage.code, stage.detail = body["code"], body["detail"]
    stage.engine = list(body.get("engine", []))


def _problem(stages: Sequence[Stage]) -> dict[str, str] | None:
    stage = failure(stages)
    return {"stage": stage.name, "code": stage.code, "detail": stage.detail} if stage else None


def _transcript(facts: Facts) -> dict[str, Any] | None:
    ready = told(facts, "transcribe.end", events.TranscriptReady)
    if ready is None:
        return None
    names = ("model", "quality", "language", "words", "speakers")
    return {"engine": ready["transcript_engine"]} | {name: ready[name] for name in names}


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
