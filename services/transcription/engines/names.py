"""Names that speakers give themselves or each other: suggestions, each with the sentence that it rests on.

Pure. A name is what begins with a capital after a phrase that introduces one; only "my name is" is believed where a
transcript has no case (drafts). Better no suggestion than a wrong one: what has a capital for other reasons is in tables.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from services.transcription.engines.protocol import Quality
from services.transcription.engines.sentences import Sentence

__all__ = ["Suggestion", "suggestions"]

Whose = Literal["own", "thanked", "called"]


class Suggestion(NamedTuple):
    """A name for a speaker: the index of the sentence that says so, its words, and how much they weigh (0 to 1)."""

    speaker: int
    name: str
    sentence: int
    quote: str
    weight: float


class _Cue(NamedTuple):
    """Phrases before a name. ``words``: how many words the name must have at least."""

    whose: Whose
    weight: float
    phrases: str
    explicit: bool = False
    words: int = 1


CUES: dict[str, tuple[_Cue, ...]] = {
    "en": (
        _Cue("own", 1.0, r"my name is|my name's", explicit=True),
        _Cue("own", 0.9, r"i'm|i am"),
        _Cue("own", 0.6, r"this is"),
        _Cue("called", 0.4, r"welcome(?: back)?,|over to you,|go ahead,"),
        _Cue("thanked", 0.3, r"thanks(?: a lot| so much)?,?|thank you(?: very much| so much)?,?"),
    ),
    "es": (
        _Cue("own", 1.0, r"me llamo|mi nombre es", explicit=True),
        _Cue("own", 0.9, r"soy"),
        _Cue("called", 0.4, r"bienvenid[oa],|adelante,"),
        _Cue("thanked", 0.3, r"(?:muchas )?gracias,"),
    ),
    # German capitalises every noun: "ich bin Lehrer" names a trade, so two words are needed there.
    "de": (
        _Cue("own", 1.0, r"mein name ist|ich hei(?:ß|ss)e", explicit=True),
        _Cue("own", 0.8, r"ich bin|hier ist|hier spricht", words=2),
        _Cue("called", 0.4, r"(?:herzlich )?willkommen,"),
        _Cue("thanked", 0.3, r"(?:vielen dank|danke(?: schön)?),"),
    ),
    "fr": (
        _Cue("own", 1.0, r"je m'appelle|mon nom est", explicit=True),
        _Cue("own", 0.9, r"je suis|moi,? c'est"),
        _Cue("called", 0.4, r"bienvenue,"),
        _Cue("thanked", 0.3, r"merci(?: beaucoup)?,"),
    ),
}


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


TITLES = _words(
    """
    dr doctor prof professor mr mrs ms miss sir doktor herr frau señor señora monsieur madame docteur
    """
)
PARTICLES = _words(
    """
    van von der den de la le du di da del dos bin al y zu
    """
)
MOST_WORDS = 4  # of a name, particles included

# What may follow a name without a comma; any other word tells that the capital had another reason ("I'm Apple certified").
AFTER = _words(
    """
    and from in with your the at of for here speaking on again to y de del con und aus von vom mit et avec aqui
    aquí hier ici pour por für
    """
)
# Before a phrase, these make it somebody else's words, or none that were said in earnest.
BEFORE = _words(
    """
    if that said say says saying like when because so-called whether not si que dijo wenn dass sagte quand dit
    """
)
# Capitals that are no names: peoples and creeds, days and months, places one is or speaks from, greetings.
NO_NAMES = _words(
    """
    american british english scottish welsh irish french german italian spanish portuguese dutch belgian swiss
    austrian swedish norwegian danish finnish icelandic polish czech slovak hungarian romanian bulgarian greek
    turkish russian ukrainian serbian croatian bosnian albanian chinese japanese korean vietnamese thai indian
    pakistani bangladeshi indonesian filipino malaysian australian canadian mexican brazilian argentinian
    chilean colombian peruvian cuban african nigerian kenyan ethiopian egyptian moroccan algerian tunisian
    israeli palestinian lebanese syrian iraqi iranian persian afghan arab european asian latino latina hispanic
    black white native jewish christian catholic protestant muslim hindu buddhist sikh mormon lutheran baptist
    orthodox republican democrat democratic conservative texan californian parisian londoner roman français
    française allemand allemande deutscher deutsche spanier engländer amerikaner berliner monday tuesday
    wednesday thursday friday saturday sunday january february march april june july august september october
    november december christmas easter america england britain france germany italy spain europe africa asia
    china japan india russia canada australia mexico brazil london paris berlin rome madrid york chicago
    washington boston texas california hollywood new north south east west i god mom mum dad mother father
    everyone everybody all guys folks ladies sorry ok okay yes no oh well mister internet radio netflix google
    apple amazon facebook twitter youtube part chapter episode act scene number
    """
)
# Where there is no case: what may follow "my name is" without being a name.
UNCASED_NO_NAMES = _words(
    """
    not a an the on in at of to so it that this what called going just still also really actually very spelled
    written no un una el la nicht kein der die das pas le une und and y et
    """
)

_OPENING = "\"'“‘«(¿¡„"
_CLOSING = re.compile(r"[.,!?;:…\"”»)\]]+$")
_NAME = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*")


def suggestions(said: Sequence[Sentence], language: str, quality: Quality) -> list[Suggestion]:
    """Names for speakers, by speaker and then the heaviest first; each name once for a speaker, with its best evidence.

    ``language`` is BCP 47; of one that isn't in the table nothing is suggested. Who is welcomed or called upon is taken for
    the next speaker; who is thanked as a turn begins has spoken before it, and later in a turn speaks next.
    """
    best: dict[tuple[int, str], Suggestion] = {}
    for found in _found(said, CUES.get(language.partition("-")[0].lower(), ()), quality):
        known = best.get((found.speaker, found.name))
        if known is None or known.weight < found.weight:
            best[found.speaker, found.name] = found
    return sorted(best.values(), key=lambda found: (found.speaker, -found.weight, found.sentence))


def _found(said: Sequence[Sentence], cues: Sequence[_Cue], quality: Quality) -> Iterator[Suggestion]:
    for index, sentence in enumerate(said):
        text = sentence.text.replace("’", "'")
        for cue in cues:
            if quality == "draft" and not cue.explicit:
                continue
            for match in re.finditer(rf"(?<![\w'])(?:{cue.phrases})\s+", text, re.IGNORECASE):
                before, after = text[: match.start()].split(), text[match.end() :].split()
                if before and (before[-1].lower() in BEFORE or before[-1][-1] in _OPENING):
                    continue
                name = _uncased(after) if quality == "draft" else _cased(after, cue)
                speaker = _whom(said, index, cue.whose)
                if name and speaker is not None:
                    yield Suggestion(speaker, name, index, sentence.text, cue.weight)


def _cased(words: Sequence[str], cue: _Cue) -> str | None:
    """The name that the words begin with, without titles."""
    rest = list(words)
    while rest and rest[0].rstrip(".").lower() in TITLES:
        del rest[0]
    name: list[str] = []
    ended = False
    while rest and not ended and len(name) < MOST_WORDS:
        bare = _CLOSING.sub("", rest[0]).removesuffix("'s")
        particle = name and bare in PARTICLES and len(rest) > 1 and rest[1][0].isupper()
        if not particle and not _is_name(bare):
            break
        ended = bare != rest[0]
        name.append(bare)
        del rest[0]
    if not name or len(name) < cue.words or (not cue.explicit and name[0].lower() in NO_NAMES):
        return None
    followed = not ended and bool(rest) and _CLOSING.sub("", rest[0]).lower() not in AFTER
    return None if followed and not cue.explicit else " ".join(name)


def _is_name(word: str) -> bool:
    """Tell whether a word may be a name by its letters: a capital and something small, as in Ana, O'Brien and Jean-Luc."""
    return word[:1].isupper() and not word.isupper() and _NAME.fullmatch(word) is not None


def _uncased(words: Sequence[str]) -> str | None:
    bare = _CLOSING.sub("", words[0]) if words else ""
    return bare.capitalize() if _NAME.fullmatch(bare) and bare.lower() not in UNCASED_NO_NAMES else None


def _whom(said: Sequence[Sentence], index: int, whose: Whose) -> int | None:
    speaker = said[index].speaker
    if whose == "own":
        return speaker
    begins = index > 0 and said[index - 1].speaker != speaker
    around = said[index - 1 :: -1] if whose == "thanked" and begins else said[index + 1 :]
    return next((other.speaker for other in around if other.speaker not in {speaker, None}), None)
