"""What highlight does: looks for moments when a transcript is ready or its owner asks, and shows what it found."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from libs import bus, database, disk, web
from libs.bus import Delivery, Job, JobFailed, Lease
from libs.contracts import events
from libs.contracts.media import Wishes
from libs.contracts.moments import Moments
from libs.contracts.transcripts import Transcript
from libs.web import UNKEYED, Once
from libs.web.problems import Conflict, NotFound
from services.highlight import queries
from services.highlight.engines import BUILT_IN, Choice, Finder
from services.highlight.engines.builtin import BuiltIn
from services.highlight.engines.ollama import Ollama
from services.highlight.models import Moment, Search
from services.highlight.settings import settings
from services.highlight.states import SearchState

FIND = "find"
NO_SPEECH = "no_speech"
FETCH = 30  # seconds for a transcript of many hours to arrive


def transcript_ready(event: events.TranscriptReady, delivery: Delivery) -> None:
    """Look for moments in a new transcript; say at once that there are none where nobody speaks."""
    with database.transaction() as session:
        if not delivery.first(session):
            return
        search = queries.locked(session, event.media_id)
        if search.deleted_at is not None:
            return
        search.owner_id, search.words = event.owner_id, event.words
        search.wishes = event.wishes.model_dump(mode="json")
        search.to(SearchState.LOOKING)
        if event.words == 0:
            search.moments.clear()
            _conclude(session, search, Choice((), BUILT_IN, NO_SPEECH, _no_speech(event)))
        else:
            _look(session, search, append=False)


def find(lease: Lease) -> None:
    """Do one search: fetch the transcript, choose, store, tell. Repeating it changes nothing but the moments' ids."""
    append = bool(lease.params["append"])
    with database.transaction() as session:
        search = queries.search(session, lease.subject)
        if search is None:
            raise JobFailed("deleted", "The recording was deleted meanwhile.")
        wishes = Wishes.model_validate(lease.params["wishes"])
        taken = [(moment.start, moment.end) for moment in search.moments] if append else []
        detail = "Looking for other moments" if search.moments else "Looking for moments"
        bus.publish(session, events.HighlightsProgress(media_id=lease.subject, done=0, total=1, detail=detail))
    choice = _finder().find(_transcript(lease.subject), wishes, taken)
    with database.transaction() as session:
        search = queries.locked(session, lease.subject)
        lease.finish(session)
        if search.job_id == lease.job_id:
            _store(session, search, choice, append=append)
            _conclude(session, search, choice)


def find_failed(session: Session, job: Job, problem: JobFailed) -> None:
    """Say why a search came to nothing. Moments of an earlier one stay."""
    search = queries.locked(session, job.subject)
    if search.job_id == job.id:
        _conclude(session, search, Choice((), search.chosen_by or BUILT_IN, problem.code, problem.detail))


def taken_up(session: Session, job: Job) -> None:
    """A search that ended badly is done after all, and its result counts, unless a later one does."""
    search = queries.locked(session, job.subject)
    if search.deleted_at is not None or search.job_id is not None:
        raise Conflict("The recording was deleted, or is being looked through already.", code="not_retryable")
    search.job_id = job.id
    search.to(SearchState.LOOKING)


def look_again(
    media_id: UUID, by: UUID, wishes: dict[str, Any], *, append: bool, once: Once = UNKEYED
) -> dict[str, Any]:
    """Look again with other wishes; those not given stay. A search under way gives way to the new one.

    Raises NotFound for a foreign or missing recording, DiskShort, and Conflict where there is no speech to look through.
    """
    disk.require()  # what is found becomes clips
    with database.transaction() as session:
        known = once.remembered(session, dict[str, Any])
        if known is not None:
            return known
        if queries.search(session, media_id, by) is None:
            raise NotFound
        search = queries.locked(session, media_id)
        if search.words == 0:
            raise Conflict("Nobody speaks in this recording, so there is nothing to look through.", code=NO_SPEECH)
        search.wishes = Wishes.model_validate(search.wishes | wishes).model_dump(mode="json")
        search.to(SearchState.LOOKING)
        bus.cancel(session, subject=media_id, kind=FIND)
        _look(session, search, append=append)
        return once.remember(session, _shown(search))


