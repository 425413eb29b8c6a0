"""Putting right what was heard: words, sentences, speakers; with undo, and nobody's change lost under another's.

A change is the rows that it takes away and those that it puts there. Undoing it is the same the other way round.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from libs import database
from libs.contracts import transcripts as contracts
from libs.contracts.transcripts import Word
from libs.web import problems
from services.transcription import queries
from services.transcription.engines.marks import marked
from services.transcription.models import Edit, Segment, Speaker, Transcript
from services.transcription.retiming import retimed

__all__ = ["NEW_SPEAKER", "change", "history", "redo", "undo"]

NEW_SPEAKER = "new"  # instead of a label: somebody who has no label yet
KEPT = 200  # changes of a transcript that can be undone
MOST_WORDS = 500  # in one segment

Rows = dict[str, list[dict[str, Any]]]


def change(
    media_id: UUID, owner_id: UUID, tag: str | None, kind: str, **wanted: Any
) -> tuple[str, contracts.Transcript]:
    """Make one change of a kind (see ``_CHANGES``). ``tag`` is the version that was looked at; None: any.

    Returns the new tag and the transcript. Raises NotFound, PreconditionFailed, or Unusable for what can't be done.
    """
    with database.transaction() as session:
        transcript = _taken(session, media_id, owner_id, tag)
        if kind == "review":
            transcript.reviewed_at = database.now() if wanted["reviewed"] else None
        else:
            desk = _Desk(session, transcript)
            summary = _CHANGES[kind](desk, **wanted)
            desk.note(kind, summary, owner_id)
        return _changed(session, transcript, media_id, owner_id)


def undo(media_id: UUID, owner_id: UUID, tag: str | None) -> tuple[str, contracts.Transcript]:
    """Take the last change back that was not taken back yet. Raises Conflict where there is none."""
    return _step(media_id, owner_id, tag, back=True)


def redo(media_id: UUID, owner_id: UUID, tag: str | None) -> tuple[str, contracts.Transcript]:
    """Make the change again that was taken back last. Raises Conflict where there is none."""
    return _step(media_id, owner_id, tag, back=False)


def history(media_id: UUID, owner_id: UUID) -> list[dict[str, Any]]:
    """The changes, newest first."""
    with database.transaction() as session:
        transcript = queries.transcript(session, media_id, owner_id, whole=False)
        if transcript is None:
            raise queries.none_there()
        names = ("number", "kind", "summary", "made_at", "undone")
        return [{name: getattr(edit, name) for name in names} for edit in queries.edits(session, transcript.id, KEPT)]


def _step(media_id: UUID, owner_id: UUID, tag: str | None, *, back: bool) -> tuple[str, contracts.Transcript]:
    with database.transaction() as session:
        transcript = _taken(session, media_id, owner_id, tag)
        edit = queries.edit_to(session, transcript.id, undo=back)
        if edit is None:
            which = "undo" if back else "do again"
            raise problems.Conflict(f"There is nothing to {which}.", code="nothing_left")
        away, back_again = (edit.after, edit.before) if back else (edit.before, edit.after)
        _swap(session, transcript, away, back_again)
        edit.undone = back
        return _changed(session, transcript, media_id, owner_id)


def _taken(session: Session, media_id: UUID, owner_id: UUID, tag: str | None) -> Transcript:
    transcript = queries.editable(session, media_id, owner_id)
    if tag is not None and tag != transcript.tag:
        raise problems.PreconditionFailed("The transcript was changed meanwhile. Look again and repeat the change.")
    return transcript


def _changed(
    session: Session, transcript: Transcript, media_id: UUID, owner_id: UUID
) -> tuple[str, contracts.Transcript]:
    transcript.revision += 1
    transcript.edited_at = database.now()
    session.flush()
    session.expire_all()
    found = queries.transcript(session, media_id, owner_id)
    if found is None:
        raise queries.none_there()
    return found.tag, found.public()


def _swap(session: Session, transcript: Transcript, away: Rows, instead: Rows) -> None:
    for row in away["segments"]:
        session.delete(queries.segment(session, transcript.id, UUID(row["id"])))
    labels = {row["label"] for row in away["speakers"]}
    for speaker in [speaker for speaker in transcript.speakers if speaker.label in labels]:
        transcript.speakers.remove(speaker)
    session.flush()
    for row in instead["segments"]:
        session.add(Segment(transcript_id=transcript.id, **row | {"id": UUID(row["id"])}))
    transcript.speakers.extend(Speaker(**row) for row in instead["speakers"])


class _Desk:
    """A transcript while it is changed: remembers the rows as they were before they are touched."""

    def __init__(self, session: Session, transcript: Transcript) -> None:
        self.session = session
        self.transcript = transcript
        self._segments: dict[UUID, tuple[dict[str, Any] | None, Segment]] = {}
        self._gone: set[UUID] = set()
        self._speakers = {speaker.label: _speaker_row(speaker) for speaker in transcript.speakers}

    def segment(self, segment_id: UUID) -> Segment:
        """Take one segment. Raises NotFound."""
        return self.touch(queries.segment(self.session, self.transcript.id, segment_id))

    def touch(self, segment: Segment) -> Segment:
        """Remember a segment as it is."""
        self._segments.setdefault(segment.id, (_segment_row(segment), segment))
        return segment

    def add(self, segment: Segment) -> None:
        """Put a new one there."""
        self.session.add(segment)
        self._segments[segment.id] = (None, segment)

    def remove(self, segment: Segment) -> None:
        """Take one away that was touched."""
        self._gone.add(segment.id)
        self.session.delete(segment)

    def speaker(self, label: str) -> Speaker:
        """One speaker; ``NEW_SPEAKER`` makes one. Raises NotFound."""
        speakers = self.transcript.speakers
        if label == NEW_SPEAKER:
            number = 1 + max(
                (int(match[1]) for one in speakers if (match := re.fullmatch(r"S(\d+)", one.label))), default=0
            )
            position = 1 + max((one.position for one in speakers), default=-1)
            made = Speaker(
                label=f"S{number}", position=position, name=f"Speaker {number}", seconds=0.0, suggestion=None
            )
            speakers.append(made)
            return made
        found = next((one for one in speakers if one.label == label), None)
        if found is None:
            raise problems.NotFound(f"This transcript has no speaker {label}.")
        return found

    def give(self, segment: Segment, to: Speaker | None) -> None:
        """Let somebody else have said a segment; whoever has said nothing at all then is there no longer."""
        seconds = segment.end - segment.start
        if segment.speaker is not None:
            self.speaker(segment.speaker).seconds = max(0.0, self.speaker(segment.speaker).seconds - seconds)
        if to is not None:
            to.seconds += seconds
        segment.speaker = None if to is None else to.label

    def note(self, kind: str, summary: str, by: UUID) -> None:
        """Write the change down. What was undone before it can't be done again."""
        self.session.flush()
        for edit in queries.edits(self.session, self.transcript.id, KEPT):
            if edit.undone:
                self.session.delete(edit)
        touched = self._segments.values()
        speakers = {speaker.label: _speaker_row(speaker) for speaker in self.transcript.speakers}
        labels = sorted(
            label
            for label in speakers.keys() | self._speakers.keys()
            if speakers.get(label) != self._speakers.get(label)
        )
        self.session.flush()
        newest = queries.edits(self.session, self.transcript.id, 1)
        self.session.add(
            Edit(
                transcript_id=self.transcript.id,
                number=newest[0].number + 1 if newest else 1,
                kind=kind,
                summary=summary,
                by=by,
                before={
                    "segments": [row for row, _ in touched if row is not None],
                    "speakers": [self._speakers[label] for label in labels if label in self._speakers],
                },
                after={
                    "segments": [_segment_row(segment) for _, segment in touched if segment.id not in self._gone],
                    "speakers": [speakers[label] for label in labels if label in speakers],
                },
            )
        )


