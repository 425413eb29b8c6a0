"""HTTP of ingest: resumable uploads, whole forms, imports, and originals for other services."""

from services.ingest.api import imports, media, originals, uploads

routers = (uploads.router, media.router, imports.router, originals.router)

__all__ = ["routers"]