def moments(media_id: UUID, by: UUID) -> dict[str, Any]:
    """Show a recording's moments to its owner. Raises NotFound for anybody else."""
    with database.transaction() as session:
        search = queries.search(session, media_id, by)
        if search is None:
            raise NotFound
        return _shown(search)


def moments_for_services(media_id: UUID) -> Moments:
    """Give a recording's moments to a service. Raises NotFound."""
    with database.transaction() as session:
        search = queries.search(session, media_id)
        if search is None:
            raise NotFound
        found = tuple(moment.public() for moment in search.moments)
        return Moments(media_id=media_id, engine=search.chosen_by, moments=found)


def forget(event: events.MediaDeleted, delivery: Delivery) -> None:
    """Forget a deleted recording, and remember that it is deleted: its transcript may still be on the way."""
    with database.transaction() as session:
        if not delivery.first(session):
            return
        search = queries.locked(session, event.media_id)
        search.moments.clear()
        search.wishes, search.detail = {}, ""
        search.deleted_at, search.job_id = database.now(), None
        bus.cancel(session, subject=event.media_id)


def system() -> dict[str, Any]:
    """Tell who chooses moments here, and why not Ollama where it does not."""
    facts: dict[str, Any] = {"finder": BUILT_IN, "model": None, "ollama": "switched off"}
    if host := settings().ollama_host:
        presence = Ollama(host, settings().ollama_model, settings().ollama_timeout).presence()
        facts["ollama"] = presence.problem or f"answers at {host}"
        if presence.model:
            facts |= {"finder": "ollama", "model": presence.model}
    return facts


def _look(session: Session, search: Search, *, append: bool) -> None:
    params = {"wishes": search.wishes, "append": append}
    search.job_id = bus.enqueue(session, kind=FIND, subject=search.media_id, owner=search.owner_id, params=params)


def _store(session: Session, search: Search, choice: Choice, *, append: bool) -> None:
    """Put the chosen moments in place of the earlier ones, or after them."""
    if not append:
        search.moments.clear()
        session.flush()
    for rank, found in enumerate(choice.moments, start=len(search.moments) + 1):
        search.moments.append(
            Moment(
                rank=rank,
                start=found.start,
                end=found.end,
                title=found.title,
                text=found.text,
                score=found.score,
                scores=found.scores,
                reason=found.reason,
                source=choice.chosen_by,
            )
        )


def _conclude(session: Session, search: Search, choice: Choice) -> None:
    """Note how a search ended, and tell it."""
    search.to(SearchState.FOUND if search.moments else SearchState.NOTHING)
    search.chosen_by, search.code, search.detail = choice.chosen_by, choice.code, choice.detail
    if search.owner_id is None:
        raise ValueError(f"a search of nobody's recording {search.media_id}")
    ready = events.HighlightsReady(
        media_id=search.media_id,
        owner_id=search.owner_id,
        count=len(search.moments),
        chosen_by=choice.chosen_by,
        code=choice.code,
        detail=choice.detail,
        wishes=Wishes.model_validate(search.wishes),
        engine=choice.engine,
    )
    search.job_id = None
    bus.publish(session, ready)


def _shown(search: Search) -> dict[str, Any]:
    return {
        "items": [moment.public() for moment in search.moments],
        "engine": search.chosen_by or None,
        "state": search.state,
        "code": search.code,
        "detail": search.detail,
        "wishes": search.wishes,
    }


def _finder() -> Finder:
    host = settings().ollama_host
    return Ollama(host, settings().ollama_model, settings().ollama_timeout) if host else BuiltIn()


def _transcript(media_id: UUID) -> Transcript:
    try:
        reply = web.client("transcription").get(f"/internal/transcripts/{media_id}", timeout=FETCH)
    except web.PeerRefused as refusal:
        if refusal.status != NotFound.status:
            raise
        raise JobFailed("no_transcript", "The transcript is gone; transcribe the recording again.") from refusal
    return Transcript.model_validate(reply)


def _no_speech(event: events.TranscriptReady) -> str:
    heard = f" ({event.transcript_engine}, {event.quality} quality)" if event.transcript_engine else ""
    return (
        f"No speech was heard in this recording{heard}, so there are no moments to find. "
        "It stays playable, and you can cut a clip from it by hand."
    )
