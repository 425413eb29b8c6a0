"""From word of a recording to its transcript."""

from __future__ import annotations

import shutil
from uuid import UUID

from sqlalchemy.orm import Session

from libs import bus, database, disk, process, storage, web
from libs.contracts import events
from libs.contracts.media import Original, Wishes
from libs.web import problems
from services.transcription import queries
from services.transcription.engines.choice import Choice, choose
from services.transcription.engines.listening import Listened, listen, scratch_of
from services.transcription.models import Segment, Speaker, Transcript
from services.transcription.progress import Progress
from services.transcription.searching import rules_of
from services.transcription.settings import settings

__all__ = ["TRANSCRIBE", "forget", "media_received", "taken_up", "transcribe", "transcribe_failed"]

TRANSCRIBE = "transcribe"
NO_AUDIO = (
    "This recording has no sound, so there is nothing to transcribe. Please hand in a version with an audio track."
)


# events -------------------------------------------------------------------------------------------------------------


def media_received(event: events.MediaReceived, delivery: bus.Delivery) -> None:
    """Queue the transcription of a recording, or say at once that there is nothing to hear in it."""
    with database.transaction() as session:
        if not delivery.first(session):
            return
        recording = queries.locked(session, event.media_id)
        if recording.deleted_at is not None or recording.owner_id is not None:
            return
        recording.owner_id = event.owner_id
        recording.wishes = event.wishes.model_dump(mode="json")
        if event.original.has_audio:
            bus.enqueue(session, kind=TRANSCRIBE, subject=event.media_id, owner=event.owner_id)
        else:
            bus.publish(session, events.TranscriptFailed(media_id=event.media_id, code="no_audio", detail=NO_AUDIO))


def forget(event: events.MediaDeleted, delivery: bus.Delivery) -> None:
    """Drop everything about a recording. A note stays, in case word of its arrival comes later than this."""
    with database.transaction() as session:
        if not delivery.first(session):
            return
        recording = queries.locked(session, event.media_id)
        bus.cancel(session, subject=event.media_id)
        queries.delete_transcripts(session, event.media_id)
        recording.wishes = {}
        recording.deleted_at = database.now()
    shutil.rmtree(scratch_of(event.media_id, settings()), ignore_errors=True)


# work ---------------------------------------------------------------------------------------------------------------


def transcribe(lease: bus.Lease) -> None:
    """Transcribe a recording and tell who waits for it."""
    with database.transaction() as session:
        recording = queries.live(session, lease.subject)
    if recording is None:
        return
    wishes = Wishes.model_validate(recording.wishes)
    progress = Progress(lease)
    choice = choose(settings(), progress.fetching, lease.cancelled)
    progress.detail = choice.label
    if not choice.hears(wishes.language):
        raise bus.JobFailed(
            "language_unavailable",
            f"Only English can be transcribed here at the moment, not “{wishes.language}”. {choice.improve}",
        )
    progress.begin()
    original = _original(lease.subject)
    listened = _listen(original, choice, wishes.language, progress, lease)
    _store(lease, choice, listened, wishes)


def transcribe_failed(session: Session, job: bus.Job, problem: bus.JobFailed) -> None:
    """Tell that no transcript will come, in the transaction that ends the job."""
    if queries.live(session, job.subject) is None:
        return
    code, detail = problem.code, problem.detail
    if code == "internal":
        code = "engine_failed"
        detail = "The speech engine failed on this recording, several times over. Trying again later may help."
    bus.publish(session, events.TranscriptFailed(media_id=job.subject, code=code, detail=detail))


def taken_up(session: Session, job: bus.Job) -> None:
    """A transcription that ended badly is done after all; that it begins is told by its progress."""
    if queries.live(session, job.subject) is None:
        raise problems.Conflict("The recording was deleted meanwhile.", code="not_retryable")


def _original(media_id: UUID) -> Original:
    try:
        return Original.model_validate(web.client("ingest").get(f"/internal/originals/{media_id}"))
    except web.PeerRefused as error:
        if error.status != problems.NotFound.status:
            raise  # a fault of today is no reason to give the recording up
        raise bus.JobFailed("original_missing", "The recording's file is no longer there.") from error


def _listen(original: Original, choice: Choice, language: str, progress: Progress, lease: bus.Lease) -> Listened:
    """Run the engine on the recording's bytes; what the child refuses is final, what it dies of is tried again."""
    try:
        disk.require()
        with storage.store().local(original.object_key, original.size) as path:
            return listen(path, original, choice, language, settings(), progress.tell, lease.cancelled)
    except storage.NotStored as error:
        raise bus.JobFailed("original_missing", "The recording's file is no longer there.") from error
    except process.ChildRefused as refusal:
        raise bus.JobFailed(refusal.code, refusal.detail, last_words=refusal.stderr) from refusal
    except process.ChildDeadline as error:
        detail = "Transcribing this recording takes longer than is allowed. Please hand it in in shorter parts."
        raise bus.JobFailed("too_slow", detail, last_words=error.stderr) from error


def _store(lease: bus.Lease, choice: Choice, listened: Listened, wishes: Wishes) -> None:
    """Keep the transcript as the newest version and tell that it is ready, if the job is still ours."""
    result = listened.result
    words = sum(len(segment["words"]) for segment in result["segments"])
    with database.transaction() as session:
        recording = queries.locked(session, lease.subject)
        lease.finish(session)
        if recording.deleted_at is not None or recording.owner_id is None:
            return
        session.add(
            Transcript(
                media_id=lease.subject,
                version=queries.next_version(session, lease.subject),
                engine=choice.engine,
                model=choice.model,
                quality=choice.quality,
                language=result["language"],
                language_confidence=result["language_confidence"],
                reason=result["reason"],
                translation=result["translation"],
                chapters=result["chapters"],
                duration=result["duration"],
                words=words,
                loudness=result["loudness"],
                segments=[
                    Segment(position=position, rules=rules_of(result["language"]), **segment)
                    for position, segment in enumerate(result["segments"])
                ],
                speakers=[Speaker(position=position, **speaker) for position, speaker in enumerate(result["speakers"])],
            )
        )
        bus.publish(
            session,
            events.TranscriptReady(
                media_id=lease.subject,
                owner_id=recording.owner_id,
                transcript_engine=choice.engine,
                model=choice.model,
                quality=choice.quality,
                language=result["language"],
                words=words,
                speakers=len(result["speakers"]),
                wishes=wishes,
                engine=(listened.span,),
            ),
        )
