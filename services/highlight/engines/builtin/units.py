"""Units: sentences as they were spoken, with the silence, voice, loudness and pace around each.

Segments that overlap in time become one unit, and a segment longer than a clip may be is split at its widest silences,
so that a border between two units never lies within a word.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from statistics import fmean, pstdev

from libs.contracts.transcripts import Loudness, Segment, Transcript, Word
from services.highlight.engines.builtin import lexicon

LONGEST = 20.0  # seconds: a longer sentence is split, so that spans can begin and end within it
BREAK = 0.3  # seconds of silence that end a thought where nobody wrote a full stop
_TOUCHING = 0.02  # seconds: engines round, so this much overlap is none
_PUNCTUATED_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class Unit:
    """A sentence, or as much of one as stands between two breaks.

    Times in seconds; loudness and rate in standard deviations from the recording's own.
    """

    text: str
    start: float
    end: float
    first_speaker: str | None
    last_speaker: str | None
    silence_before: float
    silence_after: float
    turn: bool  # another voice than the unit before
    opens: bool  # a sentence begins here
    closes: bool  # a sentence ends here
    question: bool
    words: tuple[str, ...]
    terms: tuple[str, ...]
    loudness: float
    onset: float  # loudness of the first second
    peaks: float  # share of it well above the recording's level, 0 to 1
    rate: float
    sure: float  # how sure the engine is of its words, 0 to 1


@dataclass(frozen=True, slots=True)
class Recording:
    """All units of a recording, in order, and what holds for the whole."""

    units: tuple[Unit, ...]
    duration: float  # seconds
    language: str
    draft: bool  # no punctuation to trust


@dataclass(slots=True)
class _Piece:
    """A run of words to become a unit."""

    words: list[Word]
    segment_end: str  # text that tells whether the sentence ends here
    opens: bool
    closes: bool
    first_speaker: str | None
    last_speaker: str | None


def recording(transcript: Transcript, longest: float) -> Recording:
    """Make the units of a transcript; none is longer than ``longest`` seconds unless a single word is."""
    pieces = [piece for block in _blocks(transcript.segments) for piece in _split(block, min(LONGEST, longest))]
    endings = [lexicon.ends_sentence(piece.segment_end) for piece in pieces if piece.closes]
    punctuated = bool(endings) and sum(endings) >= _PUNCTUATED_SHARE * len(endings)
    draft = transcript.quality == "draft" or not punctuated
    end = max([transcript.duration, *(word.end for piece in pieces for word in piece.words)])
    units = _measured(pieces, end, transcript.language, _Level(transcript.loudness), draft=draft)
    return Recording(units, end, transcript.language, draft)


def _blocks(segments: Sequence[Segment]) -> Iterator[_Piece]:
    """Put segments in order and join those that overlap; a segment without word times counts as one long word."""
    block: _Piece | None = None
    reach = 0.0
    for segment in sorted((s for s in segments if s.text.strip()), key=lambda s: (s.start, s.end)):
        said = list(segment.words) or [Word(text=segment.text.strip(), start=segment.start, end=segment.end)]
        start, end = min(word.start for word in said), max(word.end for word in said)
        if block is not None and start < reach - _TOUCHING:
            block.words.extend(said)
            block.segment_end, block.last_speaker = segment.text, segment.speaker
        else:
            if block is not None:
                yield block
            block = _Piece(said, segment.text, True, True, segment.speaker, segment.speaker)
        reach = max(reach, end)
    if block is not None:
        yield block


def _split(block: _Piece, longest: float) -> Iterator[_Piece]:
    """Cut a block at its widest silences into pieces of at most ``longest`` seconds, in one pass over its words."""
    said = sorted(block.words, key=lambda word: (word.start, word.end))
    cuts = _cuts(said, longest)
    for at, (start, end) in enumerate(pairwise([0, *cuts, len(said)])):
        words = said[start:end]
        first, last = at == 0, end == len(said)
        yield _Piece(
            words,
            block.segment_end if last else words[-1].text,
            block.opens if first else lexicon.ends_sentence(said[start - 1].text),
            block.closes if last else lexicon.ends_sentence(words[-1].text),
            (words[0].speaker or block.first_speaker) if not first else block.first_speaker,
            (words[-1].speaker or block.last_speaker) if not last else block.last_speaker,
        )


def _cuts(said: Sequence[Word], longest: float) -> list[int]:
    """Choose the words that begin a new piece, by index."""
    cuts: list[int] = []
    begin = 0
    best, cut = (False, -1.0), 0
    reach = said[0].end
    at = 1
    while at < len(said):
        if said[at].end - said[begin].start > longest and cut > begin:
            cuts.append(cut)
            # What lies after the cut is looked at again: the next piece begins there.
            begin, at, reach = cut, cut + 1, said[cut].end
            best, cut = (False, -1.0), 0
            continue
        silence = said[at].start - reach
        border = (said[at].start - said[begin].start >= longest / 2, silence)  # a late one, then a wide one
        if silence >= -_TOUCHING and border >= best:
            best, cut = border, at
        reach = max(reach, said[at].end)
        at += 1
    if cut > begin and reach - said[begin].start > longest:
        cuts.append(cut)
    return cuts


class _Level:
    """The sound's level relative to the recording's own: sums and counts of any stretch in constant time."""

    def __init__(self, loudness: Loudness | None) -> None:
        self._hop = loudness.hop if loudness and loudness.hop > 0 else 0.0
        levels = loudness.levels if loudness else ()
        heard = [level for level in levels if level > -60] or list(levels)
        self._mean = fmean(heard) if heard else 0.0
        self._spread = max(pstdev(heard) if heard else 0.0, 1.0)
        relative = [max(-3.0, min(3.0, (level - self._mean) / self._spread)) for level in levels]
        self._sums = [0.0, *accumulate(relative)]
        self._peaks = [0, *accumulate(int(level > 1.2) for level in relative)]

    def over(self, start: float, end: float) -> tuple[float, float]:
        """Give the mean level in standard deviations, and the share of time well above it."""
        if not self._hop:
            return 0.0, 0.0
        first = min(int(start / self._hop), len(self._sums) - 1)
        last = min(max(first + 1, int(end / self._hop)), len(self._sums) - 1)
        count = last - first
        if count <= 0:
            return 0.0, 0.0
        return (self._sums[last] - self._sums[first]) / count, (self._peaks[last] - self._peaks[first]) / count


def _measured(pieces: Sequence[_Piece], end: float, language: str, level: _Level, *, draft: bool) -> tuple[Unit, ...]:
    starts = [piece.words[0].start for piece in pieces]
    ends = [max(word.end for word in piece.words) for piece in pieces]
    rates = [len(piece.words) / max(0.2, ends[at] - starts[at]) for at, piece in enumerate(pieces)]
    usual = fmean(rates) if rates else 0.0
    spread = max(pstdev(rates) if rates else 0.0, 0.1)
    units: list[Unit] = []
    for at, piece in enumerate(pieces):
        before = starts[at] - (ends[at - 1] if at else 0.0)
        after = (starts[at + 1] if at + 1 < len(pieces) else end) - ends[at]
        turn = at > 0 and _changes(pieces[at - 1].last_speaker, piece.first_speaker)
        last = at + 1 == len(pieces)
        turn_after = not last and _changes(piece.last_speaker, pieces[at + 1].first_speaker)
        text = lexicon.joined([word.text for word in piece.words], language)
        said = tuple(lexicon.words(text))
        loudness, peaks = level.over(starts[at], ends[at])
        ended_before = at == 0 or (units[-1].closes if units else True)
        units.append(
            Unit(
                text=text,
                start=starts[at],
                end=ends[at],
                first_speaker=piece.first_speaker,
                last_speaker=piece.last_speaker,
                silence_before=max(0.0, before),
                silence_after=max(0.0, after),
                turn=turn,
                opens=(before >= BREAK or turn or at == 0) if draft else piece.opens and ended_before,
                closes=(after >= BREAK or turn_after or last) if draft else lexicon.ends_sentence(text),
                question=lexicon.is_question(text),
                words=said,
                terms=tuple(lexicon.terms(text, language)),
                loudness=loudness,
                onset=level.over(starts[at], min(ends[at], starts[at] + 1.0))[0],
                peaks=peaks,
                rate=max(-3.0, min(3.0, (rates[at] - usual) / spread)),
                sure=fmean(word.confidence for word in piece.words),
            )
        )
    return tuple(units)


def _changes(before: str | None, after: str | None) -> bool:
    return before is not None and after is not None and before != after