def _segment_row(segment: Segment) -> dict[str, Any]:
    names = ("position", "start", "end", "speaker", "text", "words", "rules")
    return {"id": str(segment.id)} | {name: getattr(segment, name) for name in names}


def _speaker_row(speaker: Speaker) -> dict[str, Any]:
    return {name: getattr(speaker, name) for name in ("label", "position", "name", "seconds", "suggestion")}


# the changes --------------------------------------------------------------------------------------------------------


def _correct(desk: _Desk, *, segment: UUID, text: str) -> str:
    """Other words. Those that stay keep their times."""
    one = desk.segment(segment)
    texts = text.split()
    if not texts or len(texts) > MOST_WORDS:
        raise problems.Unusable(f"A segment has between one and {MOST_WORDS} words.")
    _write(desk, one, retimed(_words(one), texts, one.start, one.end))
    return f"Words corrected: {_short(text)}"


def _attribute(desk: _Desk, *, segment: UUID, speaker: str | None) -> str:
    """Somebody else says it."""
    one = desk.segment(segment)
    to = None if speaker is None else desk.speaker(speaker)
    desk.give(one, to)
    return f"{to.name if to else 'Nobody'} says: {_short(one.text)}"


def _split(desk: _Desk, *, segment: UUID, word: int) -> str:
    """Two segments of one; ``word`` is the index of the first word of the second."""
    one = desk.segment(segment)
    words = _words(one)
    if not 0 < word < len(words):
        raise problems.Unusable(f"The second part begins with one of the words 1 to {len(words) - 1}.")
    after = queries.following(desk.session, one)
    position = (one.position + after.position) / 2 if after else one.position + 1
    second = Segment(
        transcript_id=desk.transcript.id,
        id=database.new_id(),
        position=position,
        start=words[word].start,
        end=one.end,
        speaker=one.speaker,
        text="",
        words=[],
        rules=one.rules,
    )
    one.end = words[word - 1].end
    _write(desk, one, words[:word])
    _write(desk, second, words[word:])
    desk.add(second)
    return f"Split before: {_short(second.text)}"


