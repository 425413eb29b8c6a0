"""What the pipeline tells, projected into the library."""

from __future__ import annotations

from datetime import UTC
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from libs import database
from libs.bus import Delivery
from libs.contracts import events
from services.catalog import projection, queries
from services.catalog.facts import noted, was_dropped
from services.catalog.models import Media
from services.catalog.operations.announcing import announce
from services.catalog.projection import Clip, Clips

RECORDING, CLIP = "recording", "clip"


def heard(event: events.Event, delivery: Delivery) -> None:
    """Note a pipeline event and refresh what people see. Order and repetition of deliveries make no difference.

    Of a recording or clip that was never heard of, a shell is made, which nobody sees until its owner is known; what
    was deleted stays so.
    """
    recording_id: UUID = event.media_id  # type: ignore[attr-defined]  # every event of the pipeline has one
    clip_id: UUID | None = getattr(event, "clip_id", None)
    with database.transaction() as session:
        if not delivery.first(session):
            return
        # The recording first, always, so that two events never wait for each other's rows.
        recording = queries.locked_or_made(session, recording_id, RECORDING)
        if recording is None:
            return
        subject: Media | None = recording
        if clip_id is not None:
            subject = queries.locked_or_made(session, clip_id, CLIP, recording_id)
        if subject is None:
            return
        subject.owner_id = getattr(event, "owner_id", None) or subject.owner_id
        subject.facts = noted(subject.facts, event, delivery.event_id, _arrival(session))
        refresh(session, subject)
        if subject is not recording:
            refresh(session, recording)


def viewed(event: events.ShareViewed, delivery: Delivery) -> None:
    """Count a view. It is no change of the media: its version stays."""
    with database.transaction() as session:
        if delivery.first(session):
            session.execute(update(Media).where(Media.id == event.media_id).values(views=Media.views + 1))


def refresh(session: Session, media: Media) -> None:
    """Work out anew what people see of it, and announce it if that changed."""
    view = (
        projection.clip(media.facts)
        if media.kind == CLIP
        else projection.recording(media.facts, _clips(session, media))
    )
    title = media.own_title or view.title
    before = (media.title, media.status, media.duration, media.body, media.owner_id if media.version else None)
    if before == (title, view.status, view.duration, view.body, media.owner_id):
        return
    media.title, media.status, media.duration, media.body = title, view.status, view.duration, view.body
    changed(session, media)


def changed(session: Session, media: Media) -> None:
    """Give it a new version and announce it."""
    media.version += 1
    media.updated_at = session.scalars(select(database.now())).one()
    session.flush()
    announce(session, media.id, media.owner_id)


def _clips(session: Session, recording: Media) -> Clips:
    session.flush()
    rows = queries.clips_of(session, recording.id)
    clips = [Clip(is_found(row), projection.clip_stage(row.facts), was_dropped(row.facts)) for row in rows]
    return Clips(clips, recording.dropped)


def is_found(clip: Media) -> bool:
    """Tell whether a clip was cut from a found moment: those have a score."""
    planned = clip.facts.get("planned")
    return planned is not None and planned["body"]["score"] is not None


def _arrival(session: Session) -> str:
    return session.scalars(select(database.now())).one().astimezone(UTC).isoformat().replace("+00:00", "Z")
