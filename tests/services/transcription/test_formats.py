"""Captions are generated so that nothing spoken or typed can become markup or timing."""

from __future__ import annotations

import re
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.contracts.transcripts import Segment, Speaker, Transcript, Word
from services.transcription import formats

STAMP = r"\d{2,}:[0-5]\d:[0-5]\d"


def transcript(*texts: str, name: str = "Speaker 1", start: float = 0.0) -> Transcript:
    words = tuple(
        Word(text=text, start=start + index, end=start + index + 0.9, speaker="S1") for index, text in enumerate(texts)
    )
    segment = Segment(text=" ".join(texts), start=words[0].start, end=words[-1].end, speaker="S1", words=words)
    return Transcript(
        media_id=UUID(int=1),
        engine="e",
        model="m",
        quality="draft",
        language="en",
        duration=10,
        segments=(segment,),
        speakers=(Speaker(label="S1", name=name),),
    )


def test_a_cue_has_a_voice_and_times() -> None:
    assert formats.vtt(transcript("Good", "evening.", start=3661.5)) == (
        "WEBVTT\n\n01:01:01.500 --> 01:01:03.400\n<v Speaker 1>Good evening.\n"
    )
    assert formats.srt(transcript("Good", "evening.")) == "1\n00:00:00,000 --> 00:00:01,900\nGood evening.\n"


@pytest.mark.parametrize(
    ("spoken", "written"),
    [
        ("R&B", "R&amp;B"),
        ("<img src=x onerror=alert(1)>", "&lt;img src=x onerror=alert(1)&gt;"),
        ("</v><script>", "&lt;/v&gt;&lt;script&gt;"),
        ("00:00.000 --> 00:09.000", "00:00.000 --&gt; 00:09.000"),
        ("one\n\nWEBVTT\n\nNOTE", "one WEBVTT NOTE"),
        ("a\r\nb\u2028c\x00d", "a b c d"),
        ("\u202egnp", "gnp"),
        ("&lt;b&gt;", "&amp;lt;b&amp;gt;"),
        ("STYLE ::cue{}", "STYLE ::cue{}"),
    ],
)
def test_text_is_escaped(spoken: str, written: str) -> None:
    body = formats.vtt(transcript(spoken)).split("\n\n", 1)[1]
    assert body.splitlines() == ["00:00:00.000 --> 00:00:00.900", f"<v Speaker 1>{written}"]


def test_a_name_is_escaped_too() -> None:
    assert "<v A&amp;B &gt; C --&gt; D>hello" in formats.vtt(transcript("hello", name="A&B > C --> D"))


@given(st.text(min_size=1), st.text())
def test_any_text_makes_exactly_one_cue(spoken: str, name: str) -> None:
    said = transcript(spoken, name=name)
    text = formats.vtt(said)
    assert len(re.findall(rf"^{STAMP}\.\d{{3}} --> {STAMP}\.\d{{3}}$", text, re.MULTILINE)) == 1
    assert text.count("-->") == 1
    assert formats.srt(said).count("-->") == 1


def test_long_sentences_become_several_cues_at_word_times() -> None:
    said = transcript(*(f"word{index}" for index in range(30)))
    cues = list(formats.cues(said))
    assert len(cues) > 3
    assert all(len(cue.text) <= formats.MOST_CHARACTERS and cue.end - cue.start <= 7.0 for cue in cues)
    assert " ".join(cue.text for cue in cues) == said.segments[0].text


def test_a_cue_ends_after_it_begins() -> None:
    said = transcript("now")
    word = said.segments[0].words[0].model_copy(update={"start": 2.0, "end": 2.0})
    said = said.model_copy(update={"segments": (said.segments[0].model_copy(update={"words": (word,)}),)})
    assert "00:00:02.000 --> 00:00:02.001" in formats.vtt(said)
