"""The auth service, put together."""

from __future__ import annotations

from libs import web
from services.auth import api, api_factors, api_profile, api_sessions
from services.auth.actors import actors
from services.auth.settings import settings

__all__ = ["service"]

service = web.Service(
    name="auth",
    settings=settings,
    routers=[api.router, api_sessions.router, api_factors.router, api_profile.router],
    actors=actors,
)
