"""The catalog service, composed."""

from __future__ import annotations

from libs import web
from services.catalog import admin, api, feed, streams
from services.catalog.actors import actors
from services.catalog.models import Like, Media
from services.catalog.settings import settings

service = web.Service(
    name="catalog",
    settings=settings,
    routers=[streams.router, api.router, admin.router],
    actors=actors,
    lifespan=feed.lifespan,
    about={
        "media": (Media, lambda user: Media.owner_id == user),
        "likes": (Like, lambda user: Like.user_id == user),
    },
)
