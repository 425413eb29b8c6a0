"""A known text is found in the sound, also where neither is quite what the other says."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from infra.onehost import bench_words
from services.transcription.engines import pronouncing
from services.transcription.engines.alignment import Aligner, Voice
from services.transcription.engines.protocol import RATE, Region, Sound, Word
from tests.services.transcription.conftest import speech_in

SAID = "And so, my fellow Americans, ask not what your country can do for you, ask what you can do for your country."
KENNEDY = SAID.split()
UNSAID = ["seventeen", "quick", "brown", "elephants", "carefully", "telephoned", "Portugal", "yesterday"]


@pytest.fixture(scope="module")
def aligner() -> Aligner:
    return Aligner()


@pytest.fixture(scope="module")
def truth() -> bench_words.Recording:
    (recording,) = bench_words.recordings(bench_words.BUNDLED)
    return recording


def aligned(aligner: Aligner, texts: list[str], sound: Sound) -> list[Word]:
    words = aligner.aligned(texts, sound, speech_in(sound), lambda _: None)
    assert [word.text for word in words] == texts
    assert all(0 <= word.start <= word.end <= len(sound) / RATE + 0.2 for word in words)
    assert all(word.end <= following.start + 0.002 for word, following in pairwise(words))
    return words


def share(found: list[Word], true: list[Word]) -> float:
    """How many of the true words start within 100 ms."""
    return sum(error <= 0.1 for error in bench_words._errors(found, true)) / len(true)


def test_words_are_found_where_they_are_said(aligner: Aligner, truth: bench_words.Recording) -> None:
    words = aligned(aligner, [f"“{text}”," for text in truth.text], truth.sound)
    assert share(words, truth.words) >= 0.9
    assert sum(word.confidence > 0 for word in words) >= 0.85 * len(words)


def test_what_was_not_said_is_told_and_harms_nothing(aligner: Aligner, truth: bench_words.Recording) -> None:
    texts = [*truth.text[:12], *UNSAID, *truth.text[12:35], *UNSAID, *truth.text[35:]]
    words = aligned(aligner, texts, truth.sound)
    inserted = [*words[12:20], *words[43:51]]
    assert {word.confidence for word in inserted} == {0.0}
    assert share(words, truth.words) >= 0.8


def test_sound_without_text_harms_nothing(aligner: Aligner, truth: bench_words.Recording, kennedy: Sound) -> None:
    """Somebody else speaks before, and a sentence of the text is missing."""
    sound = np.concatenate([kennedy, truth.sound])
    later = [word._replace(start=word.start + len(kennedy) / RATE) for word in truth.words]
    kept = [word for index, word in enumerate(later) if not 31 <= index < 38]
    at = truth.text.index("slow") - 1
    words = aligned(aligner, [*truth.text[:at], *truth.text[at + 7 :]], sound)
    assert share(words, kept) >= 0.75


def test_a_long_recording_is_aligned_as_its_parts_are(
    aligner: Aligner, truth: bench_words.Recording, kennedy: Sound, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pieces are cut between anchors; wherever that is, words stay where they were."""
    pause = np.zeros(RATE, np.int16)
    sound = np.concatenate([truth.sound, pause, kennedy, pause, truth.sound])
    longest: list[float] = []
    forced = Aligner._forced

    def watched(self: Aligner, words: list[str], sound: Sound, stretch: Region) -> object:
        longest.append(stretch.end - stretch.start)
        return forced(self, words, sound, stretch)

    monkeypatch.setattr(Aligner, "_forced", watched)
    words = aligned(aligner, [*truth.text, *KENNEDY, *truth.text], sound)
    offset = (len(truth.sound) + len(kennedy)) / RATE + 2
    again = [word._replace(start=word.start - offset) for word in words[-len(truth.text) :]]
    assert share(words[: len(truth.text)], truth.words) >= 0.9
    assert share(again, truth.words) >= 0.9
    assert len(longest) >= 2
    assert max(longest) < 45


