"""Highlight as the other services and the owner meet it."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest

from libs.contracts import events
from libs.contracts.media import Wishes
from libs.database import new_id
from tests.factories.services import UnderTest
from tests.services.highlight.conftest import OllamaServer, transcript

WISHES = Wishes(count=2, min_duration=8, max_duration=20)


@pytest.fixture
def highlight(start: Callable[..., UnderTest]) -> UnderTest:
    """The service, without Ollama."""
    return start("highlight", CLIPSTEAD_OLLAMA_HOST="")


def _ready(media: UUID, owner: UUID, words: int = 180) -> events.TranscriptReady:
    return events.TranscriptReady(
        media_id=media,
        owner_id=owner,
        transcript_engine="scripted",
        model="none",
        quality="standard",
        language="en",
        words=words,
        speakers=2,
        wishes=WISHES,
    )


def _transcribed(service: UnderTest) -> tuple[UUID, UUID]:
    media, owner = new_id(), new_id()
    service.peers["transcription"].answers[f"/internal/transcripts/{media}"] = transcript().model_dump(mode="json")
    service.tell(_ready(media, owner), times=2)
    return media, owner


def test_a_transcript_becomes_moments_once(highlight: UnderTest) -> None:
    media, owner = _transcribed(highlight)
    assert highlight.do_jobs() == 1
    begun, ready = highlight.told()
    assert isinstance(begun, events.HighlightsProgress)
    assert isinstance(ready, events.HighlightsReady)
    assert (ready.media_id, ready.owner_id, ready.count, ready.chosen_by) == (media, owner, 2, "built-in")
    assert ready.wishes == WISHES
    assert [span.engine for span in ready.engine] == ["built-in"]

    shown = highlight.call("GET", f"/v1/media/{media}/moments", by=owner).json()
    assert (shown["engine"], shown["state"]) == ("built-in", "found")
    assert [moment["rank"] for moment in shown["items"]] == [1, 2]
    inside = highlight.call("GET", f"/internal/moments/{media}", issuer="render").json()
    assert inside["moments"] == shown["items"]


def test_others_see_nothing(highlight: UnderTest) -> None:
    media, _ = _transcribed(highlight)
    highlight.do_jobs()
    for method in ("GET", "POST"):
        body = {"json": {}} if method == "POST" else {}
        foreign = highlight.call(method, f"/v1/media/{media}/moments", by=new_id(), **body)
        missing = highlight.call(method, f"/v1/media/{new_id()}/moments", by=new_id(), **body)
        assert foreign.status_code == missing.status_code == 404
        assert {**foreign.json(), "correlation_id": ""} == {**missing.json(), "correlation_id": ""}
    assert highlight.call("GET", f"/v1/media/{media}/moments").status_code == 401
    assert highlight.call("GET", f"/internal/moments/{media}", issuer="ingest").status_code == 403


def test_no_speech_is_told_without_a_search(highlight: UnderTest) -> None:
    media, owner = new_id(), new_id()
    highlight.tell(_ready(media, owner, words=0))
    assert highlight.do_jobs() == 0
    (ready,) = highlight.told(events.HighlightsReady)
    assert (ready.count, ready.code) == (0, "no_speech")
    assert "No speech was heard" in ready.detail
    refused = highlight.call("POST", f"/v1/media/{media}/moments", by=owner, json={"count": 3})
    assert (refused.status_code, refused.json()["code"]) == (409, "no_speech")


def test_looking_again_replaces_or_appends(highlight: UnderTest) -> None:
    media, owner = _transcribed(highlight)
    highlight.do_jobs()

    def texts() -> list[str]:
        return [item["text"] for item in highlight.call("GET", f"/v1/media/{media}/moments", by=owner).json()["items"]]

    first = texts()
    again = highlight.call("POST", f"/v1/media/{media}/moments", by=owner, json={"count": 1, "append": True})
    assert (again.status_code, again.json()["state"]) == (202, "looking")
    highlight.do_jobs()
    assert texts()[:2] == first
    assert len(set(texts())) == 3
    assert highlight.told(events.HighlightsReady)[-1].count == 3

    wanted = {"count": 1, "prompt": "chairs", "min_duration": 5}
    assert highlight.call("POST", f"/v1/media/{media}/moments", by=owner, json=wanted).status_code == 202
    highlight.do_jobs()
    assert len(texts()) == 1
    assert "chairs" in texts()[0]


def test_the_newest_wish_wins(highlight: UnderTest) -> None:
    media, owner = _transcribed(highlight)
    highlight.call("POST", f"/v1/media/{media}/moments", by=owner, json={"count": 1})
    highlight.do_jobs()
    assert [ready.count for ready in highlight.told(events.HighlightsReady)] == [1]


@pytest.mark.parametrize(
    "wrong",
    [{"count": 0}, {"count": 51}, {"owner_id": "x"}, {"min_duration": 50, "max_duration": 20}, {"prompt": "x" * 501}],
)
def test_wishes_out_of_bounds_are_refused(highlight: UnderTest, wrong: dict[str, object]) -> None:
    media, owner = _transcribed(highlight)
    assert highlight.call("POST", f"/v1/media/{media}/moments", by=owner, json=wrong).status_code == 422


def test_a_transcript_that_is_gone_ends_the_search_with_a_reason(highlight: UnderTest) -> None:
    media, owner = new_id(), new_id()
    highlight.tell(_ready(media, owner))
    highlight.do_jobs()
    (ready,) = highlight.told(events.HighlightsReady)
    assert (ready.count, ready.code) == (0, "no_transcript")
    assert highlight.call("GET", f"/v1/media/{media}/moments", by=owner).json()["state"] == "nothing"


def test_a_deleted_recording_stays_deleted(highlight: UnderTest) -> None:
    media, owner = _transcribed(highlight)
    highlight.do_jobs()
    highlight.tell(events.MediaDeleted(media_id=media, owner_id=owner), times=2)
    assert highlight.call("GET", f"/v1/media/{media}/moments", by=owner).status_code == 404
    assert highlight.rows("SELECT count(*) FROM moments") == [(0,)]
    highlight.tell(_ready(media, owner))  # late
    assert highlight.do_jobs() == 0


def test_ollama_chooses_where_it_answers(start: Callable[..., UnderTest], ollama: OllamaServer) -> None:
    ollama.answer = lambda _: '{"choices": [{"id": 1, "title": "The model’s own title"}]}'
    highlight = start("highlight", CLIPSTEAD_OLLAMA_HOST=ollama.url)
    media, owner = _transcribed(highlight)
    highlight.do_jobs()
    (ready,) = highlight.told(events.HighlightsReady)
    assert ready.chosen_by == "ollama:tiny:latest"
    assert [span.engine for span in ready.engine] == ["built-in", "ollama"]
    items = highlight.call("GET", f"/v1/media/{media}/moments", by=owner).json()["items"]
    assert items[0]["title"] == "The model’s own title"
    system = highlight.call("GET", "/internal/system", issuer="gateway").json()
    assert (system["finder"], system["model"]) == ("ollama", "tiny:latest")
