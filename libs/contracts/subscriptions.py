"""Who listens to what: the one table. The relay delivers by it, and a service refuses to start without its handlers."""

from __future__ import annotations

from libs.contracts import events

SERVICES = ("auth", "ingest", "transcription", "highlight", "render", "catalog", "stream")

SUBSCRIPTIONS: dict[type[events.Event], tuple[str, ...]] = {
    events.UserChanged: ("catalog",),
    events.UserDeleted: ("catalog",),
    events.UserSuspended: ("catalog", "stream"),
    events.SessionsEnded: ("stream",),
    events.GroupChanged: ("catalog",),
    events.MemberLeft: ("catalog", "stream"),
    events.MediaAnnounced: ("catalog",),
    events.MediaProgress: ("catalog",),
    events.MediaReceived: ("transcription", "catalog", "stream"),
    events.MediaRejected: ("catalog",),
    events.OriginalDropped: ("catalog", "stream"),
    events.TranscriptProgress: ("catalog",),
    events.TranscriptReady: ("highlight", "catalog"),
    events.TranscriptFailed: ("catalog",),
    events.HighlightsProgress: ("catalog",),
    events.HighlightsReady: ("render", "catalog"),
    events.ClipPlanned: ("catalog",),
    events.RenditionProgress: ("catalog",),
    events.RenditionReady: ("catalog", "stream"),
    events.RenditionFailed: ("catalog",),
    events.RenditionDropped: ("catalog", "stream"),
    events.MediaChanged: ("stream",),
    events.MediaDeleted: ("ingest", "transcription", "highlight", "render", "stream"),
    events.RetentionChanged: ("ingest", "render"),
    events.ShareViewed: ("catalog",),
}


def subscribers(name: str) -> tuple[str, ...]:
    """The services that an event of this wire name goes to."""
    return SUBSCRIPTIONS[events.EVENTS[name]]


def subscribed(service: str) -> tuple[type[events.Event], ...]:
    """The events that a service listens to."""
    return tuple(event for event, services in SUBSCRIPTIONS.items() if service in services)
