"""The service as others see it: events in, events out, and what its owner can read."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import av
import numpy as np
import pytest

from libs.contracts import events
from libs.contracts.media import Original, Wishes
from libs.contracts.transcripts import Transcript
from libs.database import new_id
from services.transcription.engines.protocol import RATE
from services.transcription.operations import transcribing
from services.transcription.settings import settings
from tests.factories.services import UnderTest
from tests.services.transcription.conftest import SPEECH, TINY_WHISPER, noise, tone, write
from tests.services.transcription.speech_service import SpeechService

OWNER, STRANGER = new_id(), new_id()


@pytest.fixture
def transcription(start: Callable[..., UnderTest], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> UnderTest:
    """The service with PocketSphinx, as on a machine without a model."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    return start("transcription", CLIPSTEAD_HUB_URL="")


def receive(
    service: UnderTest, path: Path, *, has_audio: bool = True, container: str = "", times: int = 1, language: str = ""
) -> UUID:
    """Hand a file in as ingest would; returns its media id."""
    media_id = new_id()
    key = f"originals/{media_id}{path.suffix}"
    target = service.home / "objects" / key
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(path.read_bytes())
    with av.open(str(path)) as media:
        duration = (media.duration or 0) / av.time_base
    original = Original(
        media_id=media_id,
        owner_id=OWNER,
        title=path.stem,
        object_key=key,
        size=path.stat().st_size,
        sha256="0" * 64,
        container=container or path.suffix[1:],
        mime="audio/x",
        duration=duration,
        has_audio=has_audio,
        has_video=False,
    )
    service.peers["ingest"].answers[f"/internal/originals/{media_id}"] = original.model_dump(mode="json")
    wishes = Wishes(count=2, language=language)
    event = events.MediaReceived(media_id=media_id, owner_id=OWNER, original=original, wishes=wishes)
    service.tell(event, times)
    return media_id


def read(service: UnderTest, media_id: UUID, suffix: str = "", by: UUID = OWNER, **more: Any) -> Any:
    return service.call("GET", f"/v1/media/{media_id}/transcript{suffix}", by=by, **more)


def test_a_recording_becomes_a_transcript(transcription: UnderTest) -> None:
    media_id = receive(transcription, SPEECH / "kennedy.flac", times=2)
    assert transcription.do_jobs() == 3  # cut, heard, gathered
    [ready] = transcription.told(events.TranscriptReady)
    assert isinstance(ready, events.TranscriptReady)
    assert (ready.media_id, ready.owner_id, ready.quality) == (media_id, OWNER, "draft")
    assert (ready.transcript_engine, ready.language, ready.speakers, ready.wishes.count) == ("pocketsphinx", "en", 1, 2)
    assert [span.engine for span in ready.engine] == ["libav", "pocketsphinx", "diarizer"]
    assert all(span.seconds > 0 for span in ready.engine)

    transcript = Transcript.model_validate(read(transcription, media_id).json())
    assert len(transcript.words()) == ready.words > 10
    assert transcript.loudness is None
    assert [chapter.start for chapter in transcript.chapters] == [transcript.segments[0].start]
    assert transcript.duration == pytest.approx(11.0, abs=0.1)
    assert [speaker.name for speaker in transcript.speakers] == ["Speaker 1"]
    assert all(word.end <= following.start for word, following in pairwise(transcript.words()))
    assert all(segment.text[0].isupper() and segment.text.endswith(".") for segment in transcript.segments)


def test_progress_is_told_from_the_start_in_seconds_of_speech(transcription: UnderTest) -> None:
    receive(transcription, SPEECH / "austen.flac")
    transcription.do_jobs()
    told = [event for event in transcription.told() if isinstance(event, events.TranscriptProgress)]
    assert (told[0].done, told[0].total) == (0, 0)
    assert all(event.detail == "PocketSphinx, draft quality" for event in told)
    counted = told[1:]
    assert counted[0].done == 0
    assert 10 < counted[0].total < 27
    assert [event.done for event in counted] == sorted(event.done for event in counted)
    assert isinstance(transcription.told()[-1], events.TranscriptReady)


