"""The auth service, put together."""

from __future__ import annotations

from libs import web
from services.auth.actors import actors
from services.auth.api import router
from services.auth.settings import settings

__all__ = ["service"]

service = web.Service(name="auth", settings=settings, routers=[router], actors=actors)
