"""The ingest service, composed."""

from __future__ import annotations

from libs import web
from services.ingest import api
from services.ingest.actors import actors
from services.ingest.models import Recording
from services.ingest.operations import endings
from services.ingest.operations.platform import system
from services.ingest.settings import settings

service = web.Service(
    name="ingest",
    settings=settings,
    routers=api.routers,
    actors=actors,
    system=system,
    sweep=endings.sweep,
    about={"recordings": (Recording, lambda user: Recording.owner_id == user)},
)
