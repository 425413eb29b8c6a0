"""``bench words`` reads folders of recordings, and counts what lies beside its truth."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from infra.onehost import bench_words
from services.transcription.engines.protocol import Word


def test_a_recording_comes_with_its_text_and_its_words() -> None:
    (recording,) = bench_words.recordings(bench_words.BUNDLED)
    assert (len(recording.text), len(recording.words)) == (59, 58)
    assert recording.words[0] == Word("this", 1.05, 1.2, 1.0)
    assert len(recording.sound) / 16_000 == pytest.approx(26.7, abs=0.1)


def test_without_a_text_the_words_are_it(tmp_path: Path) -> None:
    for suffix in (".flac", ".TextGrid"):
        shutil.copy(bench_words.BUNDLED / f"acoustic_corpus{suffix}", tmp_path)
    (recording,) = bench_words.recordings(tmp_path)
    assert recording.text == [word.text for word in recording.words]


def test_a_folder_without_truth_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIPSTEAD_CWD", str(tmp_path))
    (tmp_path / "empty").mkdir()
    with pytest.raises(SystemExit, match="empty holds no recording"):
        bench_words.measure(Path("empty"))


def test_words_that_only_one_side_has_are_no_errors_but_count() -> None:
    true = [
        Word(text, start, start + 0.5, 1.0) for text, start in (("it", 0.0), ("is", 1.0), ("late", 2.0), ("now", 3.0))
    ]
    found = [Word(text, start, start + 0.5, 1.0) for text, start in (("It", 0.05), ("was", 1.0), ("“late”,", 2.15))]
    errors = bench_words._errors(found, true)
    assert errors == pytest.approx([0.05, 0.15])
    assert bench_words._figures(errors, len(true)) == {"within_100ms": 0.25, "within_200ms": 0.5, "median_ms": 100.0}
