"""The transcription service, composed."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Select, select

from libs import web
from services.transcription import api
from services.transcription.actors import actors
from services.transcription.models import Edit, Recording, Segment, Speaker, Transcript
from services.transcription.operations import reading, transcribing
from services.transcription.settings import settings


def _recordings(user: UUID) -> Select[UUID]:
    return select(Recording.media_id).where(Recording.owner_id == user)


def _transcripts(user: UUID) -> Select[UUID]:
    return select(Transcript.id).where(Transcript.media_id.in_(_recordings(user)))


service = web.Service(
    name="transcription",
    settings=settings,
    routers=[api.router],
    actors=actors,
    system=reading.system,
    sweep=transcribing.sweep,
    about={
        "transcripts": (Transcript, lambda user: Transcript.media_id.in_(_recordings(user))),
        "segments": (Segment, lambda user: Segment.transcript_id.in_(_transcripts(user))),
        "edits": (Edit, lambda user: Edit.transcript_id.in_(_transcripts(user))),
        "speakers": (Speaker, lambda user: Speaker.transcript_id.in_(_transcripts(user))),
    },
)
