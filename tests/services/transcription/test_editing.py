"""Putting a transcript right: what its owner sees after each change, after undo, and when two people are at it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from libs.contracts import events
from libs.database import new_id
from services.transcription.models import Recording, Segment, Speaker, Transcript
from tests.factories.services import UnderTest
from tests.services.transcription.test_service import OWNER, STRANGER, receive

MEDIA = new_id()
ANA = {"name": "Ana", "quote": "I'm Ana"}
SAID = [
    ("S1", "Hello, I'm Ana."),
    ("S2", "And I'm bob."),
    ("S1", "We talk about bees, and about Bees only."),
    ("S3", "Bees are fine."),
]


@pytest.fixture
def service(start: Callable[..., UnderTest], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> UnderTest:
    """The service with one transcript of three voices."""
    from libs import database

    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    service = start("transcription", CLIPSTEAD_HUB_URL="")
    with database.transaction() as session:
        session.add(Recording(media_id=MEDIA, owner_id=OWNER, wishes={}))
        session.flush()
        session.add(
            Transcript(
                media_id=MEDIA, version=1, engine="faster-whisper", model="small", quality="standard", language="en",
                duration=40.0, words=20, loudness={"hop": 1.0, "levels": []},
                segments=[_segment(position, *said) for position, said in enumerate(SAID)],
                speakers=[
                    Speaker(position=0, label="S1", name="Speaker 1", seconds=18.0, suggestion=ANA),
                    Speaker(position=1, label="S2", name="Speaker 2", seconds=9.0, suggestion=None),
                    Speaker(position=2, label="S3", name="Speaker 3", seconds=9.0, suggestion=None),
                ],
            )
        )  # fmt: skip
    return service


def _segment(position: int, speaker: str, text: str) -> Segment:
    words = [
        {"text": word, "start": position * 10 + index, "end": position * 10 + index + 0.8, "confidence": 0.9}
        for index, word in enumerate(text.split())
    ]
    return Segment(
        position=position, start=position * 10.0, end=position * 10 + 9.0, speaker=speaker, text=text, words=words
    )


def read(service: UnderTest) -> Any:
    return service.call("GET", f"/v1/media/{MEDIA}/transcript", by=OWNER)


def ids(service: UnderTest) -> list[str]:
    return [segment["id"] for segment in read(service).json()["segments"]]


def texts(answer: Any) -> list[str]:
    return [segment["text"] for segment in answer.json()["segments"]]


def edit(service: UnderTest, kind: str, *, match: str = "*", by: UUID = OWNER, **wanted: Any) -> Any:
    body = {"kind": kind, **wanted}
    path = f"/v1/media/{MEDIA}/transcript/edits"
    return service.call("POST", path, by=by, json=body, headers={"If-Match": match} if match else {})


def step(service: UnderTest, which: str) -> Any:
    return service.call("POST", f"/v1/media/{MEDIA}/transcript/{which}", by=OWNER, headers={"If-Match": "*"})


def content(answer: Any) -> Any:
    """A transcript less what tells that it was changed."""
    return {key: value for key, value in answer.json().items() if key not in {"edited_at", "reviewed_at", "tag"}}


def test_corrected_words_keep_their_times_and_are_read_by_everybody(service: UnderTest) -> None:
    answer = edit(service, "text", segment=ids(service)[1], text="And I'm Bob Smith.")
    assert answer.status_code == 200
    segment = answer.json()["segments"][1]
    assert segment["text"] == "And I'm Bob Smith."
    assert [(word["text"], word["start"]) for word in segment["words"]][:2] == [("And", 10.0), ("I'm", 11.0)]
    assert all(one["end"] <= other["start"] for one, other in pairwise(segment["words"]))
    assert answer.json()["edited_at"]
    assert read(service).json() == answer.json()
    assert "And I'm Bob Smith." in service.call("GET", f"/v1/media/{MEDIA}/transcript.txt", by=OWNER).text
    inside = service.call("GET", f"/internal/transcripts/{MEDIA}", issuer="render").json()
    assert inside["segments"][1]["text"] == "And I'm Bob Smith."


def test_split_and_merged_again_is_what_it_was(service: UnderTest) -> None:
    before = read(service)
    split = edit(service, "split", segment=ids(service)[2], word=4)
    assert texts(split)[2:4] == ["We talk about bees,", "and about Bees only."]
    first, second = split.json()["segments"][2:4]
    assert (first["end"], second["start"], second["speaker"]) == (23.8, 24.0, "S1")
    merged = edit(service, "merge", segment=first["id"])
    assert content(merged) == content(before)
    assert edit(service, "split", segment=first["id"], word=40).status_code == 422
    assert edit(service, "merge", segment=ids(service)[-1]).status_code == 422


def test_found_and_replaced_everywhere(service: UnderTest) -> None:
    answer = edit(service, "replace", find="bees", replace="wasps")
    assert texts(answer)[2:] == ["We talk about wasps, and about wasps only.", "wasps are fine."]
    cased = edit(service, "replace", find="wasps are", replace="Wasps were", match_case=True)
    assert texts(cased)[3] == "Wasps were fine."
    [newest, *_] = service.call("GET", f"/v1/media/{MEDIA}/transcript/edits", by=OWNER).json()
    assert newest["summary"] == "“wasps are” replaced by “Wasps were”, 1 times"
    missing = edit(service, "replace", find="hornets", replace="x")
    assert (missing.status_code, missing.json()["code"]) == (409, "not_found_in_text")
    assert edit(service, "replace", find="Bee", replace="x").status_code == 409  # whole words


def test_speakers_are_named_given_words_and_united(service: UnderTest) -> None:
    named = edit(service, "rename", speaker="S1", name="Ana")
    assert named.json()["speakers"][0] == {"label": "S1", "name": "Ana", "seconds": 18.0, "suggestion": None}
    moved = edit(service, "speaker", segment=ids(service)[3], speaker="S2")
    assert [speaker["seconds"] for speaker in moved.json()["speakers"]] == [18.0, 18.0, 0.0]
    fresh = edit(service, "speaker", segment=ids(service)[3], speaker="new")
    assert fresh.json()["segments"][3]["speaker"] == "S4"
    united = edit(service, "unite", speaker="S4", into="S1")
    assert united.json()["segments"][3]["speaker"] == "S1"
    assert [speaker["label"] for speaker in united.json()["speakers"]] == ["S1", "S2", "S3"]
    assert edit(service, "unite", speaker="S1", into="S1").status_code == 422
    assert edit(service, "rename", speaker="S9", name="x").status_code == 404
    assert edit(service, "rename", speaker="S1", name=" \t ").status_code == 422


def test_all_is_undone_and_done_again_step_by_step(service: UnderTest) -> None:
    seen = [content(read(service))]
    first, second, third, _ = ids(service)
    for kind, wanted in (
        ("text", {"segment": first, "text": "Hello! I am Ana."}),
        ("split", {"segment": third, "word": 4}),
        ("speaker", {"segment": second, "speaker": "new"}),
        ("unite", {"speaker": "S3", "into": "S1"}),
        ("replace", {"find": "about", "replace": "of"}),
        ("merge", {"segment": first}),
        ("rename", {"speaker": "S1", "name": "Ana"}),
    ):
        answer = edit(service, kind, **wanted)
        assert answer.status_code == 200, answer.text
        seen.append(content(answer))
    for expected in reversed(seen[:-1]):
        assert content(step(service, "undo")) == expected
    nothing = step(service, "undo")
    assert (nothing.status_code, nothing.json()["code"]) == (409, "nothing_left")
    for expected in seen[1:]:
        assert content(step(service, "redo")) == expected
    assert step(service, "redo").status_code == 409
    step(service, "undo")
    edit(service, "rename", speaker="S1", name="Anna")
    assert step(service, "redo").status_code == 409, "a new change takes the place of what was undone"


def test_nobody_overwrites_what_somebody_else_changed(service: UnderTest) -> None:
    tag = read(service).headers["etag"]
    assert tag == f'"{read(service).json()["tag"]}"'
    first = edit(service, "rename", speaker="S1", name="Ana", match=tag)
    assert first.status_code == 200
    assert first.headers["etag"] not in {tag, ""}
    late = edit(service, "rename", speaker="S1", name="Anne", match=tag)
    assert late.status_code == 412
    assert edit(service, "rename", speaker="S1", name="Anne", match="").status_code == 428
    assert read(service).json()["speakers"][0]["name"] == "Ana"
    assert read(service).headers["etag"] == first.headers["etag"]


def test_reviewed_is_a_mark_that_can_go(service: UnderTest) -> None:
    assert edit(service, "review", reviewed=True).json()["reviewed_at"]
    assert edit(service, "review", reviewed=False).json()["reviewed_at"] is None
    assert service.call("GET", f"/v1/media/{MEDIA}/transcript/edits", by=OWNER).json() == []


def test_strangers_change_nothing_and_learn_nothing(service: UnderTest) -> None:
    wanted = {"segment": ids(service)[0], "text": "x"}
    assert edit(service, "text", by=STRANGER, **wanted).status_code == 404
    assert service.call("GET", f"/v1/media/{MEDIA}/transcript/edits", by=STRANGER).status_code == 404
    path = f"/v1/media/{MEDIA}/transcript/edits"
    readonly = service.call("POST", path, by=OWNER, scopes={"read"}, json={"kind": "review", "reviewed": True})
    assert readonly.status_code == 403
    assert texts(read(service)) == [text for _, text in SAID]


def test_the_history_goes_with_the_recording(service: UnderTest) -> None:
    edit(service, "rename", speaker="S1", name="Ana")
    service.tell(events.MediaDeleted(media_id=MEDIA, owner_id=OWNER))
    assert service.rows("SELECT count(*) FROM edits") == [(0,)]


def test_swear_words_and_fillers_are_left_out_of_files_when_asked(service: UnderTest) -> None:
    edit(service, "text", segment=ids(service)[3], text="Um, bees are shit.")
    path = f"/v1/media/{MEDIA}/transcript.txt"
    assert "Um, bees are shit." in service.call("GET", path, by=OWNER).text
    clean = service.call("GET", path, by=OWNER, params={"censor": "true", "fillers": "false"}).text
    assert "s***." in clean
    assert "Um" not in clean


def test_what_was_heard_can_be_put_right(
    start: Callable[..., UnderTest], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """From the sound on: a heard transcript names its segments, so that they can be changed."""
    from tests.services.transcription.conftest import SPEECH

    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    service = start("transcription", CLIPSTEAD_HUB_URL="")
    media_id = receive(service, SPEECH / "kennedy.flac")
    service.do_jobs()
    path = f"/v1/media/{media_id}/transcript"
    heard = service.call("GET", path, by=OWNER).json()
    assert heard["reason"]
    assert heard["segments"][0]["id"]
    answer = service.call(
        "POST",
        f"{path}/edits",
        by=OWNER,
        json={"kind": "text", "segment": heard["segments"][0]["id"], "text": "And so, my fellow Americans,"},
        headers={"If-Match": "*"},
    )
    assert answer.json()["segments"][0]["text"] == "And so, my fellow Americans,"
