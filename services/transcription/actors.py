"""What transcription hears, and the work it does."""

from __future__ import annotations

from libs import bus
from libs.contracts import events
from services.transcription.operations import transcribing

actors = bus.Actors("transcription")

actors.on(events.MediaReceived)(transcribing.media_received)
actors.on(events.MediaDeleted)(transcribing.forget)
for _kind, _run in (
    (transcribing.TRANSCRIBE, transcribing.transcribe),
    (transcribing.HEAR, transcribing.hear_chunk),
    (transcribing.GATHER, transcribing.gather_chunks),
):
    # Four attempts span a quarter of a minute of backoff: ingest may be restarting.
    actors.work(_kind, failed=transcribing.transcribe_failed, retried=transcribing.taken_up, attempts=4)(_run)
actors.every(300)(transcribing.sweep_now_and_then)
