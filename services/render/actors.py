"""What render hears, and the work it does."""

from __future__ import annotations

from libs import bus
from libs.contracts import events
from libs.web import idempotency
from services.render.operations import planning, rendering, retention, sweeping

actors = bus.Actors("render")

actors.on(events.HighlightsReady)(planning.highlights_ready)
actors.on(events.MediaDeleted)(sweeping.forget)
actors.on(events.RetentionChanged)(retention.ruled)
# One lane: ffmpeg takes every core by itself, so two renders side by side would each take twice as long.
actors.work(planning.RENDER, failed=rendering.render_failed, retried=planning.taken_up, attempts=3, lanes=1)(
    rendering.render
)
actors.every(300)(sweeping.sweep_now_and_then)
actors.every(retention.EVERY)(retention.drop_renditions)
actors.every(idempotency.TIDY_EVERY)(idempotency.tidy)
