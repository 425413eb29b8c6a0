"""The child that makes one transcript of what was heard chunk by chunk: joined, given speakers, cut into sentences."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from libs.process import child
from services.transcription.engines.chapters import proposed
from services.transcription.engines.diarizer import turns
from services.transcription.engines.marks import Mark, marked
from services.transcription.engines.names import Suggestion, suggestions
from services.transcription.engines.prints import Prints, joined
from services.transcription.engines.protocol import Quality, Region, Turn, Word
from services.transcription.engines.sentences import Sentence, attributed, sentences
from services.transcription.engines.stitching import stitched

__all__ = ["gather"]


def gather(request: dict[str, Any], tell: child.Tell) -> dict[str, Any]:
    """Make a transcript.

    Takes ``chunks``, a file with one JSON line for each in order: ``end``, ``regions``, ``words`` and ``prints`` as
    ``hear_child`` gives them; ``turns`` by channel or None; ``speakers``, ``quality`` and ``language``. Gives ``segments``,
    ``speakers`` and ``chapters`` in the words of the transcript contract.
    """
    tell({"gathering": True})
    parts: list[list[Word]] = []
    cuts: list[float] = []
    regions: list[Region] = []
    prints: list[Prints] = []
    with Path(request["chunks"]).open(encoding="utf-8") as lines:
        for chunk in map(json.loads, lines):
            parts.append([Word(*word) for word in chunk["words"]])
            cuts.append(chunk["end"])
            _extend(regions, [Region(*one) for one in chunk["regions"]])
            if chunk["prints"]:
                prints.append(Prints.unpacked(b64decode(chunk["prints"])))
    words = stitched(parts, cuts[:-1])
    who = (
        turns(joined(prints), regions, request["speakers"])
        if request["turns"] is None
        else [Turn(*turn) for turn in request["turns"]]
    )
    quality, language = request["quality"], request["language"]
    found = sentences(attributed(words, who), quality)
    labels = _labels(found)
    names = _names(found, language, quality)
    return {
        "segments": [_segment(sentence, labels, language) for sentence in found],
        "speakers": [_speaker(label, speaker, who, names.get(speaker)) for speaker, label in labels.items()],
        "chapters": [chapter._asdict() for chapter in proposed(found)],
    }


def _extend(regions: list[Region], more: Sequence[Region]) -> None:
    """Put a chunk's regions behind the others; what both chunks heard of one is one region."""
    for one in more:
        if regions and one.start <= regions[-1].end:
            regions[-1] = Region(regions[-1].start, max(regions[-1].end, one.end))
        else:
            regions.append(one)


def _names(found: Sequence[Sentence], language: str, quality: Quality) -> dict[int, Suggestion]:
    """The name with the most weight for each speaker."""
    best: dict[int, Suggestion] = {}
    for one in sorted(suggestions(found, language, quality), key=lambda suggestion: suggestion.weight):
        best[one.speaker] = one
    return best


def _labels(found: Sequence[Sentence]) -> dict[int, str]:
    """Labels of the speakers who say something, in the order in which they first do."""
    order = dict.fromkeys(sentence.speaker for sentence in found if sentence.speaker is not None)
    return {speaker: f"S{number}" for number, speaker in enumerate(order, 1)}


def _segment(sentence: Sentence, labels: dict[int, str], language: str) -> dict[str, Any]:
    marks = marked([word.text for word in sentence.words], language)
    return {
        "text": sentence.text,
        "start": sentence.words[0].start,
        "end": sentence.words[-1].end,
        "speaker": None if sentence.speaker is None else labels[sentence.speaker],
        "words": [_word(word, mark) for word, mark in zip(sentence.words, marks, strict=True)],
    }


def _word(word: Word, mark: Mark | None) -> dict[str, Any]:
    plain = {"text": word.text, "start": word.start, "end": word.end, "confidence": round(word.confidence, 3)}
    return plain if mark is None else plain | {"mark": mark}


def _speaker(label: str, speaker: int, turns: Sequence[Turn], name: Suggestion | None) -> dict[str, Any]:
    seconds = sum(turn.end - turn.start for turn in turns if turn.speaker == speaker)
    return {
        "label": label,
        "name": f"Speaker {label[1:]}",
        "seconds": round(seconds, 3),
        "suggestion": None if name is None else {"name": name.name, "quote": name.quote},
    }


if __name__ == "__main__":
    child.main(gather)
