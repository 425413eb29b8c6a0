"""What is known of a recording or clip: the newest event of each sort.

Events of one service come in order, those of several race, and any may come twice. So the row of a recording keeps, in each
``slot``, the event that was told last (event ids are UUIDv7, in the order of telling), and everything shown is worked out
from these slots (``projection.py``). That makes the order of arrival meaningless: a late event finds a newer one in its
slot and changes nothing.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from libs.contracts import events

Fact = dict[str, Any]
Facts = dict[str, Any]

_SLOTS: dict[type[events.Event], str] = {
    events.MediaAnnounced: "announced",
    events.MediaReceived: "intake.end",
    events.MediaRejected: "intake.end",
    events.TranscriptProgress: "transcribe.progress",
    events.TranscriptReady: "transcribe.end",
    events.TranscriptFailed: "transcribe.end",
    events.HighlightsProgress: "find.progress",
    events.HighlightsReady: "find.end",
    events.ClipPlanned: "planned",
    events.RenditionProgress: "render.progress",
    events.RenditionReady: "render.end",
    events.RenditionFailed: "render.end",
    events.OriginalDropped: "original.dropped",
    events.RenditionDropped: "render.dropped",
}
PIPELINE: tuple[type[events.Event], ...] = (events.MediaProgress, *_SLOTS)
"""All events that tell how far a recording or clip has come."""
FILE = "file."  # slots of finished renditions, by id: an earlier file stays when a later one fails, until it is dropped


def slots(event: events.Event) -> list[str]:
    """Name the slots that an event belongs in."""
    if isinstance(event, events.MediaProgress):
        return [f"{event.stage}.progress"]
    if isinstance(event, events.RenditionReady | events.RenditionDropped):
        return [_SLOTS[type(event)], f"{FILE}{event.rendition_id}"]
    return [_SLOTS[type(event)]]


def noted(facts: Facts, event: events.Event, event_id: UUID, at: str) -> Facts:
    """Add an event that arrived ``at`` (RFC 3339) where it is the newest of its slot; else return the facts unchanged."""
    fresh = dict(facts)
    for slot in slots(event):
        known: Fact | None = facts.get(slot)
        if known is not None and known["event"] >= str(event_id):
            continue
        fresh[slot] = {
            "topic": event.name,
            "event": str(event_id),
            "at": at,
            "first": _first(facts, slot, known, at),
            "body": event.model_dump(mode="json"),
        }
    return fresh


def _first(facts: Facts, slot: str, known: Fact | None, at: str) -> str:
    """Tell when progress began: with the first event since the stage last ended."""
    end: Fact | None = facts.get(slot.removesuffix(".progress") + ".end")
    if known is None or (end is not None and end["event"] > known["event"]):
        return at
    return str(known["first"])


def told(facts: Facts, slot: str, event: type[events.Event] | None = None) -> dict[str, Any] | None:
    """Read the body in a slot, if there is one and it is of that event."""
    fact: Fact | None = facts.get(slot)
    if fact is None or (event is not None and fact["topic"] != event.name):
        return None
    body: dict[str, Any] = fact["body"]
    return body


def files(facts: Facts) -> list[dict[str, Any]]:
    """List a clip's finished files, oldest first."""
    there = [
        fact for slot, fact in facts.items() if slot.startswith(FILE) and fact["topic"] == events.RenditionReady.name
    ]
    return [fact["body"] for fact in sorted(there, key=lambda fact: str(fact["event"]))]


def was_dropped(facts: Facts) -> bool:
    """Tell whether a clip's file was dropped after it was last rendered."""
    return _later(facts.get("render.dropped"), facts.get("render.end"))


def was_rendered_again(facts: Facts) -> bool:
    """Tell whether a clip's file is being made again after it was dropped."""
    return was_dropped(facts) and _later(facts.get("render.progress"), facts.get("render.dropped"))


def _later(one: Fact | None, other: Fact | None) -> bool:
    """Tell whether one was told, and after the other, if that was told at all."""
    return one is not None and (other is None or bool(one["event"] > other["event"]))
