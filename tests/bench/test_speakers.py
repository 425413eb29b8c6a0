"""The scorers of ``bench speakers``, pinned by hand-made pairs, and the conversations it makes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from infra.onehost.bench_scores import Errors, Said, Span, errors_of, rttm, stm, uem, word_errors
from infra.onehost.bench_speakers import mixtures
from services.transcription.engines.protocol import RATE

# Ana speaks 4 s, Bob 4 s, with 1 s of both at once: 8 s that speakers speak.
REFERENCE = [Span(0.0, 4.0, "ana"), Span(3.0, 7.0, "bob")]


@pytest.mark.parametrize(
    ("found", "collar", "errors"),
    [
        (REFERENCE, 0.0, Errors(0, 0, 0, 8)),
        ([], 0.0, Errors(8, 0, 0, 8)),
        ([Span(0.0, 7.0, "x")], 0.0, Errors(1, 0, 3, 8)),  # the overlap is missed once, and one of them is wrong
        ([Span(0.0, 3.5, "x"), Span(3.5, 8.0, "y")], 0.0, Errors(1, 1, 0, 8)),
        # A quarter of a second on each side of 0, 3, 4 and 7 is left out, and so what is wrong by less
        ([Span(0.0, 4.2, "x"), Span(2.8, 7.2, "y")], 0.25, Errors(0, 0, 0, 6.0)),
    ],
)
def test_diarization_errors(found: list[Span], collar: float, errors: Errors) -> None:
    assert errors_of(REFERENCE, found, [(0.0, 10.0)], collar) == pytest.approx(errors)


def test_only_what_is_scored_counts() -> None:
    errors = errors_of(REFERENCE, [], [(0.0, 1.0), (6.0, 9.0)], 0.0)
    assert errors == pytest.approx(Errors(2, 0, 0, 2))


def test_errors_of_recordings_add_up() -> None:
    both = Errors(1, 0, 1, 4) + Errors(0, 1, 0, 6)
    assert both.rate == pytest.approx(0.3)
    assert Errors().rate == 0.0


SAID = [
    Said(0.0, 2.0, "ana", "Good morning, Bob."),
    Said(2.0, 4.0, "bob", "Good morning!"),
    Said(60.0, 62.0, "ana", "Bye."),
]


@pytest.mark.parametrize(
    ("heard", "expected"),
    [
        (
            [
                Said(0.0, 2.0, "1", "good morning bob"),
                Said(2.0, 4.0, "0", "good morning"),
                Said(60.0, 62.0, "1", "bye"),
            ],
            (0, 0),
        ),
        # all of six words to one speaker: four of hers are right, the two of his are inserted with her and missing with him
        ([Said(0.0, 4.0, "0", "good morning bob good morning"), Said(60.0, 62.0, "0", "bye")], (4 / 6, 4 / 6)),
        # "bye" a minute early: the words are right, the time is not, so it is missing there and inserted here
        ([Said(0.0, 2.0, "0", "good morning bob bye"), Said(2.0, 4.0, "1", "good morning")], (0, 2 / 6)),
    ],
)
def test_word_errors(heard: list[Said], expected: tuple[float, float]) -> None:
    assert word_errors(SAID, heard) == pytest.approx(expected)


def test_reference_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.rttm").write_text(
        "SPKR-INFO a 1 <NA> <NA> <NA> unknown ana <NA>\nSPEAKER a 1 0.5 1.5 <NA> <NA> ana <NA> <NA>\n\n"
    )
    (tmp_path / "a.uem").write_text("a NA 0.0 30.0\n")
    (tmp_path / "a.stm").write_text(";; a comment\na 1 ana 0.5 2.0 good morning\n")
    assert rttm(tmp_path.glob("*.rttm")) == {"a": [Span(0.5, 2.0, "ana")]}
    assert uem(tmp_path.glob("*.uem")) == {"a": [(0.0, 30.0)]}
    assert stm(tmp_path.glob("*.stm")) == {"a": [Said(0.5, 2.0, "ana", "good morning")]}


def test_mixtures_are_of_so_many_voices_and_always_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.onehost.bench_speakers._speech", lambda voice: voice)
    voices = [np.full(RATE * 9, value, np.int16) for value in (100, -100, 300)]
    made, again = mixtures(voices), mixtures(voices)
    assert set(made) == {f"mixtures of {count} voices{kind}" for count in (2, 3) for kind in ("", " of short turns")}
    for name, group in made.items():
        for one, other in zip(group, again[name], strict=True):
            np.testing.assert_array_equal(one.sound, other.sound)
            assert len({span.speaker for span in one.spans}) == int(name.split()[2])
            assert all(span.end <= later.start for span, later in zip(one.spans, one.spans[1:], strict=False))
            first = one.sound[round(one.spans[0].start * RATE) : round(one.spans[0].end * RATE)]
            assert np.sqrt((first.astype(float) ** 2).mean()) == pytest.approx(2000, rel=0.01)
