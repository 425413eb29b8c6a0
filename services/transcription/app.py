"""The transcription service, composed."""

from __future__ import annotations

from libs import web
from services.transcription import api, operations
from services.transcription.actors import actors
from services.transcription.settings import settings

service = web.Service(
    name="transcription", settings=settings, routers=[api.router], actors=actors, system=operations.system
)
