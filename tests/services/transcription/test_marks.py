"""Fillers and swear words are marked, and nothing that only looks like them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.transcription.engines.marks import marked


def of(language: str, said: str, mark: str) -> list[str]:
    """The words of a sentence that carry a mark."""
    texts = said.split()
    return [text for text, found in zip(texts, marked(texts, language), strict=True) if found == mark]


@pytest.mark.parametrize(
    ("language", "said", "fillers"),
    [
        ("en", "Um, so uh it was er late, hmm.", ["Um,", "uh", "er", "hmm."]),
        ("en", "Ummm, erm, uhh, mhm, mm, uhm.", ["Ummm,", "erm,", "uhh,", "mhm,", "mm,", "uhm."]),
        ("en-GB", "It was, you know, late.", ["you", "know,"]),
        ("en", "You know, it was late.", ["You", "know,"]),
        ("en", "It was late. I mean, very late, you know.", ["I", "mean,", "you", "know."]),
        ("en", "Do you know him? You know I do.", []),
        ("en", "You know. I mean it.", []),
        ("en", "What I mean, you know already.", []),
        ("en", "I I think the, the dog and and the cat", ["I", "the,", "and"]),
        ("en", "The the the end", ["The", "the"]),
        ("en", "He had had that that very very day. No no, New York, New York.", []),
        ("en", "It was I. I said so.", []),
        ("en", "I saw th- the w- world", ["th-", "w-"]),
        ("en", "I was go- he left", ["go-"]),
        ("en", "pre- and post-war, a two- to three-day trip", []),
        ("en", "well-known — but— then - and", []),
        ("en", "the hum of the ER, errands, umbrella, summer, emu", ["ER,"]),
        ("de", "Äh, das war ähm, öh, hmm, spät.", ["Äh,", "ähm,", "öh,", "hmm,"]),
        ("de", "Das war, weißt du, spät. Weißt du das?", ["weißt", "du,"]),
        ("de", "ich ich habe Vor- und Nachteile", ["ich"]),
        ("de", "die, die die Tür sehen", []),
        ("es", "Eh, pues mmm, o sea, no sé.", ["Eh,", "mmm,", "o", "sea,"]),
        ("es", "Quiero este libro, este, no ese.", ["este,"]),
        ("fr", "Euh, je je ne sais pas, heu, tu vois, hum.", ["Euh,", "je", "heu,", "tu", "vois,", "hum."]),
        ("fr", "Nous nous lavons, la la la. Tu vois la mer.", []),
        ("fi", "um uh the the th- the", []),
    ],
)
def test_fillers(language: str, said: str, fillers: list[str]) -> None:
    assert of(language, said, "filler") == fillers


@pytest.mark.parametrize(
    ("language", "said", "sworn"),
    [
        ("en", "Oh shit, that fucking bastard's car!", ["shit,", "fucking", "bastard's"]),
        ("en", "Bull-shit “BULLSHIT” bull—shit", ["Bull-shit", "“BULLSHIT”"]),
        ("en", "fuck fuck", ["fuck", "fuck"]),
        ("en", "Scunthorpe assume class cocktail Dick's Essex shitake peacock bass assassin Hancock title", []),
        ("en", "breast cancer, sex, snatch, and a hot day in hell", []),
        ("de", "So eine Scheiße, du Arschloch!", ["Scheiße,", "Arschloch!"]),
        ("de", "Der Marsch, die Barsche, Fickmühle", []),
        ("es", "¡Joder! ¿Qué coño? Un martillo, la disputa, el computador", ["¡Joder!", "coño?"]),
        ("fr", "Putain, c'est de la merde. La députée, une veuve, le concours", ["Putain,", "merde."]),
        ("fr", "bitch", []),
    ],
)
def test_swear_words(language: str, said: str, sworn: list[str]) -> None:
    assert of(language, said, "profanity") == sworn


@given(st.lists(st.text()), st.text(max_size=5))
def test_any_words_get_one_mark_each_or_none(texts: list[str], language: str) -> None:
    assert len(marked(texts, language)) == len(texts)
