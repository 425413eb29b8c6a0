"""What the stream service hears."""

from __future__ import annotations

from libs import bus
from libs.contracts import events
from libs.web import idempotency
from services.stream.operations import deliverables, people, tidying

__all__ = ["actors"]

actors = bus.Actors("stream")

actors.on(events.MediaReceived)(deliverables.received)
actors.on(events.RenditionReady)(deliverables.clip_ready)
actors.on(events.OriginalDropped)(deliverables.original_dropped)
actors.on(events.RenditionDropped)(deliverables.clip_dropped)
actors.on(events.MediaChanged)(deliverables.changed)
actors.on(events.MediaDeleted)(deliverables.forget)
actors.on(events.SessionsEnded)(people.sessions_ended)
actors.on(events.MemberLeft)(people.member_left)
actors.on(events.UserSuspended)(people.suspended)
actors.every(600)(tidying.tidy)
actors.every(idempotency.TIDY_EVERY)(idempotency.tidy)
