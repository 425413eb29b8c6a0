"""What ingest chose for the user, for ``/api/v1/system``."""

from __future__ import annotations

from typing import Any

from libs import process
from services.ingest.engines import fetch, parts
from services.ingest.settings import settings

__all__ = ["system"]


def system() -> dict[str, Any]:
    """Versions and limits. Bytes and seconds."""
    limits = settings()
    return {
        "importer": f"yt-dlp {fetch.version()}",
        "max_upload_size": limits.max_upload_size,
        "max_import_size": limits.max_import_size,
        "max_duration": limits.max_duration,
        "upload_lifetime": limits.upload_lifetime,
        "free_bytes": parts.free_bytes(),
        "probing_without_network": process.network_can_be_cut(),
        "imports_in_own_network": process.isolation().namespace,
        "private_import_hosts": len(limits.import_allow),
    }
