"""Captions say every word, in time, inside the frame, and hold still."""

from __future__ import annotations

import itertools
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from services.render.engines import FONTS, captions, ffmpeg
from services.render.engines.ass import Document
from services.render.engines.captions import Cue, Look
from services.render.engines.compose_child import video_look
from services.render.engines.typeface import heavy, plain, wrap
from services.render.presets import TARGETS
from tests.services.render.conftest import words

SAFE = [(target.width, target.height, target.safe) for target in TARGETS.values()]

spoken = st.lists(
    st.tuples(
        st.text(st.characters(codec="utf-8", categories=("L", "N", "P")), min_size=1, max_size=60),
        st.floats(0, 0.8),
        st.floats(0, 1.5),
        st.sampled_from(["S1", "S2", None]),
    ),
    max_size=60,
)


def laid_out(drawn: list[tuple[str, float, float, str | None]]) -> list[dict[str, Any]]:
    """Words one after the other: length and the pause before each."""
    found, at = [], 0.0
    for text, length, pause, speaker in drawn:
        found.append({"text": text, "start": at + pause, "end": at + pause + length, "speaker": speaker})
        at += pause + length
    return found


def look_of(width: int, height: int, safe: Any) -> Look:
    return video_look(width, height, (safe.top, safe.right, safe.bottom, safe.left))


@settings(deadline=None, max_examples=60)
@given(spoken, st.sampled_from(SAFE))
def test_every_word_is_shown_inside_the_safe_area(drawn: Any, frame: Any) -> None:
    width, height, safe = frame
    look = look_of(width, height, safe)
    cues = captions.cues(laid_out(drawn), 0, 1000)
    pages = captions.pages(cues, look, 1000)
    assert "".join(word.cue.text for page in pages for word in page.words) == "".join(cue.text for cue in cues)
    for page in pages:
        assert min(word.x for word in page.words) >= width * safe.left
        assert max(word.x + word.width for word in page.words) <= width * (1 - safe.right)
        descenders = max(word.y for word in page.words) + look.px * (0.35 + 0.25)
        assert descenders <= height * 0.85
        assert len({word.y for word in page.words}) <= 2


@settings(deadline=None, max_examples=60)
@given(spoken)
def test_pages_follow_each_other(drawn: Any) -> None:
    look = look_of(*SAFE[0])
    pages = captions.pages(captions.cues(laid_out(drawn), 0, 1000), look, 1000)
    assert all(page.end - page.start >= captions.SHORTEST - 1e-6 for page in pages)
    for page, following in itertools.pairwise(pages):
        assert page.end <= following.start


def test_words_that_cross_the_bounds_are_cut_and_none_is_lost() -> None:
    heard = [
        {"text": "before", "start": 0.0, "end": 0.9},
        {"text": "into", "start": 0.8, "end": 1.4},
        {"text": "inside", "start": 2.0, "end": 2.5},
        {"text": "out", "start": 4.8, "end": 5.6},
        {"text": "after", "start": 5.0, "end": 5.9},
    ]
    cut = captions.cues(heard, 1.0, 5.0)
    assert [(cue.text, round(cue.start, 3), round(cue.end, 3)) for cue in cut] == [
        ("into", 0.0, 0.4),
        ("inside", 1.0, 1.5),
        ("out", 3.8, 4.0),
    ]


def test_neighbours_of_the_lit_word_move_by_nothing(tmp_path: Path) -> None:
    look = look_of(*SAFE[0])
    cues = [Cue(word, i, i + 1) for i, word in enumerate(("You", "ship", "and", "wait"))]
    (page,) = captions.pages(cues, look, 4)
    document = Document(1080, 1920)
    captions.draw(document, [page], look)
    frames = drawn(document, tmp_path, 4)
    for i in range(4):
        boxes = [area(frames[at], page.words[i]) for at in range(4)]
        unlit = [box for at, box in enumerate(boxes) if at != i]
        assert all(np.array_equal(unlit[0], other) for other in unlit)
        assert not np.array_equal(boxes[i], unlit[0])


def drawn(document: Document, folder: Path, seconds: int) -> np.ndarray[Any, Any]:
    """A document as libass draws it on black, one frame at the middle of each second: shape (seconds, height, width)."""
    (folder / "captions.ass").write_text(document.text())
    width, height = document.width, document.height
    source = f"color=black:s={width}x{height}:r=2:d={seconds}"
    graph = f"ass=captions.ass:fontsdir={FONTS.name},format=gray"
    (folder / FONTS.name).symlink_to(FONTS)
    argv = [ffmpeg.binary(), "-v", "error", "-f", "lavfi", "-i", source, "-vf", graph, "-f", "rawvideo", "-"]
    raw = subprocess.run(argv, cwd=folder, check=True, capture_output=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, height, width)[1::2]


def area(frame: np.ndarray[Any, Any], word: captions.Placed) -> np.ndarray[Any, Any]:
    """The part of a frame that only this word is drawn in."""
    rows = slice(int(word.y - word.px * 0.45), int(word.y + word.px * 0.45))
    return frame[rows, int(word.x) : int(word.x + word.width)]


def test_each_word_is_lit_when_it_is_spoken() -> None:
    look = look_of(*SAFE[0])
    document = Document(1080, 1920)
    cues = captions.cues(words(0, 10), 0, 10)
    captions.draw(document, captions.pages(cues, look, 10), look)
    lit = [event.split(",")[1] for event in document.events if event.startswith("Dialogue: 11")]
    starts = [int(clock[2:4]) * 60 + float(clock[5:]) for clock in lit]
    assert all(abs(start - cue.start) <= 0.005 for start, cue in zip(starts, cues, strict=True))


def test_lines_of_a_page_are_balanced() -> None:
    look = look_of(*SAFE[0])
    text = "everything changes when somebody"
    page = captions.pages([Cue(word, i, i + 0.9) for i, word in enumerate(text.split())], look, 10)[0]
    lines = defaultdict(list)
    for word in page.words:
        lines[word.y].append(word)
    widths = [max(w.x + w.width for w in line) - min(w.x for w in line) for line in lines.values()]
    assert len(widths) == 2
    assert min(widths) > 0.6 * max(widths)


def test_a_page_ends_with_a_sentence_a_voice_or_a_pause() -> None:
    look = look_of(*SAFE[0])
    cues = [Cue("Yes.", 0, 0.4, "S1"), Cue("No", 0.4, 0.7, "S1"), Cue("why", 0.7, 1, "S2"), Cue("so", 2.5, 3, "S2")]
    assert [len(page.words) for page in captions.pages(cues, look, 5)] == [1, 1, 1, 1]


def test_hebrew_runs_from_right_to_left() -> None:
    look = look_of(*SAFE[4])
    first, second = captions.pages([Cue("שלום", 0, 1), Cue("עולם", 1, 2)], look, 3)[0].words
    assert first.x > second.x


def test_titles_wrap_by_their_real_width() -> None:
    lines = wrap(heavy(), "The first year of a company is mostly silence, and then it is not", 60, 900, 3)
    assert all(heavy().width(line, 60) <= 900 for line in lines)
    assert " ".join(lines).startswith("The first year of a company")
    short = wrap(plain(), "word " * 200, 60, 900, 2)
    assert len(short) == 2
    assert short[-1].endswith("…")
    assert plain().width(short[-1], 60) <= 900
    assert "".join(wrap(heavy(), "x" * 100, 60, 900, 9)) == "x" * 100
