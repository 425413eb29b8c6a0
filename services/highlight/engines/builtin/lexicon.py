"""Words: how speech is split into terms, and which words mean something to the scorer.

Only English has word lists so far. Every other language goes a neutral way: punctuation, pauses, loudness, turns and
term statistics still work, and the lists are empty.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

QUESTION_MARKS = "?？؟;"  # the last is the Greek question mark
EXCLAMATION_MARKS = "!！"
SENTENCE_ENDS = frozenset(".!?…。！？؟।" + QUESTION_MARKS)
CLOSING_QUOTES = "\"'”’»)]」』 "

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\u0e00-\u0e7f]")
_SUFFIXES = (
    *("ization", "ational", "fulness", "ousness", "iveness", "ations", "ation", "ments", "ingly", "edly", "ment"),
    *("ness", "ings", "ing", "ies", "ied", "ers", "est", "ly", "ed", "er", "es", "s", "e"),
)
_SHORTEST_STEM = 3


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


@dataclass(frozen=True, slots=True)
class Lexicon:
    """What single words say about a sentence. All in lower case, as ``words`` gives them."""

    stop: frozenset[str] = field(default=frozenset())  # carry no subject
    fillers: frozenset[str] = field(default=frozenset())  # weaken an opening, and are cut from titles
    dangling: frozenset[str] = field(default=frozenset())  # point back at what was said before
    questions: frozenset[str] = field(default=frozenset())  # open a question even where nobody wrote the mark
    surprise: frozenset[str] = field(default=frozenset())  # superlatives, absolutes, secrets
    emphatic: frozenset[str] = field(default=frozenset())  # feelings
    address: frozenset[str] = field(default=frozenset())  # speak to the listener
    numbers: frozenset[str] = field(default=frozenset())
    asking: frozenset[str] = field(default=frozenset())  # a prompt's words about clips, not about their subject


ENGLISH = Lexicon(
    stop=_words(
        "a about above after again all also am an and any are aren't as at be because been before being both but by "
        "can can't could did didn't do does doesn't doing don't down during each even every few for from further "
        "get gets getting go goes going gonna got had has have haven't having he he's her here hers him his how i "
        "i'd i'll i'm i've if in into is isn't it it's its itself just kind know like lot made make many maybe me "
        "more most much my myself no not now of off oh okay on one only or other our out over own really right said "
        "same say says see she she's should so some something sort such than that that's the their them then there "
        "there's these they they're thing things think this those though through to too uh um under until up upon "
        "us very was wasn't way we we're we've well were what what's when where which while who whom why will with "
        "won't would yeah yes yet you you'd you'll you're you've your yours"
    ),
    fillers=_words(
        "um uh uhm er erm hmm mm mhm ah oh okay ok yeah yep well so like anyway alright right actually basically"
    ),
    dangling=_words(
        "and but or so because which that's that this these those he she it they him her them his its their it's "
        "he's she's they're then also too either neither however therefore thus whereas besides moreover otherwise "
        "there"
    ),
    questions=_words(
        "who what when where why how which whose is are was were do does did can could would should will have has"
    ),
    surprise=_words(
        "best worst most least biggest smallest greatest fastest first last only never always nobody everybody "
        "everyone nothing everything secret truth mistake wrong impossible crazy insane unbelievable incredible "
        "shocking surprising strange weird suddenly turns exactly literally ever hardest easiest proof danger "
        "dangerous must imagine"
    ),
    emphatic=_words(
        "amazing awesome beautiful brilliant love loved hate hated fear afraid scared terrified terrible horrible "
        "awful wonderful fantastic crazy insane unbelievable incredible wow damn hell god really absolutely totally "
        "completely extremely never always cry cried crying laugh laughed laughing die died dead kill killed fight "
        "free freedom happy angry proud sorry hope dream win won lost glory shame justice peace war thank thanks "
        "please"
    ),
    address=_words("you you're you've you'll your yours yourself listen look imagine remember"),
    numbers=_words(
        "two three four five six seven eight nine ten eleven twelve twenty thirty forty fifty sixty seventy eighty "
        "ninety hundred hundreds thousand thousands million millions billion billions half twice percent dozen"
    ),
    asking=_words(
        "moment moments clip clips part parts bit bits section sections segment segments highlight highlights scene "
        "scenes find show give want wants pick choose best good great interesting talk talks talking speak speaks "
        "speaking mention mentions mentioned discuss discusses discussing regarding anything everything please"
    ),
)
NEUTRAL = Lexicon()


def lexicon(language: str) -> Lexicon:
    """Give the word lists of a BCP 47 language; empty ones where there are none."""
    return ENGLISH if language.lower().split("-")[0] == "en" else NEUTRAL


def words(text: str) -> list[str]:
    """Split a text into words in lower case. Scripts written without spaces give pairs of characters instead."""
    found: list[str] = []
    for word in _WORD.findall(text.lower().replace("’", "'")):
        if len(word) > 1 and _UNSPACED.search(word):
            found.extend(word[at : at + 2] for at in range(len(word) - 1))
        else:
            found.append(word)
    return found


@lru_cache(maxsize=50_000)
def stem(word: str, language: str) -> str:
    """Take off an English ending, so that "rockets" meets "rocket". Other languages keep their words whole.

    Lighter than Porter's stemmer on purpose: it only has to match words of one recording with each other and a prompt.
    """
    if language.lower().split("-")[0] != "en":
        return word
    word = word.removesuffix("'s")
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= _SHORTEST_STEM and not word.endswith("ss"):
            root = word[: -len(suffix)]
            if suffix in {"ies", "ied"}:
                return root + "y"
            return root[:-1] if len(root) > _SHORTEST_STEM and root[-1] == root[-2] and root[-1] not in "ls" else root
    return word


def terms(text: str, language: str) -> list[str]:
    """List the stems of the words that carry a subject, in order, as often as they are said."""
    stop = lexicon(language).stop
    return [stem(word, language) for word in words(text) if word not in stop and (len(word) > 1 or word.isdigit())]


def joined(parts: Sequence[str], language: str) -> str:
    """Put words together as the language writes them."""
    space = "" if language.lower().split("-")[0] in {"ja", "zh", "yue", "th", "lo", "km", "my"} else " "
    return space.join(part.strip() for part in parts)


def ends_sentence(text: str) -> bool:
    """Tell whether a text ends on a sentence mark, quotes aside."""
    bare = text.rstrip(CLOSING_QUOTES)
    return bool(bare) and bare[-1] in SENTENCE_ENDS


def is_question(text: str) -> bool:
    """Tell whether a text ends on a question mark, quotes aside."""
    bare = text.rstrip(CLOSING_QUOTES)
    return bool(bare) and bare[-1] in QUESTION_MARKS
