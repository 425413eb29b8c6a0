"""Names that speakers give themselves and each other."""

from __future__ import annotations

import pytest

from services.transcription.engines.names import Suggestion, suggestions
from services.transcription.engines.protocol import Quality, Word
from services.transcription.engines.sentences import Sentence


def said(text: str, speaker: int | None = 0) -> Sentence:
    return Sentence([Word(word, 0.0, 0.1, 1.0) for word in text.split()], speaker)


def names(text: str, language: str = "en", quality: Quality = "standard") -> list[str]:
    return [found.name for found in suggestions([said(text)], language, quality)]


@pytest.mark.parametrize(
    ("language", "text", "name"),
    [
        ("en", "I'm Ana.", "Ana"),
        ("en", "Hi everyone, I’m Ana and I run the shop.", "Ana"),
        ("en", "Hello, my name is Bob Smith.", "Bob Smith"),
        ("en", "My name's Zoë.", "Zoë"),
        ("en", "Hi, this is Carol.", "Carol"),
        ("en", "I am Dr. Dan Brown, and this is my show.", "Dan Brown"),
        ("en", "And I'm Sheila in Texas, originally from Chicago.", "Sheila"),
        ("en", "I'm Seán O'Brien from Cork.", "Seán O'Brien"),
        ("en", "This is Jean-Luc Picard of the Enterprise.", "Jean-Luc Picard"),
        ("en", "I'm Ludwig van Beethoven.", "Ludwig van Beethoven"),
        ("en", "My name is German Garmendia.", "German Garmendia"),
        ("en-GB", "I'm Ana.", "Ana"),
        ("es", "Hola, me llamo Lucía Gómez.", "Lucía Gómez"),
        ("es", "Soy Pedro y vivo en Lima.", "Pedro"),
        ("de", "Guten Tag, mein Name ist Jürgen Weiß.", "Jürgen Weiß"),
        ("de", "Ich heiße Anna.", "Anna"),
        ("de", "Ich bin Anna Schmidt aus Köln.", "Anna Schmidt"),
        ("fr", "Bonjour, je m'appelle Zoé Petit.", "Zoé Petit"),
        ("fr", "Je suis Marie, de Lyon.", "Marie"),
    ],
)
def test_who_introduces_themselves(language: str, text: str, name: str) -> None:
    assert names(text, language) == [name]


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "I'm going home."),
        ("en", "I'm sorry."),
        ("en", "I'm Sorry."),
        ("en", "I'm German."),
        ("en", "I am American, and proud of it."),
        ("en", "I'm Catholic."),
        ("en", "I'm OK."),
        ("en", "I'm a New Yorker."),
        ("en", "I'm in New Jersey now though."),
        ("en", "I'm not Bob."),
        ("en", "I'm Apple certified."),
        ("en", "This is London."),
        ("en", "This is Monday."),
        ("en", "Her name is Ana."),
        ("en", "What if I'm Ana?"),
        ("en", 'He said "I\'m Bob."'),
        ("en", "I am"),
        ("en", "Tim is Carol's boss, as this is known."),
        ("de", "Ich bin Lehrer."),
        ("de", "Ich bin Berliner."),
        ("de", "Hier ist Platz."),
        ("es", "Soy de Madrid."),
        ("fr", "Je suis désolé."),
        ("fr", "Je suis Français."),
        ("xx", "I'm Ana."),
    ],
)
def test_what_is_no_introduction(language: str, text: str) -> None:
    assert names(text, language) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("My name is bob and i live here.", ["Bob"]),
        ("My name is not important.", []),
        ("I'm ana.", []),
        ("I'm going home.", []),
        ("This is carol.", []),
        ("Thanks, Eve.", []),
    ],
)
def test_a_draft_is_believed_only_where_it_says_name(text: str, expected: list[str]) -> None:
    assert names(text, quality="draft") == expected


@pytest.mark.parametrize("greeting", ["Welcome, Frank.", "Welcome back, Frank!", "Over to you, Frank."])
def test_who_is_welcomed_speaks_next(greeting: str) -> None:
    found = suggestions([said(greeting, 0), said("It is a pleasure.", 1)], "en", "standard")
    assert [(each.speaker, each.name) for each in found] == [(1, "Frank")]


def test_who_is_thanked_as_a_turn_begins_has_spoken_before() -> None:
    talk = [said("And that was the weather.", 1), said("Thanks, Eve.", 0), said("Now to sport.", 0), said("Hello.", 2)]
    assert suggestions(talk, "en", "standard") == [Suggestion(1, "Eve", 1, "Thanks, Eve.", 0.3)]


def test_who_is_thanked_within_a_turn_speaks_next() -> None:
    talk = [said("Our guest is here.", 0), said("Thank you, Eve, for coming.", 0), said("Hello.", None), said("Hi!", 3)]
    assert [(each.speaker, each.name) for each in suggestions(talk, "en", "standard")] == [(3, "Eve")]


@pytest.mark.parametrize(
    "thanks", ["Thanks, everyone.", "Thanks, Everybody.", "Thank you, God.", "Thank you very much."]
)
def test_thanks_to_nobody_by_name(thanks: str) -> None:
    assert suggestions([said(thanks, 0), said("Hello.", 1)], "en", "standard") == []


def test_the_best_evidence_of_a_name_is_kept() -> None:
    talk = [said("Welcome, Ana.", 0), said("I'm Ana.", 1), said("Yes, my name is Ana.", 1), said("I'm Bob.", 0)]
    assert suggestions(talk, "en", "standard") == [
        Suggestion(0, "Bob", 3, "I'm Bob.", 0.9),
        Suggestion(1, "Ana", 2, "Yes, my name is Ana.", 1.0),
    ]


def test_nobody_is_named_where_the_speaker_is_unknown() -> None:
    assert suggestions([said("I'm Ana.", None)], "en", "standard") == []
    assert suggestions([said("Welcome, Ana.", 0)], "en", "standard") == []
