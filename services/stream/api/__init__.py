"""HTTP of the stream service: what owners ask for, and what holders of a link are given."""

from services.stream.api import owners, public

__all__ = ["routers"]

routers = (owners.router, public.router)
