"""From word of a recording to its transcript: cut into chunks, each heard by a job of its own, gathered again.

The rows of the pass and its chunks are the record; whoever finishes last, by the lock on the pass, queues what comes next.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session, undefer

from libs import bus, database, disk, process, storage, web
from libs.contracts import events
from libs.contracts.media import EngineSpan, Original, Wishes
from libs.patience import TryLater
from libs.storage.sweeping import Report, Sweeper
from libs.web import problems
from services.transcription import queries
from services.transcription.engines.choice import Choice, Named, choose
from services.transcription.engines.listening import cut, gather, hear, scratch
from services.transcription.models import Chunk, Pass, Segment, Speaker, Transcript
from services.transcription.progress import Progress
from services.transcription.searching import rules_of
from services.transcription.settings import settings

__all__ = [
    "GATHER",
    "HEAR",
    "TRANSCRIBE",
    "forget",
    "gather_chunks",
    "hear_chunk",
    "media_received",
    "sweep",
    "sweep_now_and_then",
    "taken_up",
    "transcribe",
    "transcribe_failed",
]

KINDS = TRANSCRIBE, HEAR, GATHER = "transcribe", "hear", "gather"
CHUNKS = "chunks"  # the first part of the keys of their sound
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
        keys = queries.drop_passes(session, event.media_id)  # before the jobs, as those who finish one lock them
        bus.cancel(session, subject=event.media_id)
        queries.delete_transcripts(session, event.media_id)
        recording.wishes = {}
        recording.deleted_at = database.now()
    storage.discard(keys)


# work ---------------------------------------------------------------------------------------------------------------


def transcribe(lease: bus.Lease) -> None:
    """Cut a recording into chunks, each to be heard by a job of its own: the text of the first is there soon.

    A second attempt finds the chunks that the first one stored, and adds the others: cutting is the same each time.
    """
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
    with database.transaction() as session:
        if queries.locked(session, lease.subject).deleted_at is not None:
            return
        if session.get(Pass, lease.job_id) is None:
            begun = {"engine": choice.engine, "model": choice.model, "quality": choice.quality}
            session.add(Pass(id=lease.job_id, media_id=lease.subject, **begun))
    result = _cut(_original(lease.subject), lease)
    with database.transaction() as session:
        going_on = queries.hearing(session, lease.job_id)
        lease.finish(session)
        if going_on is not None:
            for fact in ("duration", "turns", "loudness", "span"):
                setattr(going_on, fact, result[fact])
            session.flush()
            _gather_if_heard(session, going_on, lease)


def _cut(original: Original, lease: bus.Lease) -> dict[str, Any]:
    """Run the cutter on the recording's bytes, and queue each chunk as it comes."""

    def take(message: dict[str, Any]) -> None:
        lease.progress(message.get("looked", lease.job.done), original.duration)
        if "file" in message:
            _take(message, lease)

    with _refusals_are_final(), scratch(_scratch_of(original.media_id), settings()) as folder:
        disk.require()
        with storage.store().local(original.object_key, original.size) as path:
            return cut(path, original, folder, settings(), take, lease.cancelled)


def _take(message: dict[str, Any], lease: bus.Lease) -> None:
    """Store a chunk and queue its job, unless an earlier attempt did."""
    position = message["position"]
    with database.transaction() as session:
        if queries.chunk(session, lease.job_id, position) is not None:
            return
    stored = storage.store().put_file(
        storage.new_key(CHUNKS, lease.subject, ".flac"), Path(message["file"]), "audio/flac"
    )
    with database.transaction() as session:
        if queries.hearing(session, lease.job_id) is None:
            return  # deleted meanwhile: the sweep finds the object
        names = ("position", "start", "end", "heard_from", "regions", "speech")
        session.add(
            Chunk(
                pass_id=lease.job_id,
                object_key=stored.key,
                size=stored.size,
                **{name: message[name] for name in names},
            )
        )
        params = {"pass": str(lease.job_id), "position": position}
        bus.enqueue(session, kind=HEAR, subject=lease.subject, owner=lease.owner, params=params)


