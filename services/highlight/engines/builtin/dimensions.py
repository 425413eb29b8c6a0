"""The dimensions of a score, 0 to 1 each, worked out once per unit so that a span costs next to nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import exp, log
from statistics import median

from services.highlight.engines.builtin import lexicon
from services.highlight.engines.builtin.units import BREAK, Recording, Unit

CLEAR_PAUSE = 0.6  # seconds
SHORT_OPENING = 3  # words: a shorter first sentence ("Right.") is heard together with the second
QUOTABLE = range(4, 17)  # words of a sentence that people can repeat
LEAD, TAIL = 0.35, 0.45  # seconds of silence taken in before and after, at most


def bounded(value: float) -> float:
    """Bring a value into 0 to 1."""
    return max(0.0, min(1.0, value))


@dataclass(frozen=True, slots=True)
class Measures:
    """All that scoring a span needs, by unit or as running sums (one longer than there are units)."""

    recording: Recording
    opening: tuple[float, ...]  # where a clip that begins with this unit is cut, seconds
    closing: tuple[float, ...]  # where one that ends with it is cut
    hook: tuple[float, ...]
    start: tuple[float, ...]  # how well a span stands alone that begins here
    end: tuple[float, ...]  # how finished one is that ends here
    quotability: tuple[float, ...]
    weight: dict[str, float]  # of a term: rarer in the recording is heavier
    typical: float  # weight of distinct terms a second
    wanted: dict[str, float]  # the prompt's terms that are said at all, with their weights
    unsaid: tuple[str, ...]  # the prompt's words that are not
    words: tuple[int, ...]
    speech: tuple[float, ...]  # seconds
    turns: tuple[int, ...]
    feeling: tuple[float, ...]  # emphatic words and exclamations
    loud: tuple[float, ...]  # standard deviations times seconds
    fast: tuple[float, ...]
    peaks: tuple[float, ...]  # seconds

    def emotion(self, first: int, last: int) -> float:
        """Weigh emphatic words and exclamations by the hundred words, and how often the voice rises."""
        said = max(1, self.words[last + 1] - self.words[first])
        feeling = (self.feeling[last + 1] - self.feeling[first]) * 100 / said
        peaks = (self.peaks[last + 1] - self.peaks[first]) / self._speech(first, last)
        return bounded(0.65 * (1 - exp(-feeling / 5)) + 1.2 * peaks)

    def dialogue(self, first: int, last: int) -> float:
        """Weigh turns between voices: two make an exchange, five are lively."""
        return 1 - exp(-self.turned(first, last) / 2.5)

    def turned(self, first: int, last: int) -> int:
        """Count how often the voice changes within a span."""
        return self.turns[last + 1] - self.turns[first + 1]

    def energy(self, first: int, last: int) -> float:
        """Weigh being louder and faster than the recording's own average, with little silence."""
        speech = self._speech(first, last)
        loud = (self.loud[last + 1] - self.loud[first]) / speech
        fast = (self.fast[last + 1] - self.fast[first]) / speech
        length = max(speech, self.closing[last] - self.opening[first])
        return bounded((speech / length) / (1 + exp(-(1.1 * loud + 0.7 * fast))) * 1.15)

    def _speech(self, first: int, last: int) -> float:
        return max(0.1, self.speech[last + 1] - self.speech[first])


def measure(recording: Recording, prompt: str) -> Measures:
    """Work out everything about single units. Linear in the number of words."""
    units = recording.units
    words = lexicon.lexicon(recording.language)
    weight = _weights(units)
    densities = [_density(unit, weight) for unit in units]
    typical = median([density for density in densities if density > 0] or [1.0])
    wanted, unsaid = _wanted(prompt, recording.language, weight)
    lengths = [max(0.05, unit.end - unit.start) for unit in units]
    return Measures(
        recording=recording,
        opening=tuple(max(0.0, unit.start - min(LEAD, unit.silence_before / 2)) for unit in units),
        closing=tuple(min(recording.duration, unit.end + min(TAIL, unit.silence_after / 2)) for unit in units),
        hook=tuple(_hook(units, at, words, draft=recording.draft) for at in range(len(units))),
        start=tuple(_start(units, at, words, draft=recording.draft) for at in range(len(units))),
        end=tuple(_end(units, at, draft=recording.draft) for at in range(len(units))),
        quotability=tuple(
            _quotability(unit, words, density / (2 * typical)) for unit, density in zip(units, densities, strict=True)
        ),
        weight=weight,
        typical=typical,
        wanted=wanted,
        unsaid=unsaid,
        words=(0, *accumulate(len(unit.words) for unit in units)),
        speech=(0.0, *accumulate(lengths)),
        turns=(0, *accumulate(int(unit.turn) for unit in units)),
        feeling=(0.0, *accumulate(_feeling(unit, words) for unit in units)),
        loud=(0.0, *accumulate(unit.loudness * length for unit, length in zip(units, lengths, strict=True))),
        fast=(0.0, *accumulate(unit.rate * length for unit, length in zip(units, lengths, strict=True))),
        peaks=(0.0, *accumulate(unit.peaks * length for unit, length in zip(units, lengths, strict=True))),
    )


