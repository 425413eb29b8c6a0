"""The auth service, put together."""

from __future__ import annotations

from libs import web
from services.auth import api, api_admin, api_factors, api_groups, api_oidc, api_profile, api_sessions
from services.auth.actors import actors
from services.auth.settings import settings

__all__ = ["service"]

service = web.Service(
    name="auth",
    settings=settings,
    routers=[
        api.router,
        api_sessions.router,
        api_factors.router,
        api_profile.router,
        api_groups.router,
        api_oidc.router,
        api_admin.router,
    ],
    actors=actors,
)