def hear_chunk(lease: bus.Lease) -> None:
    """Hear one chunk."""
    pass_id, position = UUID(lease.params["pass"]), lease.params["position"]
    with database.transaction() as session:
        recording, going_on = queries.live(session, lease.subject), session.get(Pass, pass_id)
        chunk = queries.chunk(session, pass_id, position)
    if recording is None or going_on is None or chunk is None:
        return
    progress = Progress(lease)
    # A model that came meanwhile is for the next recording: this one's chunks are heard by one engine.
    draft: Named | None = "pocketsphinx" if going_on.engine == "pocketsphinx" else None
    choice = choose(settings(), progress.fetching, lease.cancelled, engine=draft)
    if (choice.engine, choice.model) != (going_on.engine, going_on.model):
        raise OtherEngine(f"this machine has {choice.engine} {choice.model}, not {going_on.engine} {going_on.model}")
    progress.detail = choice.label
    progress.heard(pass_id, position, 0.0, chunk.speech)
    language = Wishes.model_validate(recording.wishes).language
    try:
        heard = _hear(chunk, going_on, choice, language, progress, lease)
    except (process.ChildError, bus.JobFailed):
        with database.transaction() as session:
            if queries.hearing(session, pass_id) is None:
                return  # deleted meanwhile, and its sound with it: that is what failed
        raise
    with database.transaction() as session:
        locked = queries.hearing(session, pass_id)
        lease.finish(session)
        mine = queries.chunk(session, pass_id, position)
        if locked is None or mine is None:
            return
        mine.heard, mine.done = heard, mine.speech
        session.flush()
        _gather_if_heard(session, locked, lease)


class OtherEngine(TryLater):
    """Chunks of one recording are heard by one engine; another machine has it, or this one soon."""


def _hear(
    chunk: Chunk, going_on: Pass, choice: Choice, language: str, progress: Progress, lease: bus.Lease
) -> dict[str, Any]:
    name = f"{_scratch_of(lease.subject)}-{chunk.position}"
    with _refusals_are_final(), scratch(name, settings()) as folder:
        disk.require()
        with storage.store().local(chunk.object_key, chunk.size) as path:
            request = {
                "file": str(path),
                "at": chunk.heard_from,
                "regions": chunk.regions,
                "language": language,
                "prints": going_on.turns is None,
            }
            told = partial(progress.heard, going_on.id, chunk.position)
            return hear(request, choice, folder, settings(), lambda done: told(done, chunk.speech), lease.cancelled)


def _gather_if_heard(session: Session, going_on: Pass, lease: bus.Lease) -> None:
    """Queue the last step when all is cut and all is heard. The pass is locked, so one of those who finish sees that."""
    if going_on.duration is not None and not queries.unheard(session, going_on.id):
        params = {"pass": str(going_on.id)}
        bus.enqueue(session, kind=GATHER, subject=lease.subject, owner=lease.owner, params=params)


def gather_chunks(lease: bus.Lease) -> None:
    """Make the transcript of what was heard and tell who waits for it."""
    pass_id = UUID(lease.params["pass"])
    with database.transaction() as session:
        going_on = session.get(Pass, pass_id, options=[undefer(Pass.loudness)])
        if going_on is None or queries.live(session, lease.subject) is None:
            return
    with _refusals_are_final(), scratch(f"{_scratch_of(lease.subject)}-gather", settings()) as folder:
        disk.require()
        with database.transaction() as session:
            heard = _written(queries.heard_chunks(session, pass_id), folder / "chunks.jsonl")
        wanted = {
            "turns": going_on.turns,
            "speakers": None,
            "quality": going_on.quality,
            "language": heard.language,
        }
        result = gather(folder / "chunks.jsonl", wanted, folder, settings(), lease.cancelled)
    storage.discard(_store(lease, going_on, heard, result))


@dataclass
class _Heard:
    """What the chunks have in common."""

    seconds: dict[str, float] = field(default_factory=dict)  # of speech in each language
    confidences: dict[str, float] = field(default_factory=dict)  # how sure the engine was of it at most
    reason: str = ""
    translation: list[dict[str, Any]] = field(default_factory=list)
    spans: list[dict[str, Any]] = field(default_factory=list)  # EngineSpans

    @property
    def language(self) -> str:
        """The language of most of the speech; "und" where nobody speaks."""
        return max(self.seconds, key=lambda language: self.seconds[language], default="und")


def _written(chunks: Iterable[Chunk], target: Path) -> _Heard:
    """Write what was heard down for the child, one line for each chunk, and sum up the rest."""
    facts = _Heard()
    with target.open("w", encoding="utf-8") as lines:
        for chunk in chunks:
            heard = chunk.heard or {}
            line = {"end": chunk.end, "regions": chunk.regions, "words": heard["words"], "prints": heard["prints"]}
            lines.write(json.dumps(line) + "\n")
            language = heard["language"]
            facts.seconds[language] = facts.seconds.get(language, 0.0) + chunk.speech
            facts.confidences[language] = max(facts.confidences.get(language, 0.0), heard["language_confidence"])
            facts.reason = facts.reason or heard["reason"]
            facts.translation += heard["translation"]
            facts.spans.append(heard["span"])
    return facts


