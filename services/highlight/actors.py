"""What highlight hears, and the work it does."""

from __future__ import annotations

from libs import bus
from libs.contracts import events
from libs.web import idempotency
from services.highlight import operations

actors = bus.Actors("highlight")

actors.on(events.TranscriptReady)(operations.transcript_ready)
actors.on(events.MediaDeleted)(operations.forget)
# Six attempts span a minute: as long as transcription may take to come back from a restart.
actors.work(operations.FIND, failed=operations.find_failed, retried=operations.taken_up, attempts=6)(operations.find)
actors.every(idempotency.TIDY_EVERY)(idempotency.tidy)
