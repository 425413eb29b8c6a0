"""Captions from elsewhere become transcripts, or are refused with the line that is to blame."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.transcription import formats, imports
from services.transcription.imports import Imported, Unreadable, read
from tests.services.transcription.test_formats import HOSTILE, conversation, transcript

VTT = """\ufeffWEBVTT - by somebody
Kind: captions

STYLE
::cue { color: red }

NOTE made
by hand

intro
00:01.000 --> 00:03.500 align:start position:10%
<v.loud Mary Ann>Good <b>evening</b>,
R&amp;B <i>fans</i>.

01:00:00,500 --> 01:00:02,000
- <v Bob>Yes?</v> <v Mary Ann>No.
"""
SRT = """1
00:00:01,000 --> 00:00:03,500
<font color="red">Good evening</font>,
{\\an8}R&B <i>fans</i>. 1 < 2

00:00:04.5 --> 00:00:06
It goes on

after a gap, 5 --> 6
7
01:00:00,000 --> 01:00:01,000
Yes.
"""


def said(found: Imported) -> list[tuple[float, float, str | None, str]]:
    return [(one.start, one.end, one.speaker, one.text) for one in found.segments]


def test_webvtt_is_read() -> None:
    found = read(VTT.replace("\n", "\r\n").encode(), "vtt")
    assert [speaker.name for speaker in found.speakers] == ["Mary Ann", "Bob"]
    texts = [(one.speaker, one.text) for one in found.segments]
    assert texts == [("S1", "Good evening, R&B fans."), (None, "-"), ("S2", "Yes?"), ("S1", "No.")]
    assert (found.segments[0].start, found.segments[0].end) == (1.0, 3.5)
    assert (found.segments[1].start, found.segments[-1].end) == (3600.5, 3602.0)


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_subrip_is_read(newline: str, encoding: str) -> None:
    assert said(read(SRT.replace("\n", newline).encode(encoding), "srt")) == [
        (1.0, 3.5, None, "Good evening, R&B fans. 1 < 2"),
        (4.5, 6.0, None, "It goes on after a gap, 5 --> 6"),
        (3600.0, 3601.0, None, "Yes."),
    ]


def test_words_share_the_time_of_their_cue_by_their_length() -> None:
    (segment,) = read(b"WEBVTT\n\n00:10.000 --> 00:20.000\na considerable thing\n", "vtt").segments
    assert [(word.text, word.start, word.end) for word in segment.words] == [
        ("a", 10.0, 10.952),
        ("considerable", 10.952, 17.143),
        ("thing", 17.143, 20.0),
    ]


def test_time_stamps_within_a_cue_are_kept() -> None:
    (first, second) = read(b"WEBVTT\n\n00:10.000 --> 00:20.000\nfar<00:18.000><c> away</c>\n", "vtt").segments
    assert [(first.start, first.end), (second.start, second.end)] == [(10.0, 18.0), (18.0, 20.0)]


def test_a_cue_ends_where_the_next_begins_and_order_is_that_of_time() -> None:
    data = b"WEBVTT\n\n00:05.000 --> 00:09.000\nc\n\n00:01.000 --> 00:06.000\na\n\n00:03.000 --> 00:04.000\nb\n"
    assert said(read(data, "vtt")) == [(1.0, 3.0, None, "a"), (3.0, 4.0, None, "b"), (5.0, 9.0, None, "c")]


@pytest.mark.parametrize(
    ("form", "text", "line", "why"),
    [
        ("vtt", "", 1, "WEBVTT"),
        ("vtt", "WEBVTTX\n\n00:01.000 --> 00:02.000\nx", 1, "WEBVTT"),
        ("vtt", "WEBVTT\n", 1, "no cue"),
        ("vtt", "WEBVTT\n\n00:01.000 --> 00:0x.000\nx", 3, "time"),
        ("vtt", "WEBVTT\n\n00:61.000 --> 00:62.000\nx", 3, "time"),
        ("vtt", "WEBVTT\n\n00:01.000 -> 00:02.000\nx", 3, "neither"),
        ("vtt", "WEBVTT\n\n00:02.000 --> 00:01.000\nx", 3, "before it begins"),
        ("vtt", "WEBVTT\n\n00:01.000 --> 00:02.000\nx\na --> b", 5, "-->"),
        ("vtt", "WEBVTT\n\n00:01.000 --> 00:02.000\nx\n00:03.000 --> 00:04.000\ny", 5, "empty line"),
        ("vtt", "WEBVTT\n\n00:01.000 --> 00:02.000\nx\0", 4, "NUL"),
        ("vtt", "WEBVTT\n\n００:01.000 --> 00:02.000\nx", 3, "time"),
        ("vtt", "WEBVTT\n\n9999:00:01.000 --> 9999:00:02.000\nx", 3, "time"),
        ("srt", "", 1, "no cue"),
        ("srt", "hello\n\nworld", 1, "number"),
        ("srt", "1\n\n00:00:01,000 --> 00:00:02,000\nx", 1, "number"),
        ("srt", "1\n00:00:01,000 --> 00:00:02,000\nx\n\n2\n00:00:03,000 --> 00:00:0y,000\nz", 6, "time"),
        ("srt", "1\n00:00:01,000 --> 00:00:02,000\n" + "x" * 6000, 2, "characters"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_line(form: imports.Format, text: str, line: int, why: str) -> None:
    with pytest.raises(Unreadable, match=why) as refused:
        read(text.encode(), form)
    assert refused.value.line == line


def test_other_encodings_are_refused_with_their_line() -> None:
    with pytest.raises(Unreadable, match="UTF-8") as refused:
        read("1\n00:00:01,000 --> 00:00:02,000\nCafé\n".encode("latin-1"), "srt")
    assert refused.value.line == 3


BLOCK = "00:00:01.000 --> 00:00:02.000\nx\n\n"


@pytest.mark.parametrize(
    ("form", "data"),
    [
        ("vtt", b"x" * (imports.MOST_BYTES + 1)),
        ("vtt", ("WEBVTT\n\n" + BLOCK * (imports.MOST_CUES + 1)).encode()),
        ("srt", (BLOCK * (imports.MOST_CUES + 1)).encode()),
        ("srt", b"1\n" * imports.MOST_LINES),
        ("srt", b"1\n" * (imports.MOST_LINES - 2)),
        ("vtt", b"WEBVTT\n\n" + b"NOTE\n\n" * 100_000),
        ("vtt", ("WEBVTT\n\n00:01.000 --> 00:02.000\n" + "<v " * 1_000_000).encode()),
        ("vtt", ("WEBVTT\n\n" + "1" * 3_000_000 + " --> 00:02.000\nx").encode()),
        ("srt", ("1\n" + "00:" * 1_000_000 + " --> 00:02.000\nx").encode()),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{len(value)}-bytes",
)
def test_hostile_files_are_refused_soon(form: imports.Format, data: bytes) -> None:
    begin = time.process_time()
    with pytest.raises(Unreadable):
        read(data, form)
    assert time.process_time() - begin < 20


@pytest.mark.parametrize(
    "payload",
    [
        "<b>" * 1600 + "x",
        "<" * 4900 + "x",
        "<v " * 1600 + "x",
        "<<b>b>x",
        "&" * 4900,
        "<00:00:01.000>" * 350,
        "{\\" * 2400,
    ],
)
@pytest.mark.parametrize("form", ["srt", "vtt"])
def test_hostile_text_is_text(form: imports.Format, payload: str) -> None:
    begin = time.process_time()
    found = read(f"WEBVTT\n\n{BLOCK}00:02.000 --> 00:03.000\n{payload}\n".encode()[0 if form == "vtt" else 8 :], form)
    assert time.process_time() - begin < 5
    assert found.segments[0].text == "x"


def test_what_was_exported_comes_back() -> None:
    for form, write in (("vtt", formats.vtt), ("srt", formats.srt)):
        found = read(write(conversation()).encode(), form)  # type: ignore[arg-type]
        before = conversation().segments
        assert [segment.text for segment in found.segments] == [segment.text for segment in before]
        assert [(one.start, one.end) for one in found.segments] == [(one.start, one.end) for one in before]
    names = {speaker.label: speaker.name for speaker in found.speakers}
    assert not names  # SubRip has no speakers
    found = read(formats.vtt(conversation()).encode(), "vtt")
    assert [speaker.name for speaker in found.speakers] == ["Ana {B}", "Bo"]
    assert [segment.speaker for segment in found.segments] == ["S1", "S1", "S2", None]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_words_come_back_as_words(text: str) -> None:
    found = read(formats.vtt(transcript(text, name=text)).encode(), "vtt")
    assert found.segments[0].text.split() == formats.UNSAFE.sub(" ", text).split()


@given(st.lists(st.text(min_size=1).filter(str.split), min_size=1, max_size=30), st.text())
def test_any_text_comes_back_from_webvtt(texts: list[str], name: str) -> None:
    exported = transcript(*texts, name=name)
    found = read(formats.vtt(exported).encode("utf-8", "replace"), "vtt")
    words = [word for segment in found.segments for word in segment.words]
    written = formats.UNSAFE.sub(" ", " ".join(texts)).encode("utf-8", "replace").decode()
    assert [word.text for word in words] == written.split()
    assert all(word.start <= word.end <= following.start + 0.002 for word, following in pairwise(words))


def outcome(data: bytes, form: imports.Format) -> Imported | int:
    """The segments, or the line that is to blame."""
    try:
        return read(data, form)
    except Unreadable as refused:
        return refused.line


@given(st.binary(max_size=400), st.sampled_from(["srt", "vtt"]))
def test_any_bytes_are_read_or_refused(data: bytes, form: imports.Format) -> None:
    for whole in (data, b"WEBVTT\n\n00:01.000 --> 00:02.000\n" + data, b"1\n00:00:01,000 --> 00:00:02,000\n" + data):
        found = outcome(whole, form)
        if isinstance(found, int):
            assert 1 <= found <= whole.count(b"\n") + whole.count(b"\r") + 1
        else:
            assert all(segment.start <= segment.end for segment in found.segments)
