"""The highlight service, composed."""

from __future__ import annotations

from libs import web
from services.highlight import api, operations
from services.highlight.actors import actors
from services.highlight.settings import settings

service = web.Service(
    name="highlight", settings=settings, routers=[api.router], actors=actors, system=operations.system
)
