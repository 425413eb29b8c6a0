"""A speech service on another machine: what it is sent, what becomes of its answers, and of its refusals."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from libs.patience import TryLater
from libs.process.child import Refuse
from services.transcription.engines import hosted, languages
from services.transcription.engines.hosted import Hosted
from services.transcription.engines.protocol import RATE, Ask, Region, Sound, Word
from tests.services.transcription.conftest import Clip, joined, speech_in
from tests.services.transcription.speech_service import SpeechService

SAID = Region(1.0, 5.0)


@pytest.fixture
def service(speech_service: SpeechService) -> SpeechService:
    # Before, not after: other files ask the same service.
    speech_service.first.clear()
    speech_service.asked.clear()
    speech_service.says = None
    return speech_service


@pytest.fixture
def engine(service: SpeechService) -> Iterator[Hosted]:
    made = Hosted(service.url, "whisper-1", service.key)
    yield made
    made.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for hundredths of a second where seconds would do."""
    monkeypatch.setattr(hosted, "FIRST_PAUSE", 0.01)


def words_of(engine: Hosted, **wishes: Any) -> list[Word]:
    silence = np.zeros(6 * RATE, np.int16)
    return engine.transcribe(silence, [SAID], "en", lambda _: None, Ask(**wishes)).words


def test_it_gets_flac_and_gives_words_with_their_punctuation(
    service: SpeechService, engine: Hosted, kennedy: Sound
) -> None:
    heard = engine.transcribe(kennedy, speech_in(kennedy), "", lambda _: None)
    assert " ".join(word.text for word in heard.words).startswith("And so, my fellow Americans, ask not")
    assert heard.words[4].end <= heard.words[5].start
    [asked] = service.asked
    assert (asked["model"], asked["format"], asked["language"]) == ("whisper-1", "verbose_json", None)
    assert asked["granularities"] == ["word", "segment"]
    assert asked["name"].endswith(".flac")
    assert asked["size"] < len(kennedy) * 2 * 0.8


def test_wishes_are_handed_on(service: SpeechService, engine: Hosted, clips: Callable[[str], list[Clip]]) -> None:
    samples, _ = joined(clips("taught-de")[:1], [0.5])
    ask = Ask(prompt="In the hall.", hotwords=("Kathryn", "Uhr"), translate=True)
    heard = engine.transcribe(samples, speech_in(samples), "de", lambda _: None, ask)
    assert [passage.text for passage in heard.translation] == ["The old clock in the hall struck seven."]
    first, second = service.asked
    assert (first["task"], first["language"], first["prompt"]) == ("transcribe", "de", "Kathryn, Uhr In the hall.")
    assert (second["task"], second["prompt"]) == ("translate", first["prompt"])


def test_long_recordings_are_sent_in_parts_below_what_services_take(service: SpeechService, engine: Hosted) -> None:
    loud = np.random.default_rng(1).integers(-30000, 30000, 700 * RATE).astype(np.int16)  # FLAC can't make it smaller
    service.says = {"text": "Noise.", "language": "english"}
    told: list[float] = []
    heard = engine.transcribe(loud, [Region(0.0, 700.0)], "", told.append)
    assert len(service.asked) == len(heard.words) == len(told) == 4
    assert all(asked["size"] < 25_000_000 for asked in service.asked)
    assert told[-1] == pytest.approx(700.0)


@pytest.mark.usefixtures("impatient")
def test_a_busy_service_is_asked_again(service: SpeechService, engine: Hosted, kennedy: Sound) -> None:
    service.first = [(429, {}, {}), (500, {}, {}), (503, {"Retry-After": "soon"}, {})]
    assert engine.transcribe(kennedy, speech_in(kennedy), "en", lambda _: None).words
    assert len(service.asked) == 4


@pytest.mark.usefixtures("impatient")
def test_a_service_is_left_alone_as_long_as_it_asks(service: SpeechService, engine: Hosted) -> None:
    service.says = {"text": "Hello."}
    service.first = [(429, {"Retry-After": "1"}, {})]
    started = time.monotonic()
    assert [word.text for word in words_of(engine)] == ["Hello."]
    assert time.monotonic() - started >= 1.0
    service.first = [(503, {"Retry-After": format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)}, {})]
    started = time.monotonic()
    words_of(engine)
    assert time.monotonic() - started >= 0.9  # dates are in whole seconds


