"""A clip plan: everything that decides how a clip looks and sounds, as data.

The same plan is the same clip: its digest is what makes planning repeatable. A field added later must have a default
that means "as before"; defaults are left out of the digest, so plans made by an earlier release keep theirs.
"""

from __future__ import annotations

import hashlib
import json
from typing import Literal
from uuid import UUID

from libs.contracts.media import Contract, Original, Preset

SAME = 0.05  # seconds; bounds closer than this are the same cut


class Plan(Contract):
    """A span of a recording and the look it gets. ``title`` is empty where the picture does not show it."""

    media_id: UUID
    start: float  # seconds of the recording
    end: float
    preset: Preset
    title: str = ""
    layout: Literal["video", "audiogram"] = "video"
    framing: Literal["auto", "fill", "fit"] = "auto"
    captions: Literal["highlight"] = "highlight"

    @property
    def duration(self) -> float:
        """Length of the clip in seconds."""
        return self.end - self.start

    def digest(self) -> str:
        """SHA-256 over the plan, times to the millisecond."""
        facts = self.model_dump(mode="json", exclude_defaults=True)
        facts |= {"start": round(self.start * 1000), "end": round(self.end * 1000)}
        return hashlib.sha256(json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def make(original: Original, start: float, end: float, preset: Preset, title: str) -> Plan:
    """The plan for a span of a recording. Sound alone becomes an audiogram whatever the frame."""
    audiogram = preset is Preset.AUDIOGRAM or not original.has_video
    return Plan(
        media_id=original.media_id,
        start=start,
        end=end,
        preset=preset,
        title=title if audiogram else "",
        layout="audiogram" if audiogram else "video",
    )
