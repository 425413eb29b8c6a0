"""When the words of a known text are said: forced alignment with PocketSphinx's US-English model.

After Moreno, Joerg, Van Thong and Glickman, "A Recursive Algorithm for the Forced Alignment of Very Long Audio Segments"
(ICSLP 1998), without the recursion: the recording is recognised with a language model of the very text, so that hardly
anything else can be heard; where three words in a row agree with the text, they are anchors. Between anchors the text is
aligned in pieces of bounded length. Text that has no room between its anchors was not said, and sound that has no text
is left out, so that neither harms the rest.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from pocketsphinx import Decoder
from pocketsphinx.lm import ArpaBoLM
from rapidfuzz.distance import Levenshtein

from services.transcription.engines.pronouncing import guessed, spoken
from services.transcription.engines.protocol import RATE, Region, Sound, Tell, Word
from services.transcription.engines.utterances import utterances

__all__ = ["Aligner"]

# One pass, and beams so wide that a text which is not quite what was said still gets through (measured: PocketSphinx's own
# beams lose seven of eight texts in which every eighth word is wrong).
DECODER = {
    "samprate": float(RATE),
    "loglevel": "FATAL",
    "lm": None,
    "fwdflat": False,
    "bestpath": False,
    "beam": 1e-200,
    "pbeam": 1e-200,
    "wbeam": 1e-150,
}
RECOGNISER = {**DECODER, "beam": 1e-48, "pbeam": 1e-48, "wbeam": 7e-29, "maxhmmpf": 5000, "maxwpf": 10}
MODEL = "text"  # the language model's name within the decoder
FRAME = 0.01  # seconds
SCORES = 1024  # what PocketSphinx divides its scores by
ALTERNATE = re.compile(r"\(\d+\)$")
NOT_WORDS = ("<", "[", "+", "(")

ANCHOR = 3  # words in a row that agree: fewer do by chance
LONGEST_UTTERANCE = 12.0  # seconds, for the recogniser
LONGEST_PIECE = 30.0  # seconds aligned at once; with a gap without anchors in it, up to LONGEST_GAP more
LONGEST_GAP = 60.0
LONGEST_PAUSE = 3.0  # seconds between two anchors that are aligned together
MARGIN = 0.15  # seconds of sound around a piece: the decoder wants to begin in silence
QUICKEST = 0.035  # seconds of a phone: text with less room than that was not said
SLOWEST = 0.25  # seconds of a phone, above which sound holds more than the text
STRAY = 1.0  # seconds of voice without text that the decoder's silence and noise can bear
# Log likelihood per frame, below the best that the model can do: half of the wrong words get less. The median of right ones
# is -1.4.
UNSAID = -4.0


class Span(NamedTuple):
    """When a spoken word was said, and how sure that is."""

    start: float
    end: float
    confidence: float


class Heard(NamedTuple):
    """One word that the recogniser heard."""

    text: str
    span: Span


class Piece(NamedTuple):
    """Spoken words, by their indices, to be looked for in a stretch of sound."""

    first: int
    last: int  # exclusive
    start: float
    end: float


@dataclass(frozen=True)
class Script:
    """A text as it is spoken: ``owners`` holds, for each spoken word, the index of the written one."""

    spoken: list[str]
    owners: list[int]

    @classmethod
    def of(cls, texts: Sequence[str]) -> Script:
        """Spell out written words."""
        pairs = [(part, owner) for owner, text in enumerate(texts) for part in spoken(text)]
        return cls([part for part, _ in pairs], [owner for _, owner in pairs])


class Voice:
    """How much voice there is between two times."""

    def __init__(self, regions: Sequence[Region]) -> None:
        self._times = np.array([time for region in regions for time in region])
        self._sums = np.concatenate(
            [[0.0], np.cumsum(np.diff(self._times) * (np.arange(len(self._times) - 1) % 2 == 0))]
        )

    def seconds(self, start: float, end: float) -> float:
        """Seconds of it; 0 where the end comes first."""
        before, after = np.interp([start, max(start, end)], self._times, self._sums)
        return float(after - before)


class Aligner:
    """Finds a known text in a recording. Holds about 60 MB; not to be shared between threads."""

    def __init__(self) -> None:
        self._decoder = Decoder(**DECODER)
        self._recogniser = Decoder(**RECOGNISER)
        self._phones: dict[str, int] = {}  # how many there are in each word that was looked up

    def aligned(self, texts: Sequence[str], sound: Sound, regions: Sequence[Region], tell: Tell) -> list[Word]:
        """Written words, which may carry punctuation, with times. As many as there are texts, in their order.

        A word that was not found has confidence 0 and times between those of its neighbours; its pronunciation may be
        missing (it isn't English), or it was not said where the text has it. ``regions`` are the voiced stretches.
        """
        script = Script.of(texts)
        self._learn(script)
        spans: list[Span | None] = [None] * len(script.spoken)
        if script.spoken and regions:
            anchors = _anchors(script.spoken, self._recognised(script, sound, regions, tell))
            spans = self._placed(script, anchors, sound, regions)
        return _written(texts, script, spans, len(sound) / RATE)

    def _learn(self, script: Script) -> None:
        """See to it that both decoders know every word."""
        for word in set(script.spoken) - self._phones.keys():
            known = self._decoder.lookup_word(word)
            phones = known or guessed(word, self._decoder.lookup_word)
            if not known:
                for decoder in (self._decoder, self._recogniser):
                    decoder.add_word(word, phones, update=False)  # what is searched for is set up afterwards anyway
            self._phones[word] = len(phones.split())

    def _recognised(self, script: Script, sound: Sound, regions: Sequence[Region], tell: Tell) -> list[Heard]:
        """What is heard with a language model of the text alone."""
        model = ArpaBoLM(text=" ".join(script.spoken), add_start=True)
        model.compute()
        with TemporaryDirectory() as folder:
            path = Path(folder) / "model.arpa"
            model.write_file(str(path))
            self._recogniser.add_lm_file(MODEL, str(path))
        self._recogniser.activate_search(MODEL)
        found: list[Heard] = []
        done = 0.0
        for cut in utterances(sound, regions, 0.0, LONGEST_UTTERANCE):
            found += _decoded(self._recogniser, sound, Region(cut.start - MARGIN, cut.end + MARGIN))
            done += cut.end - cut.start
            tell(done)
        return found

    def _placed(
        self, script: Script, anchors: dict[int, Span], sound: Sound, regions: Sequence[Region]
    ) -> list[Span | None]:
        """When each spoken word was said; None where it wasn't."""
        spans = [anchors.get(index) for index in range(len(script.spoken))]
        for piece in self._pieces(script, anchors, regions):
            words = script.spoken[piece.first : piece.last]
            found = self._forced(words, sound, Region(piece.start, piece.end))
            for index, span in enumerate(found, piece.first):
                spans[index] = span._replace(confidence=(1 + span.confidence) / 2) if index in anchors else span
        return spans

    def _pieces(self, script: Script, anchors: dict[int, Span], regions: Sequence[Region]) -> Iterator[Piece]:
        """Stretches in which text and sound agree as to their length, cut between anchors."""
        begin, end = regions[0].start, regions[-1].end
        marks = [(-1, Span(begin, begin, 1.0)), *sorted(anchors.items()), (len(script.spoken), Span(end, end, 1.0))]
        voice = Voice(regions)
        first, start = 0, begin - MARGIN
        for before, after in pairwise(marks):
            (index, said), (following, next_said) = before, after
            margin = min(MARGIN, max(0.0, next_said.start - said.end) / 2)
            if not self._joined(script, before, after, voice):
                if index >= first:
                    yield Piece(first, index + 1, start, said.end + margin)
                first, start = following, next_said.start - margin
            elif next_said.start - start > LONGEST_PIECE and first < following < len(script.spoken):
                cut = next_said.start - (margin if following == index + 1 else 0.0)
                yield Piece(first, following, start, cut)
                first, start = following, cut
        if first < len(script.spoken):
            yield Piece(first, len(script.spoken), start, end + MARGIN)

    def _joined(self, script: Script, before: tuple[int, Span], after: tuple[int, Span], voice: Voice) -> bool:
        """Tell whether what lies between two anchors can be aligned together with them."""
        (index, said), (following, next_said) = before, after
        gap = next_said.start - said.end
        voiced = voice.seconds(said.end, next_said.start)
        if following == index + 1:
            return voiced <= STRAY and gap <= LONGEST_PAUSE
        phones = self._phones_in(script.spoken[index + 1 : following])
        around = self._phones_in(script.spoken[max(0, index) : following + 1])  # where anchors meet is never quite sure
        room = voice.seconds(said.start, next_said.end)
        return QUICKEST * around <= room and voiced <= SLOWEST * phones + STRAY and gap <= LONGEST_GAP

    def _phones_in(self, words: Sequence[str]) -> int:
        return sum(self._phones[word] for word in words)

    def _forced(self, words: Sequence[str], sound: Sound, stretch: Region) -> list[Span]:
        """The words in the order given, come what may. Empty where not even that can be done."""
        self._decoder.set_align_text(" ".join(words))
        found = _decoded(self._decoder, sound, stretch)
        return [heard.span for heard in found] if len(found) == len(words) else []


def _decoded(decoder: Decoder, sound: Sound, stretch: Region) -> list[Heard]:
    begin = max(0.0, stretch.start)
    samples = sound[round(begin * RATE) : round(stretch.end * RATE)]
    if not len(samples):
        return []
    decoder.reinit_feat()  # what was heard before must not matter
    decoder.start_utt()
    decoder.process_raw(samples.tobytes(), no_search=False, full_utt=True)
    decoder.end_utt()
    found = []
    for segment in decoder.seg() or ():
        if not segment.word.startswith(NOT_WORDS):
            start, end = segment.start_frame, segment.end_frame + 1
            span = Span(begin + start * FRAME, begin + end * FRAME, _confidence(segment.ascore, end - start))
            found.append(Heard(ALTERNATE.sub("", segment.word), span))
    return found


def _confidence(likelihood: float, frames: int) -> float:
    """How well sound fits a word: 1 as well as the model can do, 0 as ill as with wrong words.

    After the "goodness of pronunciation" of Witt and Young (Speech Communication 30, 2000): likelihood per frame, relative
    to the best of all states.
    """
    score = SCORES * math.log(likelihood) / frames if likelihood > 0 else UNSAID
    return round(max(0.0, 1 - score / UNSAID), 3)


def _anchors(text: Sequence[str], heard: Sequence[Heard]) -> dict[int, Span]:
    """Words of the text that were heard in runs long enough not to be there by chance.

    The first and last of a run are none: beside a mistake they are often misplaced.
    """
    blocks = Levenshtein.opcodes(text, [one.text for one in heard]).as_matching_blocks()
    anchors: dict[int, Span] = {}
    for block in blocks:
        if block.size >= ANCHOR:
            inner = range(0 if block.a == 0 else 1, block.size - (block.a + block.size < len(text)))
            anchors |= {block.a + offset: heard[block.b + offset].span for offset in inner}
    return anchors


def _written(texts: Sequence[str], script: Script, spans: Sequence[Span | None], length: float) -> list[Word]:
    """From spoken words back to written ones; those that were not found are spread over the room between the others."""
    parts: dict[int, list[Span]] = {}
    for owner, span in zip(script.owners, spans, strict=True):
        if span is not None:
            parts.setdefault(owner, []).append(span)
    words: list[Word] = []
    lost: list[str] = []
    end = 0.0
    for index, text in enumerate(texts):
        if index not in parts:
            lost.append(text)
            continue
        start = max(end, parts[index][0].start)
        words += _spread(lost, end, start)
        lost = []
        end = max(start, parts[index][-1].end)
        confidence = sum(span.confidence for span in parts[index]) / len(parts[index])
        words.append(Word(text, round(start, 3), round(end, 3), round(confidence, 3)))
    return words + list(_spread(lost, end, max(end, length)))


def _spread(texts: Sequence[str], start: float, end: float) -> Iterator[Word]:
    for index, text in enumerate(texts):
        room = (end - start) / len(texts)
        yield Word(text, round(start + index * room, 3), round(start + (index + 1) * room, 3), 0.0)