def _weights(units: Sequence[Unit]) -> dict[str, float]:
    """Weigh terms by inverse document frequency with a unit for a document (Spärck Jones 1972), smoothed."""
    seen = Counter(term for unit in units for term in set(unit.terms))
    return {term: log(1 + len(units) / count) for term, count in seen.items()}


def _density(unit: Unit, weight: dict[str, float]) -> float:
    return sum(weight[term] for term in set(unit.terms)) / max(1.0, unit.end - unit.start)


def _wanted(prompt: str, language: str, weight: dict[str, float]) -> tuple[dict[str, float], tuple[str, ...]]:
    lists = lexicon.lexicon(language)
    asked = [word for word in lexicon.words(prompt) if word not in lists.stop and word not in lists.asking]
    stems = {lexicon.stem(word, language): word for word in asked}
    said = {term: weight[term] for term in stems if term in weight}
    return said, tuple(word for term, word in stems.items() if term not in weight)


def _hook(units: Sequence[Unit], at: int, lists: lexicon.Lexicon, *, draft: bool) -> float:
    """Ask whether it stops a passer-by: a question, a figure, a strong word, being spoken to, a voice with force."""
    unit = units[at]
    heard = unit.words
    if len(heard) <= SHORT_OPENING and at + 1 < len(units):
        heard = heard + units[at + 1].words
    question = unit.question or (draft and bool(heard) and heard[0] in lists.questions and unit.opens)
    score = 0.15
    score += 0.35 * question
    score += 0.15 * has_number(heard, lists)
    score += 0.20 * any(word in lists.surprise for word in heard)
    score += 0.15 * any(word in lists.address for word in heard)
    score += 0.10 * (SHORT_OPENING < len(heard) <= QUOTABLE.stop)
    score += 0.15 * bounded(unit.onset / 2)
    score -= 0.20 * (bool(heard) and heard[0] in lists.fillers)
    return bounded(score)


def has_number(said: Sequence[str], lists: lexicon.Lexicon) -> bool:
    """Tell whether a figure is named."""
    return any(word in lists.numbers or word[0].isdigit() for word in said)


def _start(units: Sequence[Unit], at: int, lists: lexicon.Lexicon, *, draft: bool) -> float:
    """Weigh standing alone: a new sentence after a break, that neither points back nor answers what nobody hears."""
    unit = units[at]
    pause = bounded(unit.silence_before / CLEAR_PAUSE)
    score = (0.55 if unit.opens else 0.05) + 0.25 * pause + 0.2 * (unit.turn or at == 0)
    if unit.words and unit.words[0] in lists.dangling:
        score -= 0.2 if draft else 0.4
    if at > 0 and units[at - 1].question and not unit.question:
        score -= 0.4
    return bounded(score)


def _end(units: Sequence[Unit], at: int, *, draft: bool) -> float:
    """Weigh being finished: the sentence ends, a pause follows or the voice changes, and no question is left open."""
    unit = units[at]
    last = at + 1 == len(units)
    pause = 1.0 if last else bounded(unit.silence_after / CLEAR_PAUSE)
    score = (0.55 if unit.closes else 0.05) + 0.3 * pause + 0.15 * (last or units[at + 1].turn)
    if unit.question and not last:
        score -= 0.4
    if draft and not last and unit.silence_after < BREAK / 2:
        score -= 0.2
    return bounded(score)


def _quotability(unit: Unit, lists: lexicon.Lexicon, density: float) -> float:
    """Look for a short whole sentence that says something and does not point back."""
    if len(unit.words) not in QUOTABLE or not (unit.opens and unit.closes):
        return 0.1 * bounded(density)
    strong = sum(word in lists.surprise or word in lists.emphatic for word in unit.words)
    score = 0.35 + 0.35 * bounded(density) + 0.2 * min(2, strong) / 2 + 0.1 * (not unit.question)
    return bounded(score - 0.3 * (unit.words[0] in lists.dangling or unit.words[0] in lists.fillers))


def _feeling(unit: Unit, lists: lexicon.Lexicon) -> float:
    exclamations = sum(unit.text.count(mark) for mark in lexicon.EXCLAMATION_MARKS)
    return sum(word in lists.emphatic for word in unit.words) + 1.5 * min(3, exclamations)
