"""Captions are generated so that nothing spoken or typed can become markup or timing."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any
from uuid import UUID
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.onehost import webapp
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


def validated(*files: str) -> list[dict[str, Any]]:
    """What the W3C's validator (webvtt-parser, among the web app's packages) says of WebVTT files."""
    webapp.install()
    environment = webapp.environment() | {"NODE_PATH": str(webapp.FOLDER / "node_modules")}
    program = Path(__file__).with_name("validate_vtt.cjs")
    done = subprocess.run(
        ["node", str(program)],
        input=json.dumps(files),
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return json.loads(done.stdout)


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


def conversation() -> Transcript:
    def segment(speaker: str | None, start: float, *texts: str) -> Segment:
        words = tuple(Word(text=text, start=start + index, end=start + index + 0.9) for index, text in enumerate(texts))
        return Segment(text=" ".join(texts), start=start, end=words[-1].end, speaker=speaker, words=words)

    return Transcript(
        media_id=UUID(int=1),
        engine="e",
        model="m",
        quality="draft",
        language="en",
        duration=4000,
        segments=(
            segment("S1", 0, "Good", "evening."),
            segment("S1", 3, "It", "is", "*late*."),
            segment("S2", 3661, "Is", "it?"),
            segment(None, 3700, "(noise)"),
        ),
        speakers=(Speaker(label="S1", name="Ana {B}"), Speaker(label="S2", name="Bo")),
    )


def test_to_be_read_turns_stand_together() -> None:
    assert formats.text(conversation()) == (
        "[0:00:00] Ana {B}: Good evening. It is *late*.\n\n[1:01:01] Bo: Is it?\n\n[1:01:40] (noise)\n"
    )
    assert formats.markdown(conversation()) == (
        "**Ana \\{B\\}** `0:00:00`\n\nGood evening\\. It is \\*late\\*\\.\n\n"
        "**Bo** `1:01:01`\n\nIs it?\n\n`1:01:40`\n\n\\(noise\\)\n"
    )


def test_ttml_names_its_agents_and_escapes() -> None:
    root = ET.fromstring(formats.ttml(conversation()))
    names = {"t": "http://www.w3.org/ns/ttml", "m": "http://www.w3.org/ns/ttml#metadata"}
    agents = [agent.text for agent in root.iterfind(".//m:agent/m:name", names)]
    paragraphs = root.findall(".//t:p", names)
    assert agents == ["Ana {B}", "Bo"]
    assert [(one.get("begin"), one.text) for one in paragraphs][-2:] == [
        ("01:01:01.000", "Is it?"),
        ("01:01:40.000", "(noise)"),
    ]
    assert root.get("{http://www.w3.org/XML/1998/namespace}lang") == "en"
    assert paragraphs[-2].get("{http://www.w3.org/ns/ttml#metadata}agent") == "agent2"


def test_ass_has_no_commands_but_its_own() -> None:
    lines = formats.ass(conversation()).splitlines()
    dialogue = [line for line in lines if line.startswith("Dialogue:")]
    assert dialogue[0] == "Dialogue: 0,0:00:00.00,0:00:01.90,Default,Ana (B),0,0,0,,Good evening."
    assert dialogue[2].startswith("Dialogue: 0,1:01:01.00,1:01:02.90,Default,Bo,")
    assert not any(mark in formats.ass(transcript("{\\an8}", "a\\Nb")) for mark in "{}\\")


def test_every_word_is_an_entry_with_its_speaker() -> None:
    written = json.loads(formats.words(conversation()))
    assert (written["language"], len(written["words"])) == ("en", 8)
    assert written["words"][5] == {
        "text": "Is",
        "start": 3661.0,
        "end": 3661.9,
        "confidence": 1.0,
        "speaker": "Bo",
        "segment": 2,
        "mark": None,
    }
    assert written["words"][-1]["speaker"] is None


@given(st.text(min_size=1), st.text())
def test_any_text_keeps_every_file_whole(spoken: str, name: str) -> None:
    said = transcript(spoken, name=name)
    assert ET.fromstring(formats.ttml(said)) is not None
    assert sum(line.startswith("Dialogue:") for line in formats.ass(said).splitlines()) == 1
    assert len(json.loads(formats.words(said))["words"]) == 1
    assert len(formats.text(said).splitlines()) == 1


def frank() -> Transcript:
    """Somebody who hesitates and swears."""

    def segment(start: float, *said: tuple[str, str | None]) -> Segment:
        words = tuple(
            Word.model_validate({"text": text, "start": start + at, "end": start + at + 0.9, "mark": mark})
            for at, (text, mark) in enumerate(said)
        )
        return Segment(text=" ".join(text for text, _ in said), start=start, end=words[-1].end, words=words)

    return transcript("x").model_copy(
        update={
            "segments": (
                segment(
                    0, ("Um,", "filler"), ("that", None), ("fucking", "profanity"), ("car,", None), ("uh.", "filler")
                ),
                segment(6, ("Mhm.", "filler")),
                segment(8, ("Bull-shit,", "profanity"), ("“Arschlöcher”!", "profanity"), ("he", None), ("said.", None)),
                Segment(text="(a door, um)", start=13, end=14),
            )
        }
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (formats.Options(), "Um, that fucking car, uh. Mhm. Bull-shit, “Arschlöcher”! he said. (a door, um)"),
        (formats.Options(fillers=False), "That fucking car. Bull-shit, “Arschlöcher”! he said. (a door, um)"),
        (
            formats.Options(censor=True),
            "Um, that f****** car, uh. Mhm. B***-s***, “A**********”! he said. (a door, um)",
        ),
        (
            formats.Options(censor=True, fillers=False),
            "That f****** car. B***-s***, “A**********”! he said. (a door, um)",
        ),
    ],
)
def test_fillers_are_left_out_and_swear_words_starred(options: formats.Options, said: str) -> None:
    assert " ".join(segment.text for segment in formats.prepared(frank(), options).segments) == said
    assert formats.text(frank(), options).endswith(f"] {said}\n")


def test_times_follow_the_words_that_are_left() -> None:
    first, *_ = formats.prepared(frank(), formats.Options(fillers=False)).segments
    assert (first.start, first.end) == (1.0, 3.9)


@pytest.mark.parametrize("export", formats.EXPORTS, ids=lambda export: export.suffix)
def test_every_file_takes_the_options(export: formats.Export) -> None:
    plain, clean = export.written(frank()), export.written(frank(), formats.Options(censor=True, fillers=False))
    assert "fucking" in plain
    assert "um," in plain.lower()
    assert "fucking" not in clean
    assert "Mhm" not in clean


@given(st.text(min_size=1))
def test_starring_out_keeps_length_and_punctuation(text: str) -> None:
    word = Word(text=text, start=0, end=1, mark="profanity")
    said = transcript("x").model_copy(update={"segments": (Segment(text=text, start=0, end=1, words=(word,)),)})
    starred = formats.prepared(said, formats.Options(censor=True)).segments[0].text
    assert len(starred) == len(text)
    assert all(one in (other, "*") for one, other in zip(starred, text, strict=True))


def test_stored_words_without_marks_are_still_read() -> None:
    assert Word.model_validate_json('{"text": "a", "start": 0, "end": 1}').mark is None


HOSTILE = (
    "</v><script>",
    "00:00.000 --> 00:09.000",
    "one\n\nWEBVTT\n\nNOTE",
    "a\r\nb\u2028c\x00d",
    "&lt;b&gt; &amp &notin; &#x26;",
    "<00:00:00.500>",
    "<v Eve>",
    "<c.loud",
    "STYLE\n::cue{}",
    "\ufeffWEBVTT",
    "-->",
)


def test_the_w3c_validator_has_nothing_to_say() -> None:
    ordinary = [conversation(), transcript(*(f"word{index}" for index in range(200))), transcript("now", start=359_999)]
    hostile = [transcript(text, name=name) for text in HOSTILE for name in (*HOSTILE, "", "Ana")]
    verdicts = validated(*(formats.vtt(one) for one in (*ordinary, *hostile)))
    assert [verdict["errors"] for verdict in verdicts] == [[]] * len(verdicts)
    assert [verdict["cues"] for verdict in verdicts] == [len(list(formats.cues(one))) for one in (*ordinary, *hostile)]


def test_the_w3c_validator_sees_what_is_wrong() -> None:
    (verdict,) = validated("WEBVTT\n\n00:02.000 --> 00:01.000\n<b>bold\n")
    assert len(verdict["errors"]) == 2


@settings(max_examples=5, deadline=None)
@given(st.lists(st.tuples(st.text(min_size=1), st.text()), min_size=20, max_size=60))
def test_the_w3c_validator_has_nothing_to_say_of_any_text(said: list[tuple[str, str]]) -> None:
    verdicts = validated(*(formats.vtt(transcript(spoken, name=name)) for spoken, name in said))
    assert [verdict["errors"] for verdict in verdicts] == [[]] * len(said)
    assert {verdict["cues"] for verdict in verdicts} == {1}


@pytest.mark.parametrize("export", formats.EXPORTS, ids=lambda export: export.suffix)
def test_ffmpeg_and_browsers_know_the_types(export: formats.Export) -> None:
    assert re.fullmatch(r"[a-z]+/[a-z0-9.+-]+", export.media_type)
    assert export.written(conversation()).endswith(("\n", "}"))