def transcribe_failed(session: Session, job: bus.Job, problem: bus.JobFailed) -> None:
    """Tell that no transcript will come, in the transaction that ends one of its jobs. The others have no use then."""
    if queries.live(session, job.subject) is None:
        return
    going_on = _pass_of(session, job)
    if going_on is not None:
        if going_on.failed:
            return  # told already
        going_on.failed = True
        for kind in KINDS:
            bus.cancel(session, subject=job.subject, kind=kind)
    code, detail = problem.code, problem.detail
    if code == "internal":
        code = "engine_failed"
        detail = "The speech engine failed on this recording, several times over. Trying again later may help."
    bus.publish(session, events.TranscriptFailed(media_id=job.subject, code=code, detail=detail))


def _pass_of(session: Session, job: bus.Job) -> Pass | None:
    """The pass that a job belongs to, locked: the one that cuts gives it its id, the others name it."""
    return queries.hearing(session, UUID(job.params["pass"]) if "pass" in job.params else job.id)


def taken_up(session: Session, job: bus.Job) -> None:
    """A transcription that ended badly is done after all, with all of its jobs; that it begins is told by its progress."""
    if queries.live(session, job.subject) is None:
        raise problems.Conflict("The recording was deleted meanwhile.", code="not_retryable")
    going_on = _pass_of(session, job)
    if going_on is not None:
        going_on.failed = False
    for kind in KINDS:
        bus.retry(session, subject=job.subject, kind=kind)


def _original(media_id: UUID) -> Original:
    try:
        return Original.model_validate(web.client("ingest").get(f"/internal/originals/{media_id}"))
    except web.PeerRefused as error:
        if error.status != problems.NotFound.status:
            raise  # a fault of today is no reason to give the recording up
        raise bus.JobFailed("original_missing", "The recording's file is no longer there.") from error


@contextmanager
def _refusals_are_final() -> Iterator[None]:
    """What a child refuses is final; what it dies of is tried again."""
    try:
        yield
    except storage.NotStored as error:
        raise bus.JobFailed("original_missing", "The recording's file is no longer there.") from error
    except process.ChildRefused as refusal:
        raise bus.JobFailed(refusal.code, refusal.detail, last_words=refusal.stderr) from refusal
    except process.ChildDeadline as error:
        detail = "Transcribing this recording takes longer than is allowed. Please hand it in in shorter parts."
        raise bus.JobFailed("too_slow", detail, last_words=error.stderr) from error


def _scratch_of(media_id: UUID) -> str:
    return f"transcribe-{media_id}"


def _store(lease: bus.Lease, going_on: Pass, heard: _Heard, result: dict[str, Any]) -> list[str]:
    """Keep the transcript as the newest version and tell that it is ready, if the job is still ours.

    Returns the keys of the chunks' sound, which nothing refers to then.
    """
    words = sum(len(segment["words"]) for segment in result["segments"])
    language = heard.language
    with database.transaction() as session:
        recording = queries.locked(session, lease.subject)
        lease.finish(session)
        if recording.deleted_at is not None or recording.owner_id is None:
            return []
        session.add(
            Transcript(
                media_id=lease.subject,
                version=queries.next_version(session, lease.subject),
                engine=going_on.engine,
                model=going_on.model,
                quality=going_on.quality,
                language=language,
                language_confidence=heard.confidences.get(language),
                reason=heard.reason,
                translation=heard.translation,
                chapters=result["chapters"],
                duration=going_on.duration,
                words=words,
                loudness=going_on.loudness,
                segments=[
                    Segment(position=position, rules=rules_of(language), **segment)
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
                transcript_engine=going_on.engine,
                model=going_on.model,
                quality="standard" if going_on.quality == "standard" else "draft",
                language=language,
                words=words,
                speakers=len(result["speakers"]),
                wishes=Wishes.model_validate(recording.wishes),
                engine=tuple(
                    EngineSpan.model_validate(span) for span in (going_on.span, *heard.spans, result["span"]) if span
                ),
            ),
        )
        return queries.drop_passes(session, lease.subject)


# the store ----------------------------------------------------------------------------------------------------------


def sweep(grace: float, *, apply: bool) -> list[Report]:
    """Look for orphans among the sound of chunks; see ``libs.storage.sweeping``."""
    return _sweeper.sweep(grace, apply=apply)


def sweep_now_and_then() -> None:
    """Periodic: sweep the store."""
    sweep(settings().sweep_grace, apply=True)


def _known(keys: list[str]) -> set[str]:
    with database.transaction() as session:
        return queries.known_keys(session, keys)


def _referred(_: str) -> set[str]:
    with database.transaction() as session:
        return queries.stored_keys(session)


_sweeper = Sweeper((CHUNKS,), known=_known, referred=_referred)
