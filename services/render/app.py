"""The render service, composed."""

from __future__ import annotations

from libs import web
from services.render import api
from services.render.actors import actors
from services.render.engines import renderer
from services.render.models import Clip
from services.render.operations import sweeping
from services.render.settings import settings

service = web.Service(
    name="render",
    settings=settings,
    routers=[api.router],
    actors=actors,
    system=renderer.system,
    sweep=sweeping.sweep,
    about={"clips": (Clip, lambda user: Clip.owner_id == user)},
)