def test_guessed_pronunciations_do_nearly_as_well(
    truth: bench_words.Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every third word is misspelt, so that no dictionary has it."""
    texts = [f"{text}e" if index % 3 == 0 and len(text) > 3 else text for index, text in enumerate(truth.text)]
    changed = sum(one != other for one, other in zip(texts, truth.text, strict=True))
    assert changed > 8
    words = aligned(Aligner(), texts, truth.sound)
    restored = [word._replace(text=text) for word, text in zip(words, truth.text, strict=True)]
    assert share(restored, truth.words) >= 0.85


def test_voice_is_counted_between_any_two_times() -> None:
    voice = Voice([Region(1.0, 2.0), Region(4.0, 5.0)])
    spans = [(0.0, 9.0), (1.5, 4.5), (2.0, 4.0), (5.0, 9.0), (0.0, 0.5), (4.5, 1.5)]
    assert [voice.seconds(*span) for span in spans] == [2.0, 1.0, 0.0, 0.0, 0.0, 0.0]


def test_one_word_is_a_text(aligner: Aligner, kennedy: Sound) -> None:
    assert len(aligned(aligner, ["country"], kennedy)) == 1


@pytest.mark.parametrize("texts", [[], ["—", "…"], ["привет", "мир"]])
def test_where_nothing_can_be_found_nothing_is(aligner: Aligner, texts: list[str], kennedy: Sound) -> None:
    assert all(word.confidence == 0 for word in aligned(aligner, texts, kennedy))


def test_in_silence_no_word_is_found(aligner: Aligner) -> None:
    assert {word.confidence for word in aligned(aligner, KENNEDY, np.zeros(5 * RATE, np.int16))} == {0.0}


def test_the_wrong_text_is_not_found(aligner: Aligner, kennedy: Sound) -> None:
    words = aligned(aligner, UNSAID * 3, kennedy)
    assert sum(word.confidence > 0.3 for word in words) <= len(words) / 4


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("Hello,", ["hello"]),
        ("“I’m”", ["i'm"]),
        ("well-known", ["well", "known"]),
        ("$25", ["twenty", "five", "dollars"]),
        ("1961,", ["nineteen", "sixty", "one"]),
        ("1960s", ["nineteen", "sixties"]),
        ("12,500.75", ["twelve", "thousand", "five", "hundred", "point", "seven", "five"]),
        ("3rd", ["third"]),
        ("5%", ["five", "percent"]),
        ("007", ["zero", "zero", "seven"]),
        ("R&B", ["r", "and", "b"]),
        ("café", ["cafe"]),
        ("—", []),
        ("мир", []),
    ],
)
def test_written_words_are_spelt_out(written: str, said: list[str]) -> None:
    assert list(pronouncing.spoken(written)) == said


@pytest.mark.parametrize("written", ["1" * 100_000, "a" * 100_000, "1,2" * 50_000, "1." * 50_000, "'" * 100_000])
def test_hostile_words_are_spelt_out_in_no_time(written: str) -> None:
    assert sum(map(len, pronouncing.spoken(written))) < 10 * len(written)


ARPABET = """
AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH
"""
PHONES = frozenset(ARPABET.split())


@cache
def dictionary() -> Callable[[str], str | None]:
    return Aligner()._decoder.lookup_word


@pytest.mark.parametrize(
    ("word", "phones"),
    [
        ("clipstead", "K L IH P S T EH D"),
        ("clipsteads'", "K L IH P S T EH D Z"),
        ("bbc", "B IY B IY S IY"),
        ("drake's", "D R EY K S"),
        ("zote", "Z OW T"),
        ("shrelling", "SH R EH L IH NG"),
    ],
)
def test_unknown_words_get_a_likely_pronunciation(word: str, phones: str) -> None:
    assert pronouncing.guessed(word, dictionary()) == phones


@pytest.mark.parametrize("letter", "abcdefghijklmnopqrstuvwxyz")
def test_every_spelling_has_a_pronunciation_in_the_models_own_phones(letter: str) -> None:
    for word in (letter, letter * 3, f"{letter}xq", f"q{letter}e", f"ough{letter}", f"{letter}ate", f"zz{letter}ece"):
        phones = pronouncing.guessed(word, lambda _: None).split()
        assert phones or not set(word) & set("aeiouy")
        assert set(phones) <= PHONES
