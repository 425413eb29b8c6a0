"""What ingest does when told, and its work."""

from __future__ import annotations

from libs import bus, storage
from libs.contracts import events
from libs.web import idempotency
from services.ingest.operations import checks, endings, imports, retention, uploads

__all__ = ["actors"]

_SWEEP = 300.0  # seconds
_IMPORTS = 5  # at a time, on all machines together: sites block who fetches more
_TIDY = 3600.0
_COUNT = 15.0

actors = bus.Actors("ingest")


@actors.on(events.MediaDeleted)
def media_deleted(event: events.MediaDeleted, delivery: bus.Delivery) -> None:
    """Remove what belongs to a deleted recording."""
    endings.forget(event, delivery)


@actors.work("import", failed=imports.fetch_failed, attempts=imports.ATTEMPTS, lanes=2, limit=_IMPORTS)
def fetch(lease: bus.Lease) -> None:
    """Fetch a URL."""
    imports.fetch_recording(lease)


@actors.work("probe", failed=checks.check_failed, lanes=2)
def probe(lease: bus.Lease) -> None:
    """Check what came in."""
    checks.check(lease)


@actors.every(_TIDY)
def tidy_store() -> None:
    """Drop what uploads to the store that were cut off left there: for all services, since they share one store."""
    storage.tidy()


@actors.every(_SWEEP)
def drop_abandoned() -> None:
    """Drop uploads that nobody finishes."""
    endings.drop_abandoned()


actors.on(events.RetentionChanged)(retention.ruled)
actors.every(_COUNT)(uploads.count_incomplete)
actors.every(retention.EVERY)(retention.drop_originals)
actors.every(idempotency.TIDY_EVERY)(idempotency.tidy)