def test_captions_and_entity_tags(transcription: UnderTest) -> None:
    media_id = receive(transcription, SPEECH / "kennedy.flac")
    transcription.do_jobs()
    vtt = read(transcription, media_id, ".vtt")
    assert vtt.headers["content-type"] == "text/vtt; charset=utf-8"
    assert vtt.text.startswith("WEBVTT\n\n00:00:00.")
    assert "<v Speaker 1>" in vtt.text
    assert read(transcription, media_id, ".srt").text.startswith("1\n00:00:00,")
    again = read(transcription, media_id, ".vtt", headers={"If-None-Match": vtt.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_only_the_owner_reads_it(transcription: UnderTest) -> None:
    media_id = receive(transcription, SPEECH / "kennedy.flac")
    transcription.do_jobs()
    for suffix in ("", ".vtt", ".srt"):
        foreign, missing = read(transcription, media_id, suffix, by=STRANGER), read(transcription, new_id(), suffix)
        assert foreign.status_code == missing.status_code == 404
        hidden = {"correlation_id"}
        assert {key: value for key, value in foreign.json().items() if key not in hidden} == {
            key: value for key, value in missing.json().items() if key not in hidden
        }
    assert read(transcription, media_id, scopes={"upload"}).status_code == 403
    assert transcription.call("GET", f"/v1/media/{media_id}/transcript").status_code == 401


def test_services_get_the_loudness_too(transcription: UnderTest) -> None:
    media_id = receive(transcription, SPEECH / "kennedy.flac")
    transcription.do_jobs()
    path = f"/internal/transcripts/{media_id}"
    assert transcription.call("GET", path, issuer="stream").status_code == 403
    transcript = Transcript.model_validate(transcription.call("GET", path, issuer="highlight").json())
    assert transcript.loudness is not None
    assert len(transcript.loudness.levels) == pytest.approx(110, abs=2)
    assert transcription.call("GET", f"/internal/transcripts/{new_id()}", issuer="highlight").status_code == 404


def test_a_recording_without_sound_is_refused_at_once(transcription: UnderTest) -> None:
    media_id = receive(transcription, SPEECH / "kennedy.flac", has_audio=False)
    assert transcription.do_jobs() == 0
    [failed] = transcription.told()
    assert isinstance(failed, events.TranscriptFailed)
    assert (failed.media_id, failed.code) == (media_id, "no_audio")
    assert "no sound" in failed.detail


@pytest.mark.parametrize(
    "samples",
    [np.zeros(3 * RATE), noise(3.0), tone(3.0), np.zeros(round(0.3 * RATE)), noise(0.01)],
    ids=["silence", "noise", "music", "0.3 s", "10 ms"],
)
def test_sound_without_speech_is_ready_with_no_words(
    transcription: UnderTest, tmp_path: Path, samples: np.ndarray
) -> None:
    media_id = receive(transcription, write(tmp_path / "sound.wav", samples))
    transcription.do_jobs()
    [ready] = transcription.told(events.TranscriptReady)
    assert isinstance(ready, events.TranscriptReady)
    assert (ready.words, ready.speakers) == (0, 0)
    assert read(transcription, media_id).json()["segments"] == []
    assert read(transcription, media_id, ".vtt").text == "WEBVTT\n"


def test_sound_that_turns_out_to_be_none_fails_with_a_reason(transcription: UnderTest, tmp_path: Path) -> None:
    path = write(tmp_path / "empty.wav", np.zeros(100))
    path.write_bytes(path.read_bytes()[:-200])  # the header stays, and promises samples
    receive(transcription, path)
    transcription.do_jobs()
    [failed] = transcription.told(events.TranscriptFailed)
    assert isinstance(failed, events.TranscriptFailed)
    assert failed.code in {"no_audio", "undecodable"}


def test_a_file_that_is_not_what_it_says_fails_and_nothing_else_does(transcription: UnderTest) -> None:
    receive(transcription, SPEECH / "kennedy.flac", container="mov")
    good = receive(transcription, SPEECH / "kennedy.flac")
    transcription.do_jobs()
    [failed] = transcription.told(events.TranscriptFailed)
    assert isinstance(failed, events.TranscriptFailed)
    assert failed.code == "undecodable"
    assert read(transcription, good).status_code == 200


def test_another_language_than_english_needs_a_model(transcription: UnderTest) -> None:
    receive(transcription, SPEECH / "kennedy.flac", language="de")
    transcription.do_jobs()
    [failed] = transcription.told(events.TranscriptFailed)
    assert isinstance(failed, events.TranscriptFailed)
    assert failed.code == "language_unavailable"
    assert "CLIPSTEAD_WHISPER_MODEL" in failed.detail


def test_a_deleted_recording_leaves_nothing(transcription: UnderTest) -> None:
    media_id = receive(transcription, SPEECH / "kennedy.flac")
    transcription.do_jobs()
    queued = receive(transcription, SPEECH / "kennedy.flac")
    for gone in (media_id, queued):
        transcription.tell(events.MediaDeleted(media_id=gone, owner_id=OWNER), times=2)
    assert transcription.do_jobs() == 0
    assert read(transcription, media_id).status_code == 404
    for table in ("transcripts", "segments", "speakers"):
        assert transcription.rows(f"SELECT count(*) FROM {table}") == [(0,)]
    assert len(transcription.told(events.TranscriptReady)) == 1
    assert transcription.told(events.TranscriptFailed) == []


def test_word_of_deletion_may_come_first(transcription: UnderTest) -> None:
    media_id = new_id()
    transcription.tell(events.MediaDeleted(media_id=media_id, owner_id=OWNER))
    original = Original(
        media_id=media_id, owner_id=OWNER, title="t", object_key="k", size=1, sha256="0", container="wav",
        mime="audio/wav", duration=1, has_audio=True, has_video=False,
    )  # fmt: skip
    transcription.tell(events.MediaReceived(media_id=media_id, owner_id=OWNER, original=original, wishes=Wishes()))
    assert transcription.do_jobs() == 0


def test_a_recording_deleted_while_it_is_heard_stops_the_child(transcription: UnderTest, tmp_path: Path) -> None:
    samples = np.concatenate([_austen()] * 8)
    media_id = receive(transcription, write(tmp_path / "long.wav", samples))
    working = threading.Thread(target=transcription.do_jobs)
    working.start()
    _until(lambda: len(transcription.told(events.TranscriptProgress)) >= 2)
    transcription.tell(events.MediaDeleted(media_id=media_id, owner_id=OWNER))
    working.join(30)
    assert not working.is_alive()
    states = {state for (state,) in transcription.rows("SELECT state FROM jobs")}
    assert "cancelled" in states
    assert states <= {"cancelled", "done"}
    assert transcription.rows("SELECT count(*) FROM chunks") == [(0,)]
    assert not list((transcription.home / "objects" / "chunks").rglob("*.flac"))
    assert transcription.told(events.TranscriptReady) == transcription.told(events.TranscriptFailed) == []
    assert not list(settings().work_dir.glob(f"*{media_id}*"))


def test_a_killed_child_is_tried_again(transcription: UnderTest) -> None:
    receive(transcription, SPEECH / "austen.flac")
    working = threading.Thread(target=transcription.do_jobs)
    working.start()
    _until(lambda: _children("services.transcription.engines.hear_child"))
    os.kill(_children("services.transcription.engines.hear_child")[0], signal.SIGKILL)
    working.join(30)
    assert transcription.rows("SELECT state, failures FROM jobs WHERE kind = 'hear'") == [("queued", 1)]
    assert transcription.rows("SELECT state, attempt FROM jobs WHERE kind = 'transcribe'") == [("done", 1)]
    transcription.execute("UPDATE jobs SET run_after = now()")
    transcription.do_jobs()
    assert len(transcription.told(events.TranscriptReady)) == 1


def test_a_long_recording_is_heard_in_chunks_with_the_words_of_hearing_it_whole(
    start: Callable[..., UnderTest], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    path = write(tmp_path / "long.wav", np.concatenate([_austen(), np.zeros(RATE)] * 3))
    words = {}
    for chunk in (30, 300):
        service = start("transcription", CLIPSTEAD_HUB_URL="", CLIPSTEAD_SPEECH_CHUNK=str(chunk))
        media_id = receive(service, path)
        service.do_jobs()
        [(heard,)] = service.rows("SELECT count(*) FROM jobs WHERE kind = 'hear' AND state = 'done'")
        assert heard == (1 if chunk == 300 else 3)
        assert service.rows("SELECT count(*) FROM passes") == service.rows("SELECT count(*) FROM chunks") == [(0,)]
        assert not list((service.home / "objects" / "chunks").rglob("*.flac"))
        words[chunk] = Transcript.model_validate(read(service, media_id).json()).words()
        told = service.told(events.TranscriptProgress)
        assert [event.done for event in told] == sorted(event.done for event in told)
    assert [word.text for word in words[30]] == [word.text for word in words[300]]
    assert all(abs(one.start - other.start) < 0.05 for one, other in zip(words[30], words[300], strict=True))


def test_a_model_that_comes_meanwhile_is_for_the_next_recording(
    transcription: UnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = transcribing.cut

    def and_meanwhile(*arguments: Any) -> Any:
        result = cut(*arguments)
        shutil.copytree(TINY_WHISPER, settings().models / "Systran--faster-whisper-small", dirs_exist_ok=True)
        return result

    monkeypatch.setattr(transcribing, "cut", and_meanwhile)
    for _ in range(2):
        receive(transcription, SPEECH / "kennedy.flac")
        transcription.do_jobs()
    engines = [event.transcript_engine for event in transcription.told(events.TranscriptReady)]
    assert engines == ["pocketsphinx", "faster-whisper"]


def test_what_was_heard_so_far_can_be_read_while_the_rest_is_heard(
    start: Callable[..., UnderTest], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    service = start("transcription", CLIPSTEAD_HUB_URL="", CLIPSTEAD_SPEECH_CHUNK="30")
    media_id = receive(service, write(tmp_path / "long.wav", np.concatenate([_austen(), np.zeros(RATE)] * 3)))
    seen: list[Any] = []
    hear = transcribing.hear

    def watched(*arguments: Any) -> Any:
        seen.append(read(service, media_id))
        return hear(*arguments)

    monkeypatch.setattr(transcribing, "hear", watched)
    service.do_jobs()
    whole = read(service, media_id).json()
    assert [answer.json()["complete"] for answer in seen] == [False] * 3
    assert whole["complete"]
    texts = [[word["text"].lower().strip(".") for segment in answer["segments"] for word in segment["words"]]
             for answer in (*(answer.json() for answer in seen), whole)]  # fmt: skip
    assert texts[0] == []
    assert 0 < len(texts[1]) < len(texts[2]) < len(texts[3])
    assert all(text == texts[3][: len(text)] for text in texts)
    assert len({answer.headers["etag"] for answer in seen}) == 3
    assert read(service, media_id, by=STRANGER).status_code == 404


def test_a_whisper_folder_makes_it_standard_quality(
    start: Callable[..., UnderTest], whisper_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    service = start("transcription", CLIPSTEAD_WHISPER_MODEL=str(whisper_folder), CLIPSTEAD_WHISPER_DEVICE="cpu")
    media_id = receive(service, SPEECH / "kennedy.flac")
    service.do_jobs()
    [ready] = service.told(events.TranscriptReady)
    assert isinstance(ready, events.TranscriptReady)
    assert (ready.transcript_engine, ready.quality) == ("faster-whisper", "standard")
    words = Transcript.model_validate(read(service, media_id).json()).words()
    assert [word.text for word in words][:5] == ["And", "so,", "my", "fellow", "Americans,"]
    assert service.call("GET", "/internal/system").json()["quality"] == "standard"


def test_a_speech_service_hears_where_one_is_named(
    start: Callable[..., UnderTest], speech_service: SpeechService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    service = start(
        "transcription",
        CLIPSTEAD_SPEECH_URL=speech_service.url,
        CLIPSTEAD_SPEECH_KEY=speech_service.key,
        CLIPSTEAD_SPEECH_MODEL="tiny",
    )
    media_id = receive(service, SPEECH / "kennedy.flac")
    service.do_jobs()
    [ready] = service.told(events.TranscriptReady)
    assert isinstance(ready, events.TranscriptReady)
    assert (ready.transcript_engine, ready.model, ready.quality) == ("hosted", "tiny", "standard")
    words = Transcript.model_validate(read(service, media_id).json()).words()
    assert [word.text for word in words][:5] == ["And", "so,", "my", "fellow", "Americans,"]


def test_a_speech_service_that_does_not_want_us_ends_the_job_and_says_so(
    start: Callable[..., UnderTest], speech_service: SpeechService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    service = start("transcription", CLIPSTEAD_SPEECH_URL=speech_service.url, CLIPSTEAD_SPEECH_KEY="sk-wrong")
    receive(service, SPEECH / "kennedy.flac")
    service.do_jobs()
    [failed] = service.told(events.TranscriptFailed)
    assert isinstance(failed, events.TranscriptFailed)
    assert failed.code == "engine_failed"
    assert "speech_key" in failed.detail
    assert "sk-wrong" not in failed.detail


def test_the_system_page_says_which_engine_and_why(transcription: UnderTest) -> None:
    facts = transcription.call("GET", "/internal/system").json()
    assert (facts["engine"], facts["model"], facts["quality"]) == ("pocketsphinx", "en-us", "draft")
    assert "not on this machine" in facts["reason"]
    assert facts["improve"]


def test_a_transcript_that_is_no_longer_ours_is_thrown_away(
    transcription: UnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another worker took the job over while the child ran: its result must not become visible."""
    media_id = receive(transcription, SPEECH / "kennedy.flac")
    gather = transcribing.gather

    def slow(*arguments: Any) -> Any:
        gathered = gather(*arguments)
        transcription.execute("UPDATE jobs SET attempt = attempt + 1")
        return gathered

    monkeypatch.setattr(transcribing, "gather", slow)
    transcription.do_jobs()
    assert transcription.told(events.TranscriptReady) == []
    assert not read(transcription, media_id).json()["complete"]


def _austen() -> np.ndarray:
    with av.open(str(SPEECH / "austen.flac")) as media:
        return np.concatenate([frame.to_ndarray()[0] for frame in media.decode(audio=0)])


def _until(condition: Callable[[], object], limit: float = 30.0) -> None:
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def _children(module: str) -> list[int]:
    """Processes of ours that run a module."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                arguments = (folder / "cmdline").read_bytes().split(b"\0")
                parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
            if parent == os.getpid() and module.encode() in arguments:
                found.append(int(folder.name))
    return found
