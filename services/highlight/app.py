"""The highlight service, composed."""

from __future__ import annotations

from sqlalchemy import select

from libs import web
from services.highlight import api, operations
from services.highlight.actors import actors
from services.highlight.models import Moment, Search
from services.highlight.settings import settings

service = web.Service(
    name="highlight",
    settings=settings,
    routers=[api.router],
    actors=actors,
    system=operations.system,
    about={
        "searches": (Search, lambda user: Search.owner_id == user),
        "moments": (
            Moment,
            lambda user: Moment.media_id.in_(select(Search.media_id).where(Search.owner_id == user)),
        ),
    },
)
