"""The child that listens to a recording: sound in, segments out. Sees one file, has no network and a memory limit.

Heavy imports stand inside functions: the decoder processes import this module again when they start.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

from libs.process import child
from services.transcription.engines.marks import Mark, marked
from services.transcription.engines.names import Suggestion, suggestions
from services.transcription.engines.protocol import Engine, Heard, Quality, Region, Sound, Turn, Word
from services.transcription.engines.sentences import Sentence, attributed, sentences

__all__ = ["listen"]

BEAT = 0.5  # seconds between messages at least
LONGEST_BY_CHANNEL = 4 * 3600.0  # seconds: both channels of more than that are too much for the disk


class EndedEarly(Exception):
    """Sound is missing at the end, though the file itself is whole: trying again is right."""


def listen(request: dict[str, Any], tell: child.Tell) -> dict[str, Any]:
    """Transcribe one recording.

    Takes ``source``, ``container``, ``longest`` (seconds), ``scratch`` (a folder), ``engine``, ``language`` and
    ``speakers``. Tells ``{"looked": seconds}`` while decoding, then ``{"done", "total"}`` in seconds of speech. Gives
    ``duration``, ``missing`` (seconds at the end that a torn file promises and lacks), ``language``, ``segments``,
    ``speakers``, ``chapters`` and ``loudness`` in the words of the transcript contract, and ``language_confidence``,
    ``translation`` and the ``reason`` why the engine runs as it does.
    """
    with closing(_engine(request["engine"])) as engine:
        return _heard(request, engine, tell)


def _heard(request: dict[str, Any], engine: Engine, tell: child.Tell) -> dict[str, Any]:
    from services.transcription.engines import sound, voice
    from services.transcription.engines.chapters import proposed
    from services.transcription.engines.refining import refined

    samples_file = Path(request["scratch"]) / "sound.s16"
    looked = _Throttle(tell)
    try:
        decoded = sound.decode(
            Path(request["source"]), request["container"], samples_file, request["longest"], looked.seconds("looked")
        )
    except sound.NoAudio as error:
        raise child.Refuse(
            "no_audio", "This recording has no sound that can be played, so there is nothing to transcribe."
        ) from error
    except sound.Undecodable as error:
        raise child.Refuse(
            "undecodable", "The sound of this recording can't be decoded. Please export it again and hand that in."
        ) from error
    if decoded.cut_short and not decoded.torn:
        raise EndedEarly(f"{decoded.seconds:.1f} s were decoded of {decoded.promised:.1f} s")
    samples = sound.opened(samples_file)
    regions = voice.regions(samples, looked.seconds("looked"))
    total = sum(region.end - region.start for region in regions)
    tell({"done": 0.0, "total": total})
    with ThreadPoolExecutor(1) as beside:
        diarized = beside.submit(_turns, request, samples, regions)
        told = _Throttle(tell).seconds("done", total=total)
        heard = engine.transcribe(samples, regions, request["language"], told) if regions else Heard([], "und")
        turns = diarized.result()
    found = sentences(attributed(refined(heard.words, samples, regions), turns), engine.quality)
    labels = _labels(found)
    names = _names(found, heard.language, engine.quality)
    hop, levels = sound.loudness(samples)
    return {
        "duration": round(decoded.seconds, 3),
        "missing": round(decoded.promised - decoded.seconds, 3) if decoded.promised and decoded.cut_short else 0.0,
        "language": heard.language,
        "language_confidence": round(heard.language_confidence, 3),
        "translation": [passage._asdict() for passage in heard.translation],
        "reason": engine.reason,
        "segments": [_segment(sentence, labels, heard.language) for sentence in found],
        "speakers": [_speaker(label, speaker, turns, names.get(speaker)) for speaker, label in labels.items()],
        "chapters": [chapter._asdict() for chapter in proposed(found)],
        "loudness": {"hop": hop, "levels": levels},
    }


def _turns(request: dict[str, Any], samples: Sound, regions: Sequence[Region]) -> list[Turn]:
    """Who speaks when: by channel where each has a voice of its own, else by the voices themselves.

    Runs beside the engine, so it tells nothing.
    """
    from services.transcription.engines import sound
    from services.transcription.engines.channels import by_channel
    from services.transcription.engines.diarizer import BuiltIn

    if regions and request["speakers"] is None and request["longest"] <= LONGEST_BY_CHANNEL:
        both = Path(request["scratch"]) / "channels.s16"
        source, longest = Path(request["source"]), request["longest"]
        if sound.decode_channels(source, request["container"], both, longest, lambda _: None) is not None:
            turns = by_channel(*sound.opened_channels(both), lambda _: None)
            both.unlink()
            if turns is not None:
                return turns
    return BuiltIn().diarize(samples, regions, request["speakers"])


def _names(found: Sequence[Sentence], language: str, quality: Quality) -> dict[int, Suggestion]:
    """The name with the most weight for each speaker."""
    best: dict[int, Suggestion] = {}
    for one in sorted(suggestions(found, language, quality), key=lambda suggestion: suggestion.weight):
        best[one.speaker] = one
    return best


def _engine(wanted: dict[str, Any]) -> Engine:
    if wanted["name"] == "faster-whisper":
        from services.transcription.engines.whisper import FasterWhisper

        return FasterWhisper(
            wanted["model"], Path(wanted["folder"]), device=wanted["device"], compute=wanted["compute"]
        )
    if wanted["name"] == "hosted":
        from services.transcription.engines.hosted import Hosted

        return Hosted(wanted["url"], wanted["model"], wanted["key"])
    from services.transcription.engines.sphinx import PocketSphinx

    return PocketSphinx(wanted["workers"] or None)


class _Throttle:
    """Tells figures on, but not more often than anybody can read them."""

    def __init__(self, tell: child.Tell) -> None:
        self._tell = tell
        self._told = 0.0

    def seconds(self, key: str, **more: float) -> Any:
        """A function that tells a number of seconds under ``key``."""

        def tell(seconds: float) -> None:
            if time.monotonic() - self._told >= BEAT:
                self._told = time.monotonic()
                self._tell({key: seconds, **more})

        return tell


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
    child.main(listen)
