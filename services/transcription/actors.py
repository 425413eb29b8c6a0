"""What transcription hears, and the work it does."""

from __future__ import annotations

from libs import bus
from libs.contracts import events
from services.transcription import operations

actors = bus.Actors("transcription")

actors.on(events.MediaReceived)(operations.media_received)
actors.on(events.MediaDeleted)(operations.forget)
# Four attempts span a quarter of a minute of backoff: ingest may be restarting.
actors.work(operations.TRANSCRIBE, failed=operations.transcribe_failed, retried=operations.taken_up, attempts=4)(
    operations.transcribe
)