@pytest.mark.usefixtures("impatient")
def test_a_service_that_stays_busy_or_away_is_a_matter_for_later(service: SpeechService, engine: Hosted) -> None:
    service.first = [(503, {}, {})] * hosted.TRIES
    with pytest.raises(TryLater, match="503"):
        words_of(engine)
    service.first = [(429, {"Retry-After": "3600"}, {})]
    with pytest.raises(TryLater):
        words_of(engine)
    assert len(service.asked) == hosted.TRIES + 1
    with closing(Hosted("http://127.0.0.1:9/v1", "whisper-1")) as nowhere, pytest.raises(TryLater):
        words_of(nowhere)


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (400, {"error": {"message": "The audio file is too short."}}, "The audio file is too short."),
        (404, {"error": {"message": "no such model"}}, "speech_model"),
        (403, {}, "speech_key"),
        (413, {}, "413"),
    ],
)
def test_a_refusal_is_told_at_once(
    service: SpeechService, engine: Hosted, status: int, body: dict[str, Any], says: str
) -> None:
    service.first = [(status, {}, body)]
    with pytest.raises(Refuse) as refused:
        words_of(engine)
    assert refused.value.code == "engine_failed"
    assert says in refused.value.detail
    assert len(service.asked) == 1


def test_a_wrong_key_is_told_and_not_repeated(service: SpeechService) -> None:
    with closing(Hosted(service.url, "whisper-1", "sk-wrong")) as stranger, pytest.raises(Refuse) as refused:
        words_of(stranger)
    assert "speech_key" in refused.value.detail
    assert "sk-wrong" not in str(refused.value)


def test_what_is_no_speech_service_is_told(service: SpeechService, engine: Hosted) -> None:
    service.first = [(200, {}, {"text": ["a", "list"]})]
    with pytest.raises(Refuse, match="no speech service"):
        words_of(engine)


def test_words_without_times_share_the_room_in_their_segment(service: SpeechService, engine: Hosted) -> None:
    service.says = {
        "text": "Good morning, all. Go on.",
        "segments": [
            {"start": 0.0, "end": 2.0, "text": " Good morning, all.", "avg_logprob": -0.1},
            {"start": 3.0, "end": 4.0, "text": " Go on."},
        ],
        "words": [{"word": "all", "start": 1.5, "end": 1.9}],
    }
    words = words_of(engine)
    assert [word.text for word in words] == ["Good", "morning,", "all.", "Go", "on."]
    assert (words[0].start, words[1].end) == (1.0, 2.5)  # up to the word that has a time
    assert words[1].end - words[1].start > words[0].end - words[0].start  # it is the longer word
    assert (words[2].start, words[2].end) == (2.5, 2.9)
    assert (words[3].start, words[-1].end) == (4.0, 5.0)
    assert words[0].confidence == pytest.approx(0.905, abs=0.001)
    assert all(word.end <= following.start for word, following in pairwise(words))


def test_text_alone_is_spread_over_the_speech(service: SpeechService, engine: Hosted) -> None:
    service.says = {"text": "One two three"}
    words = words_of(engine)
    assert [word.text for word in words] == ["One", "two", "three"]
    assert (words[0].start, words[-1].end) == tuple(SAID)


def test_times_beyond_the_sound_or_out_of_order_are_mended(service: SpeechService, engine: Hosted) -> None:
    service.says = {
        "text": "a b c",
        "segments": [{"start": 0.0, "end": 99.0, "text": "a b c"}],
        "words": [
            {"word": "a", "start": 2.0, "end": 3.5},
            {"word": "b", "start": 1.0, "end": 3.0},
            {"word": "c", "start": 3.2, "end": 99.0},
        ],
    }
    words = words_of(engine)
    assert all(SAID.start <= word.start <= word.end <= SAID.end for word in words)
    assert all(word.end <= following.start for word, following in pairwise(words))


def test_the_language_is_what_most_of_the_speech_is_in(service: SpeechService, engine: Hosted) -> None:
    answers = [{"text": "Ja.", "language": "german"}, {"text": "Yes.", "language": "en"}]
    service.first = [(200, {}, answer) for answer in answers]
    heard = engine.transcribe(
        np.zeros(400 * RATE, np.int16), [Region(0.0, 90.0), Region(100.0, 110.0)], "", lambda _: None
    )
    assert (heard.language, heard.language_confidence) == ("de", pytest.approx(0.9))
    assert heard.words[1].start >= 100.0


def test_languages_are_known_by_code_and_by_name() -> None:
    assert [languages.code(name) for name in ("German", "de", "haitian creole", "Klingon", "")] == [
        "de", "de", "ht", "und", "und"
    ]  # fmt: skip
