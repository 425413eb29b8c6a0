"""Showing transcripts, and how they come about here."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from libs import database
from libs.contracts import transcripts as contracts
from services.transcription import queries
from services.transcription.engines.choice import standing
from services.transcription.settings import settings

__all__ = ["system", "transcript", "transcript_for_services"]


def transcript(media_id: UUID, owner_id: UUID) -> tuple[str, contracts.Transcript]:
    """The newest transcript of a recording of one's own, less its loudness, and its entity tag."""
    with database.transaction() as session:
        found = queries.transcript(session, media_id, owner_id)
        if found is None:
            raise queries.none_there()
        return found.tag, found.public()


def transcript_for_services(media_id: UUID) -> contracts.Transcript:
    """The newest transcript of any recording, with its loudness."""
    with database.transaction() as session:
        found = queries.transcript(session, media_id, loudness=True)
        if found is None:
            raise queries.none_there()
        return found.public(loudness=True)


def system() -> dict[str, Any]:
    """Tell which engine hears here, why that one, and what would make it better."""
    choice = standing(settings())
    return {
        "engine": choice.engine,
        "model": choice.model,
        "quality": choice.quality,
        "reason": choice.reason,
        "improve": choice.improve,
        "speakers": "built-in",
    }
