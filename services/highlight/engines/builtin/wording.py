"""Titles and reasons in plain words, made of what was said and measured."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

from services.highlight.engines.builtin import lexicon
from services.highlight.engines.builtin.candidates import Candidate
from services.highlight.engines.builtin.dimensions import CLEAR_PAUSE, Measures, has_number

TITLE = 60  # characters
SURE = 0.6  # mean confidence of a sentence; PocketSphinx gives 0.7 to 0.9 to what it heard right, 0.5 to word salad
_LONE_I = re.compile(r"\bi(?=['’]|\b)")
_NUMBERS = {2: "two", 3: "three", 4: "four", 5: "five"}


def plain(text: str) -> str:
    """Make one line of printable text: control and invisible characters become spaces, runs of spaces one."""
    return " ".join("".join(" " if unicodedata.category(mark)[0] == "C" else mark for mark in text).split())


def trimmed(text: str, limit: int = TITLE) -> str:
    """Cut to at most ``limit`` characters, between words, with an ellipsis where something is missing."""
    if len(text) <= limit:
        return text
    head = text[: limit - 1]
    if text[limit - 1] != " " and " " in head:
        head = head.rsplit(" ", 1)[0]
    return head.rstrip(" ,;:-–—") + "…"


def title(measures: Measures, candidate: Candidate) -> str:
    """Take the most telling sentence of a span: short and strong, with a hook, full of its subject.

    Where the engine is sure of none, the title says only when it is: a misheard sentence in large letters helps nobody.
    """
    units = measures.recording.units
    lists = lexicon.lexicon(measures.recording.language)

    def telling(at: int) -> tuple[float, int]:
        said = len(units[at].text)
        value = measures.quotability[at] + 0.5 * measures.hook[at] + 0.4 * measures.start[at]
        value += 0.15 * sum(term in measures.wanted for term in units[at].terms)
        return value - 0.3 * (said > TITLE) - 0.3 * (len(units[at].words) < 3), -at

    sure = [at for at in range(candidate.first, candidate.last + 1) if units[at].sure >= SURE]
    if not sure:
        minutes, seconds = divmod(int(units[candidate.first].start), 60)
        return f"Moment at {minutes}:{seconds:02}"
    best = max(sure, key=telling)
    return trimmed(_cased(_without_fillers(plain(units[best].text), lists), lists))


def _without_fillers(text: str, lists: lexicon.Lexicon) -> str:
    """Begin at the first word that is neither a filler nor a joining word, if enough is left."""
    said = text.split(" ")
    at = 0
    joining = lists.fillers | (lists.dangling & {"and", "but", "or", "because"})
    while at < len(said) - 3 and "".join(lexicon.words(said[at])) in joining:
        at += 1
    return " ".join(said[at:]).strip(lexicon.CLOSING_QUOTES + "“„«‘").rstrip(".,;: ")


def _cased(text: str, lists: lexicon.Lexicon) -> str:
    if lists is lexicon.ENGLISH:
        text = _LONE_I.sub("I", text)
    return text[:1].upper() + text[1:]


def reason(measures: Measures, candidate: Candidate) -> str:
    """Say in one sentence how it opens, what is strongest in between, how it ends."""
    clauses = [_opening(measures, candidate), *_middle(measures, candidate), f"and it {_ending(measures, candidate)}"]
    sentence = ", ".join(clauses)
    return sentence[:1].upper() + sentence[1:] + "."


def _opening(measures: Measures, candidate: Candidate) -> str:
    unit = measures.recording.units[candidate.first]
    lists = lexicon.lexicon(measures.recording.language)
    strong = next((word for word in unit.words if word in lists.surprise), "")
    facts = (
        (unit.question, "opens with a question"),
        (has_number(unit.words, lists), "opens on a figure"),
        (bool(strong), f"opens with a strong word (“{strong}”)"),
        (any(word in lists.address for word in unit.words), "opens by speaking to the listener"),
        (unit.onset > 0.8, "comes in louder than the rest"),
        (unit.turn, "starts as another voice takes over"),
        (unit.silence_before >= CLEAR_PAUSE, "starts after a clear pause"),
        (unit.opens, "starts with a new sentence"),
    )
    return next((said for true, said in facts if true), "starts within a longer thought")


def _middle(measures: Measures, candidate: Candidate) -> list[str]:
    """Write up to two clauses for the strongest dimensions, relevance always first."""
    ranked = sorted(
        (name for name in candidate.scores if name not in {"hook", "completeness"}),
        key=lambda name: (name != "relevance", -candidate.scores[name], name),
    )
    clauses = (_clause(name, measures, candidate) for name in ranked)
    return [clause for clause in clauses if clause][:2]


def _clause(name: str, measures: Measures, candidate: Candidate) -> str:
    score = candidate.scores[name]
    text = ""
    if name == "relevance":
        asked = _said(measures, candidate, set(measures.wanted))
        text = f"it speaks of {asked}, as you asked" if asked else ""
    elif name == "dialogue" and measures.turned(candidate.first, candidate.last):
        text = _turns(measures, candidate)
    elif name == "emotion" and score >= 0.35:
        text = _feeling(measures, candidate)
    elif name == "energy" and score >= 0.6:
        text = "it is spoken with more drive than the rest"
    elif name == "quotability" and score >= 0.5 and not measures.recording.draft:
        text = "it has a line short enough to quote"
    elif name == "information" and not measures.recording.draft:
        subject = _said(measures, candidate, None)
        text = f"it is about {subject}" if subject else ""
    return text


def _said(measures: Measures, candidate: Candidate, among: set[str] | None) -> str:
    """Quote the span's weightiest words as they were said, up to three; of the terms ``among`` where given."""
    language = measures.recording.language
    spoken: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for unit in measures.recording.units[candidate.first : candidate.last + 1]:
        counts.update(unit.terms)
        for word in unit.words:
            spoken.setdefault(lexicon.stem(word, language), word)
    if among is None:
        among = {term for term, count in counts.items() if len(term) > 3 and (count > 1 or len(counts) < 12)}
    heavy = sorted(among & counts.keys(), key=lambda term: (-counts[term] * measures.weight[term], term))[:3]
    names = [f"“{spoken.get(term, term)}”" for term in heavy]
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def _turns(measures: Measures, candidate: Candidate) -> str:
    units = measures.recording.units[candidate.first : candidate.last + 1]
    voices = {unit.first_speaker for unit in units} | {unit.last_speaker for unit in units}
    voices.discard(None)
    many = _NUMBERS.get(len(voices), str(len(voices)))
    turned = measures.turned(candidate.first, candidate.last)
    return f"{many} voices trade turns" if turned > 1 else "one voice answers another"


def _feeling(measures: Measures, candidate: Candidate) -> str:
    lists = lexicon.lexicon(measures.recording.language)
    units = measures.recording.units[candidate.first : candidate.last + 1]
    strong = next((word for unit in units for word in unit.words if word in lists.emphatic), None)
    if measures.peaks[candidate.last + 1] - measures.peaks[candidate.first] >= 1.0:
        return "the voice rises well above the rest"
    return f"feelings run high (“{strong}”)" if strong else "it is said with emphasis"


def _ending(measures: Measures, candidate: Candidate) -> str:
    units = measures.recording.units
    unit = units[candidate.last]
    if candidate.last + 1 == len(units):
        return "runs to the last word"
    if unit.question:
        return "ends on a question"
    if unit.silence_after >= CLEAR_PAUSE:
        return "ends on a clear pause"
    if units[candidate.last + 1].turn:
        return "ends as another voice takes over"
    return "ends with its sentence" if unit.closes else "ends at a short break"
