"""The child that hears one chunk: sound in, words and voice prints out. Never sees the recording's own file.

Heavy imports stand inside functions: the decoder processes import this module again when they start.
"""

from __future__ import annotations

import time
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

from libs.process import child
from services.transcription.engines.protocol import Engine, Region

__all__ = ["hear"]

BEAT = 0.5  # seconds between messages at least


def hear(request: dict[str, Any], tell: child.Tell) -> dict[str, Any]:
    """Hear one chunk.

    Takes ``file`` (FLAC), ``at`` (when its sound begins, in seconds of the recording), ``regions`` (pairs, on the
    recording's clock), ``engine``, ``language``, and whether ``prints`` are wanted. Tells ``{"done": seconds of speech}``.
    Gives ``words`` (text, start, end, confidence), ``language``, ``language_confidence``, ``translation``, the ``reason``
    why the engine runs as it does, and ``prints`` (base64 of ``Prints.packed``, or None). All times are the recording's.
    """
    with closing(_engine(request["engine"])) as engine:
        return _heard(request, engine, tell)


def _heard(request: dict[str, Any], engine: Engine, tell: child.Tell) -> dict[str, Any]:
    from services.transcription.engines import sound
    from services.transcription.engines.prints import prints
    from services.transcription.engines.refining import refined

    samples, at = sound.read(Path(request["file"])), request["at"]
    regions = [Region(start - at, end - at) for start, end in request["regions"]]
    with ThreadPoolExecutor(1) as beside:
        printed = beside.submit(prints, samples, regions) if request["prints"] else None
        heard = engine.transcribe(samples, regions, request["language"], _Throttle(tell).seconds("done"))
        packed = None if printed is None else b64encode(printed.result().later(at).packed()).decode()
    return {
        "words": [
            [word.text, round(word.start + at, 3), round(word.end + at, 3), round(word.confidence, 3)]
            for word in refined(heard.words, samples, regions)
        ],
        "language": heard.language,
        "language_confidence": round(heard.language_confidence, 3),
        "translation": [
            {"text": one.text, "start": round(one.start + at, 3), "end": round(one.end + at, 3)}
            for one in heard.translation
        ],
        "reason": engine.reason,
        "prints": packed,
    }


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


if __name__ == "__main__":
    child.main(hear)
