"""From moments, or from a person's wish, to planned clips."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from libs import bus, database, disk, web
from libs.bus import Delivery, Job, JobFailed
from libs.contracts import events
from libs.contracts.media import Original, Preset
from libs.contracts.moments import Moment, Moments
from libs.telemetry import log
from libs.web import UNKEYED, Once
from libs.web.problems import Conflict, Gone, NotFound, Unusable
from services.render import plans, presets, queries
from services.render.models import Clip, Rendition
from services.render.plans import Plan
from services.render.presets import SHORTEST, TARGETS, Target
from services.render.states import RenditionState

RENDER = "render"
SOMEBODY_WAITS = 10  # priority of what a person asked for by hand

NO_ORIGINAL = JobFailed(
    "original_dropped",
    "The original of this recording was kept for as long as this platform's rules say, and is gone. Its transcript and its "
    "clips stay, but nothing new can be cut from it.",
)

Shown = dict[str, Any]
"""A clip as its owner sees it."""


def highlights_ready(event: events.HighlightsReady, delivery: Delivery) -> None:
    """Plan a clip for each moment that has none yet, the best first. Repeating it changes nothing."""
    if event.count == 0:
        _note(delivery)
        return
    try:
        original = _original(event.media_id)
        found = Moments.model_validate(web.client("highlight").get(f"/internal/moments/{event.media_id}"))
    except NotFound:
        log.info("moments of a deleted recording", extra={"media_id": str(event.media_id)})
        _note(delivery)
        return
    preset = event.wishes.preset or presets.default(has_video=original.has_video)
    with database.transaction() as session:
        if not delivery.first(session) or queries.locked(session, event.media_id).deleted_at is not None:
            return
        for moment in sorted(found.moments, key=lambda one: one.rank):
            end = min(moment.end, original.duration)
            plan = plans.make(original, moment.start, end, preset, moment.title)
            if queries.alike(session, plan) is None:
                _plan(session, plan, original, moment.title, moment)


def plan_by_hand(
    by: UUID,
    media_id: UUID,
    start: float,
    end: float,
    title: str | None,
    preset: Preset | None,
    once: Once = UNKEYED,
) -> dict[str, Any]:
    """Plan a clip of one's own recording; the same plan is the same clip, however often it is asked for.

    Raises NotFound for a foreign or missing recording, Gone where its original was dropped, Unusable (``out_of_bounds``,
    ``too_short``, ``too_long``), Conflict, and DiskShort.
    """
    answered = once.already(Shown)
    if answered is not None:
        return answered
    disk.require()
    original = _original(media_id)
    if original.owner_id != by:
        raise NotFound
    if original.dropped_at is not None:
        raise Gone(NO_ORIGINAL.detail, code=NO_ORIGINAL.code)
    chosen = preset or presets.default(has_video=original.has_video)
    _check_bounds(original, start, end, TARGETS[chosen])
    name = title or f"{original.title} · {_minutes(start)}-{_minutes(end)}"
    plan = plans.make(original, start, end, chosen, name)
    with database.transaction() as session:
        known = once.remembered(session, Shown)
        if known is not None:
            return known
        if queries.locked(session, media_id).deleted_at is not None:
            raise NotFound
        clip = queries.planned(session, plan) or _plan(session, plan, original, name, priority=SOMEBODY_WAITS)
        return once.remember(session, clip.public())


def clip(clip_id: UUID, by: UUID) -> dict[str, Any]:
    """Show a clip to its owner. Raises NotFound for anybody else."""
    with database.transaction() as session:
        found = queries.clip(session, clip_id, by)
        if found is None:
            raise NotFound
        return found.public()


def clips(by: UUID, media_id: UUID | None, after: UUID | None, limit: int) -> dict[str, Any]:
    """A page of one's own clips, newest first; ``next_cursor`` is None on the last one."""
    with database.transaction() as session:
        found = queries.clips(session, by, media_id, after, limit + 1)
        more = len(found) > limit
        return {
            "items": [one.public() for one in found[:limit]],
            "next_cursor": str(found[limit - 1].id) if more else None,
        }


def retry(clip_id: UUID, by: UUID, once: Once = UNKEYED) -> dict[str, Any]:
    """Render again what failed, or was dropped.

    Raises NotFound, DiskShort, or Conflict where there is nothing to render or trying again can't help.
    """
    disk.require()
    with database.transaction() as session:
        known = once.remembered(session, Shown)
        if known is not None:
            return known
        found = queries.clip(session, clip_id, by, hold=True)
        if found is None:
            raise NotFound
        failed = [rendition for rendition in found.renditions if rendition.state == RenditionState.FAILED]
        dropped = [rendition for rendition in found.renditions if rendition.state == RenditionState.DROPPED]
        if not failed and not dropped:
            raise Conflict("Nothing about this clip failed, so there is nothing to retry.", code="not_failed")
        if failed and not bus.retry(session, subject=clip_id, kind=RENDER):
            raise Conflict(f"Trying again would not help: {failed[0].problem_detail}", code="not_retryable")
        for rendition in dropped:
            _enqueue(session, found, rendition, SOMEBODY_WAITS)
        for rendition in [*failed, *dropped]:
            rendition.to(RenditionState.QUEUED)
            bus.publish(session, progress_of(rendition, found, 0.0))
        return once.remember(session, found.public())


