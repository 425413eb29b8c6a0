"""Searching what was said: over the library and inside one recording, by words, phrases and speakers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from libs import database
from libs.contracts import events
from libs.database import new_id
from services.transcription.models import Recording, Segment, Speaker, Transcript
from services.transcription.searching import rules_of
from tests.factories.services import UnderTest

OWNER, STRANGER = new_id(), new_id()
OLD, NEW, GERMAN, FOREIGN = (new_id() for _ in range(4))


def keep(media: UUID, owner: UUID, language: str, said: list[tuple[str, str]], version: int = 1) -> None:
    """Keep a transcript; the words of a segment begin a second apart, segments a hundred."""
    with database.transaction() as session:
        if version == 1:
            session.add(Recording(media_id=media, owner_id=owner, wishes={}))
            session.flush()
        names = list(dict.fromkeys(name for name, _ in said))
        session.add(
            Transcript(
                media_id=media, version=version, engine="e", model="m", quality="standard", language=language,
                duration=1000.0, words=1, loudness={"hop": 1.0, "levels": []},
                segments=[
                    Segment(
                        position=position, start=position * 100.0, end=position * 100.0 + 50, text=text,
                        speaker=f"S{names.index(name)}", rules=rules_of(language), words=words(text, position * 100.0),
                    )
                    for position, (name, text) in enumerate(said)
                ],
                speakers=[
                    Speaker(position=index, label=f"S{index}", name=name, seconds=1.0, suggestion=None)
                    for index, name in enumerate(names)
                ],
            )
        )  # fmt: skip


def words(text: str, start: float) -> list[dict[str, Any]]:
    return [
        {"text": word, "start": start + index, "end": start + index + 1, "confidence": 1}
        for index, word in enumerate(text.split())
    ]


@pytest.fixture
def service(start: Callable[..., UnderTest], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> UnderTest:
    """The service with a small library."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    service = start("transcription", CLIPSTEAD_HUB_URL="")
    keep(OLD, OWNER, "en", [("Ana", "We were walking home."), ("Bob", "Bees walk, and the queen flies.")])
    keep(
        NEW,
        OWNER,
        "en-GB",
        [("Bob", "I walked to the bees."), ("Ana", "The bees walked home, she said, and walked on.")],
    )
    keep(GERMAN, OWNER, "de", [("Carla", "Die Häuser stehen am Walk.")])
    keep(FOREIGN, STRANGER, "en", [("Ana", "Nobody else may find my walk.")])
    return service


def search(service: UnderTest, q: str, by: UUID = OWNER, **more: Any) -> Any:
    answer = service.call("GET", "/v1/transcripts/search", by=by, params={"q": q, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def found(service: UnderTest, q: str, **more: Any) -> list[tuple[UUID, float]]:
    return [(UUID(hit["media_id"]), hit["start"]) for hit in search(service, q, **more)["items"]]


def test_words_are_found_whatever_their_endings_the_newest_recording_first(service: UnderTest) -> None:
    hits = [hit for hit in search(service, "walking")["items"] if hit["media_id"] != str(GERMAN)]
    assert [(UUID(hit["media_id"]), hit["start"]) for hit in hits] == [
        (NEW, 0.0),
        (NEW, 100.0),
        (OLD, 0.0),
        (OLD, 100.0),
    ]
    assert hits[1]["words"] == [2, 7]
    assert hits[1]["at"] == 102.0
    assert hits[1]["speaker"] == "Ana"


def test_phrases_and_words_that_must_not_be_there(service: UnderTest) -> None:
    assert found(service, '"queen flies"') == found(service, "flies queen") == [(OLD, 100.0)]
    assert found(service, '"flies queen"') == []
    assert found(service, "bees -queen") == [(NEW, 0.0), (NEW, 100.0)]
    assert found(service, "queen or home") == [(NEW, 100.0), (OLD, 0.0), (OLD, 100.0)]


def test_each_language_by_its_own_rules(service: UnderTest) -> None:
    assert found(service, "Haus") == [(GERMAN, 0.0)]
    [hit] = search(service, "Haus")["items"]
    assert hit["words"] == [1]


def test_one_recording_or_one_speaker_alone(service: UnderTest) -> None:
    assert found(service, "bees", media_id=str(OLD)) == [(OLD, 100.0)]
    assert found(service, "bees", speaker="bob") == [(NEW, 0.0), (OLD, 100.0)]
    assert found(service, "bees", speaker="nobody") == []


def test_page_by_page_gives_each_hit_once(service: UnderTest) -> None:
    everything = found(service, "bees")
    seen, cursor = [], {}
    for _ in everything:
        page = search(service, "bees", limit=1, **cursor)
        seen += [(UUID(hit["media_id"]), hit["start"]) for hit in page["items"]]
        cursor = {"cursor": page["next_cursor"]}
    assert seen == everything
    assert cursor == {"cursor": None}
    bad = service.call("GET", "/v1/transcripts/search", by=OWNER, params={"q": "x", "cursor": "nonsense"})
    assert bad.status_code == 422


def test_others_transcripts_older_versions_and_deleted_ones_are_not_found(service: UnderTest) -> None:
    assert found(service, "nobody") == []
    assert [UUID(hit["media_id"]) for hit in search(service, "nobody", by=STRANGER)["items"]] == [FOREIGN]
    keep(OLD, OWNER, "en", [("Ana", "It was all misheard.")], version=2)
    assert found(service, "queen") == []
    assert found(service, "misheard") == [(OLD, 0.0)]
    service.tell(events.MediaDeleted(media_id=NEW, owner_id=OWNER))
    assert found(service, "bees") == []


def test_corrected_words_are_found_at_once(service: UnderTest) -> None:
    path = f"/v1/media/{NEW}/transcript"
    segment = service.call("GET", path, by=OWNER).json()["segments"][0]["id"]
    change = {"kind": "text", "segment": segment, "text": "I walked to the hornets."}
    service.call("POST", f"{path}/edits", by=OWNER, json=change, headers={"If-Match": "*"})
    assert found(service, "hornet") == [(NEW, 0.0)]
    service.call("POST", f"{path}/undo", by=OWNER, headers={"If-Match": "*"})
    assert found(service, "hornet") == []
    assert (NEW, 0.0) in found(service, "bees")


@pytest.mark.parametrize("query", ["'", '"', "-", "a & | !", "()", "\\", "the", "%", "<b>"])
def test_whatever_is_typed_is_no_error(service: UnderTest, query: str) -> None:
    search(service, query)
