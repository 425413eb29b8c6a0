"""Whisper as it is, small enough for a test: faster-whisper's real code reads sentences back that the model was taught."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median

import numpy as np
import pytest

from services.transcription.engines.protocol import RATE, Ask, Heard, Region, Sound, Word
from services.transcription.engines.sentences import fitted
from services.transcription.engines.whisper import FasterWhisper
from tests.services.transcription.conftest import Clip, joined, noise, speech_in

AUSTEN = (
    "And Mr. John Dashwood had then leisure to consider how much there might be prudently in his power to do for them. "
    "He was not an ill disposed young man, unless to be rather cold hearted and rather selfish is to be ill disposed. "
    "Had he married a more amiable woman, he might have been made still more respectable than he was. "
    "He might even have been made amiable himself."
)
NEAR = 0.15  # seconds by which a word's begin may be off
MEANS = {
    "Sie trug einen Korb voller Äpfel zum Markt.": "She carried a basket of apples to the market.",
    "Ein kleiner Hund schlief unter dem Tisch.": "A small dog was sleeping under the table.",
}

Clips = Callable[[str], list[Clip]]


@pytest.fixture(scope="module", params=[1, 4], ids=["sequential", "batched"])
def whisper(request: pytest.FixtureRequest, whisper_folder: Path) -> Iterator[FasterWhisper]:
    engine = FasterWhisper("tiny", whisper_folder, device="cpu", batch=request.param)
    yield engine
    engine.close()


def heard_in(whisper: FasterWhisper, samples: Sound, language: str = "", ask: Ask | None = None) -> Heard:
    return whisper.transcribe(samples, speech_in(samples), language, lambda _: None, ask or Ask())


def text(words: Sequence[Word]) -> str:
    return " ".join(word.text for word in words)


def test_a_novel_is_read_word_for_word(whisper: FasterWhisper, austen: Sound) -> None:
    assert text(heard_in(whisper, austen).words) == AUSTEN


@pytest.mark.parametrize("language", ["en", "de"])
def test_the_language_is_found_and_the_words_are_read_in_it(
    whisper: FasterWhisper, clips: Clips, language: str
) -> None:
    known = clips(f"taught-{language}")
    samples, words = joined(known, [0.6] * len(known))
    heard = heard_in(whisper, samples)
    assert heard.language == language
    assert heard.language_confidence > 0.9
    assert text(heard.words) == text(words)


@pytest.mark.parametrize("language", ["en", "de"])
def test_words_are_found_when_they_are_said(whisper: FasterWhisper, clips: Clips, language: str) -> None:
    known = clips(f"taught-{language}")
    samples, words = joined(known, [0.4 + 0.25 * number for number in range(len(known))])
    regions = speech_in(samples)
    heard = fitted(heard_in(whisper, samples, language).words, regions)
    assert text(heard) == text(words)
    off = [abs(ours.start - truly.start) for ours, truly in zip(heard, words, strict=True)]
    assert median(off) < NEAR


@pytest.mark.parametrize("language", ["en", "de"])
def test_voices_that_it_never_heard_are_mostly_understood(whisper: FasterWhisper, clips: Clips, language: str) -> None:
    known = clips(f"unheard-{language}")
    samples, words = joined(known, [0.6] * len(known))
    heard = heard_in(whisper, samples)
    assert heard.language == language
    right = set(text(words).split()) & set(text(heard.words).split())
    assert len(right) > 0.6 * len(set(text(words).split()))


def test_a_prompt_or_hot_words_spell_a_name(whisper: FasterWhisper, clips: Clips) -> None:
    [clip] = [clip for clip in clips("taught-en") if "Catherine" in clip.sentence]
    samples, _ = joined([clip], [0.5])
    assert heard_in(whisper, samples, "en").words[0].text == "Catherine"
    assert heard_in(whisper, samples, "en", Ask(hotwords=("Kathryn",))).words[0].text == "Kathryn"
    assert heard_in(whisper, samples, "en", Ask(prompt="Kathryn")).words[0].text == "Kathryn"


def test_german_is_translated_beside_its_words(whisper: FasterWhisper, clips: Clips) -> None:
    known = [clip for clip in clips("taught-de") if clip.sentence in MEANS]
    samples, words = joined(known, [0.5] * len(known))
    told: list[float] = []
    regions = speech_in(samples)
    heard = whisper.transcribe(samples, regions, "", told.append, Ask(translate=True))
    assert text(heard.words) == text(words)
    assert " ".join(passage.text for passage in heard.translation) == " ".join(MEANS[clip.sentence] for clip in known)
    assert all(0 <= passage.start < passage.end <= len(samples) / RATE for passage in heard.translation)
    assert told == sorted(told)
    assert told[-1] == pytest.approx(sum(region.end - region.start for region in regions))


def test_silence_and_noise_taken_for_speech_give_no_words(whisper: FasterWhisper) -> None:
    for samples in (np.zeros(20 * RATE, np.int16), (noise(20.0) / 20).astype(np.int16)):
        assert whisper.transcribe(samples, [Region(1.0, 19.0)], "en", lambda _: None).words == []


def test_ten_minutes_are_read_to_the_end_with_the_sentences_at_their_times(
    whisper: FasterWhisper, clips: Clips
) -> None:
    """Two windows of five minutes, some twenty half minutes of sound; pauses from a breath to half a minute."""
    samples, words = joined(*ten_minutes([*clips("taught-en"), *clips("austen"), *clips("kennedy")]))
    assert len(samples) > 600 * RATE
    regions = speech_in(samples)
    told: list[float] = []
    heard = whisper.transcribe(samples, regions, "", told.append)
    found = fitted(heard.words, regions)
    near = [
        min((abs(ours.start - word.start) for ours in found if ours.text == word.text), default=99) for word in words
    ]
    assert sum(error < 1 for error in near) > 0.75 * len(words)
    assert median(near) < NEAR
    assert len(found) == pytest.approx(len(words), rel=0.1)
    assert found[-1].start > 580
    assert told == sorted(told)
    assert told[-1] == pytest.approx(sum(region.end - region.start for region in regions))


def ten_minutes(known: list[Clip]) -> tuple[list[Clip], list[float]]:
    """The sentences over and over, in one order, so that none comes twice within a half minute."""
    chance = random.Random(1)
    clips: list[Clip] = []
    pauses: list[float] = []
    seconds = 0.0
    while seconds < 600:
        clips.append(known[len(clips) % len(known)])
        pauses.append(chance.choice([0.4, 0.6, 0.9, 1.4, 2.5]) if len(clips) % 40 else 30.0)
        seconds += pauses[-1] + len(clips[-1].samples) / RATE
    return clips, pauses