def taken_up(session: Session, job: Job) -> None:
    """A render that ended badly is done after all: its rendition waits again."""
    rendition = queries.rendition(session, UUID(job.params["rendition_id"]))
    if rendition is None:
        raise NotFound("The clip was deleted meanwhile.")
    rendition.to(RenditionState.QUEUED)
    bus.publish(session, progress_of(rendition, rendition.clip, 0.0))


def progress_of(rendition: Rendition, of: Clip, done: float, eta: float | None = None) -> events.RenditionProgress:
    """The event that tells how far a rendition is, in seconds of the clip."""
    return events.RenditionProgress(
        clip_id=of.id,
        media_id=of.media_id,
        rendition_id=rendition.id,
        preset=Preset(rendition.preset),
        done=round(done, 3),
        total=round(of.end - of.start, 3),
        eta=eta,
    )


def failure_of(rendition: Rendition, of: Clip) -> events.RenditionFailed:
    """The event that tells why a rendition failed."""
    return events.RenditionFailed(
        clip_id=of.id,
        media_id=of.media_id,
        rendition_id=rendition.id,
        preset=Preset(rendition.preset),
        code=rendition.problem_code or "internal",
        detail=rendition.problem_detail or "",
    )


def _plan(
    session: Session, plan: Plan, original: Original, title: str, moment: Moment | None = None, priority: int = 0
) -> Clip:
    """Write down a clip and its file to be, tell of it, queue the work. What can't be rendered fails at once."""
    made = Clip(
        id=database.new_id(),
        media_id=plan.media_id,
        owner_id=original.owner_id,
        title=title,
        start=plan.start,
        end=plan.end,
        score=moment.score if moment else None,
        reason=moment.reason if moment else "",
        preset=plan.preset,
        plan=plan.model_dump(mode="json"),
        digest=plan.digest(),
    )
    rendition = Rendition(id=database.new_id(), preset=plan.preset, state=RenditionState.QUEUED, progress=0.0)
    made.renditions = [rendition]
    session.add(made)
    session.flush()
    session.refresh(made, ["created_at"])
    bus.publish(session, _planned(made, rendition))
    unfit = NO_ORIGINAL if original.dropped_at else _unfit(plan.duration, TARGETS[plan.preset])
    if unfit is not None:
        rendition.fail(unfit.code, unfit.detail)
        bus.publish(session, failure_of(rendition, made))
    else:
        _enqueue(session, made, rendition, priority)
    return made


def _enqueue(session: Session, of: Clip, rendition: Rendition, priority: int) -> None:
    params = {"rendition_id": str(rendition.id)}
    bus.enqueue(session, kind=RENDER, subject=of.id, owner=of.owner_id, params=params, priority=priority)


def _planned(made: Clip, rendition: Rendition) -> events.ClipPlanned:
    return events.ClipPlanned(
        clip_id=made.id,
        media_id=made.media_id,
        owner_id=made.owner_id,
        rendition_id=rendition.id,
        preset=Preset(rendition.preset),
        title=made.title,
        start=made.start,
        end=made.end,
        score=made.score,
        reason=made.reason,
    )


def _note(delivery: Delivery) -> None:
    """Note an arrival that has no effect; what is not in the inbox is sent again and again."""
    with database.transaction() as session:
        delivery.first(session)


def _original(media_id: UUID) -> Original:
    """Ask ingest for a recording. Raises NotFound."""
    try:
        return Original.model_validate(web.client("ingest").get(f"/internal/originals/{media_id}"))
    except web.PeerRefused as refusal:
        if refusal.status == NotFound.status:
            raise NotFound from refusal
        raise


def _check_bounds(original: Original, start: float, end: float, target: Target) -> None:
    if end <= start:
        raise Unusable("A clip must end after it starts.", code="out_of_bounds")
    if end > original.duration + plans.SAME:
        raise Unusable(
            f"The recording is {original.duration:.2f} s long; the clip would end at {end:.2f} s.",
            code="out_of_bounds",
            duration=original.duration,
        )
    unfit = _unfit(end - start, target)
    if unfit is not None:
        raise unfit


def _unfit(length: float, target: Target) -> Unusable | None:
    """The reason why a span of this length can't be rendered for a frame, if there is one."""
    if length < SHORTEST:
        return Unusable(f"A clip must be at least {SHORTEST:.0f} s long.", code="too_short", shortest=SHORTEST)
    if length > target.longest + plans.SAME:
        return Unusable(
            f"{target.label} takes at most {target.longest:.0f} s and this span is {length:.1f} s long. "
            "Choose a shorter span or another preset.",
            code="too_long",
            longest=target.longest,
        )
    return None


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
