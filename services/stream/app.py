"""The stream service, put together."""

from __future__ import annotations

from libs import web
from services.stream.actors import actors
from services.stream.api import public, routers
from services.stream.models import Share
from services.stream.settings import settings

__all__ = ["service"]

service = web.Service(
    name="stream",
    settings=settings,
    routers=routers,
    actors=actors,
    public=public.PREFIXES,
    about={"shares": (Share, lambda user: Share.owner_id == user)},
)