def _merge(desk: _Desk, *, segment: UUID) -> str:
    """One segment of two: the next one is joined to it, and said by whoever says the first."""
    one = desk.segment(segment)
    after = queries.following(desk.session, one)
    if after is None:
        raise problems.Unusable("This is the last segment: there is none to join to it.")
    desk.touch(after)
    if after.speaker != one.speaker:
        desk.give(after, None if one.speaker is None else desk.speaker(one.speaker))
    one.end = max(one.end, after.end)
    _write(desk, one, [*_words(one), *_words(after)])
    desk.remove(after)
    return f"Joined: {_short(one.text)}"


def _replace(desk: _Desk, *, find: str, replace: str, match_case: bool, whole_words: bool) -> str:
    """Everywhere. ``find`` may be several words."""
    inner = r"\s+".join(re.escape(part) for part in find.split())
    if not inner:
        raise problems.Unusable("Say what is to be found.")
    pattern = re.compile(rf"(?<!\w){inner}(?!\w)" if whole_words else inner, 0 if match_case else re.IGNORECASE)
    count = 0
    for one in queries.segments(desk.session, desk.transcript.id):
        text, times = pattern.subn(lambda _: replace, one.text)
        if not times or text == one.text:
            continue
        texts = text.split()
        if not texts:
            raise problems.Unusable(f"Nothing would be left of: {_short(one.text)}")
        desk.touch(one)
        _write(desk, one, retimed(_words(one), texts, one.start, one.end))
        count += times
    if not count:
        raise problems.Conflict(f"“{_short(find)}” is nowhere in this transcript.", code="not_found_in_text")
    return f"“{_short(find)}” replaced by “{_short(replace)}”, {count} times"


def _rename(desk: _Desk, *, speaker: str, name: str) -> str:
    """A speaker's name."""
    one = desk.speaker(speaker)
    before, one.name, one.suggestion = one.name, name, None
    return f"{before} is {name}"


def _unite(desk: _Desk, *, speaker: str, into: str) -> str:
    """Two speakers are one: all that the first says, the second says."""
    gone, stays = desk.speaker(speaker), desk.speaker(into)
    if gone is stays:
        raise problems.Unusable("A speaker can't be united with themselves.")
    for one in queries.segments(desk.session, desk.transcript.id, speaker):
        desk.touch(one).speaker = stays.label
    stays.seconds += gone.seconds
    desk.transcript.speakers.remove(gone)
    return f"{gone.name} is the same as {stays.name}"


_CHANGES: dict[str, Callable[..., str]] = {
    "text": _correct,
    "speaker": _attribute,
    "split": _split,
    "merge": _merge,
    "replace": _replace,
    "rename": _rename,
    "unite": _unite,
}


def _words(segment: Segment) -> list[Word]:
    return [Word(**word) for word in segment.words]


def _write(desk: _Desk, segment: Segment, words: Sequence[Word]) -> None:
    """Give a segment these words; its ends stay where they are."""
    marks = marked([word.text for word in words], desk.transcript.language)
    segment.text = " ".join(word.text for word in words)
    segment.words = [
        word.model_copy(update={"mark": mark}).model_dump(exclude={"speaker"}, exclude_none=True)
        for word, mark in zip(words, marks, strict=True)
    ]


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:59]}…"
