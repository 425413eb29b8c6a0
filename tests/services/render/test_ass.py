"""Text on its way into a picture stays text."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from services.render.engines.ass import Document, clean, clock, colour, escape, rounded

HOSTILE = r"x',movie=/other.mp4[m];[m]null,drawtext=text='y"


@given(st.text())
def test_no_text_becomes_markup(text: str) -> None:
    escaped = escape(text)
    assert not re.search(r"(?<!\\)[{}]", escaped), "an override block could open"
    assert not re.search(r"\\[^{}\u2060]", escaped), "a command such as \\N could run"
    assert not set(escaped) & {"\n", "\r"}, "an event could end early"


@given(st.text())
def test_everything_printable_stays(text: str) -> None:
    shown = escape(text).replace("\\{", "{").replace("\\}", "}").replace("\u2060", "")
    assert shown == clean(text)


def test_a_hostile_title_is_left_as_it_was_typed() -> None:
    assert escape(HOSTILE) == HOSTILE


def test_white_space_and_controls() -> None:
    assert clean(" two\r\nlines\tand\x00 a \u202eturn ") == "two lines and a turn"


def test_times_and_colours() -> None:
    assert clock(3725.678) == "1:02:05.68"
    assert clock(-1) == "0:00:00.00"
    assert colour("#112233", 0.5) == "&H80332211"


def test_a_document_leaves_out_what_nobody_could_see() -> None:
    document = Document(100, 100)
    document.add(0, 1.0, 1.004, "Caption", "x")
    document.add(0, 2.0, 1.0, "Caption", "x")
    assert document.events == []


def test_a_rounded_bar_never_leaves_its_box() -> None:
    numbers = [float(part) for part in rounded(10, 20, 8, 100, 50).split() if part not in "mlb"]
    assert min(numbers[::2]) == 10
    assert max(numbers[::2]) == 18
    assert min(numbers[1::2]) == 20
    assert max(numbers[1::2]) == 120
