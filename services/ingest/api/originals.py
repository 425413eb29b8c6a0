"""Originals, for the services that work on them."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Depends

from libs.contracts.media import Original
from libs.web import Internal
from services.ingest.operations import checks

__all__ = ["router"]

_READERS = Depends(Internal("transcription", "highlight", "render", "catalog", "stream"))

router = APIRouter(prefix="/internal/originals", include_in_schema=False)


@router.get("/{media_id}", dependencies=[_READERS])
def original(media_id: UUID) -> Original:
    """Tell where a recording's bytes lie and what they hold."""
    return checks.original(media_id)
