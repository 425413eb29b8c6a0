"""A speech service on another machine that speaks OpenAI's protocol: ``POST …/audio/transcriptions``, multipart.

Many do (vLLM, speaches, LocalAI, OpenAI's own), each a little differently: words may come without times or punctuation, or
not at all; languages by code or in English. What is missing is made good here from what there is.
"""

from __future__ import annotations

import io
import math
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import SequenceMatcher
from email.utils import parsedate_to_datetime
from typing import Any

import av
import httpx
import numpy as np

from libs.patience import TryLater, backoff
from libs.process.child import Refuse
from services.transcription.engines import languages
from services.transcription.engines.protocol import (
    NOTHING_MORE,
    RATE,
    Ask,
    Heard,
    Passage,
    Quality,
    Region,
    Sound,
    Tell,
    Word,
)
from services.transcription.engines.utterances import utterances

__all__ = ["Hosted"]

WINDOW = 300.0  # seconds sent at a time: 9.6 MB before compression, where services take 25
JOIN = 2.0  # seconds: pauses below this are sent along
TRIES = 6
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0  # seconds between tries
LONGEST_WISH = 90.0  # seconds that a service may ask to be left alone; more than that is a matter for another day
PATIENCE = httpx.Timeout(110.0, connect=10.0)  # seconds for an answer: less than until the child counts as stalled
AGAIN = frozenset({408, 409, 425, 429})  # and whatever begins with 5
UNSURE = 0.5  # confidence in a word of which the service does not tell any
MARKS = ".,;:!?…\"'“”‘’«»()[]¿¡"


class Hosted:
    """Speech to text by a service. It gets the sound of the regions, and nothing else of the recording.

    ``url`` is the base that ends in ``/v1``, ``key`` opens it where it needs one, ``model`` is its own name of a model.
    """

    name = "hosted"
    quality: Quality = "standard"

    def __init__(self, url: str, model: str, key: str = "") -> None:
        self.model = model
        self.reason = f"It runs at {httpx.URL(url).host}, which gets the sound."
        self._http = httpx.Client(
            base_url=url.rstrip("/") + "/", timeout=PATIENCE, headers={"Authorization": f"Bearer {key}"} if key else {}
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def transcribe(
        self, sound: Sound, regions: Sequence[Region], language: str, tell: Tell, ask: Ask = NOTHING_MORE
    ) -> Heard:
        """Hear the words in the regions.

        Raises Refuse where the service does not want us or the sound, and TryLater where it can't be reached or is busy,
        after several tries.
        """
        words: list[Word] = []
        passages: list[Passage] = []
        named: Counter[str] = Counter()
        done = 0.0
        for window in utterances(sound, regions, JOIN, WINDOW):
            said = self._asked("audio/transcriptions", _flac(sound, window), self._wishes(language, ask))
            words += _words(said, window)
            inside = [region for region in regions if window.start <= region.start < window.end]
            spoken = sum(region.end - region.start for region in inside)
            heard = language or languages.code(str(said.get("language", "")))
            named[heard] += round(spoken * 1000)
            if ask.translate and heard != "en":
                passages += _passages(self._asked("audio/translations", _flac(sound, window), self._hints(ask)), window)
            done += spoken
            tell(done)
        if not named:
            return Heard([], language or "und")
        most, share = named.most_common(1)[0]
        return Heard(words, most, 1.0 if language else share / max(1, named.total()), tuple(passages))

    def _wishes(self, language: str, ask: Ask) -> dict[str, Any]:
        wishes = {**self._hints(ask), "timestamp_granularities[]": ["word", "segment"]}
        return {**wishes, "language": language} if language else wishes

    def _hints(self, ask: Ask) -> dict[str, Any]:
        prompt = " ".join(part for part in (", ".join(ask.hotwords), ask.prompt.strip()) if part)
        fields = {"model": self.model, "response_format": "verbose_json", "temperature": "0"}
        return {**fields, "prompt": prompt} if prompt else fields

    def _asked(self, path: str, flac: bytes, fields: dict[str, Any]) -> dict[str, Any]:
        for tries in range(TRIES):
            try:
                reply = self._http.post(path, data=fields, files={"file": ("speech.flac", flac, "audio/flac")})
            except httpx.TransportError as error:
                problem, wish = repr(error), 0.0
            else:
                if reply.is_success:
                    return _document(reply)
                problem, wish = f"it answered {reply.status_code}", _wish(reply)
                if reply.status_code not in AGAIN and reply.status_code < httpx.codes.INTERNAL_SERVER_ERROR:
                    raise Refuse("engine_failed", _refusal(reply, self._http.base_url.host))
            if wish > LONGEST_WISH:
                break
            if tries + 1 < TRIES:
                time.sleep(max(wish, backoff(tries, FIRST_PAUSE, LONGEST_PAUSE)))
        raise TryLater(f"the speech service at {self._http.base_url.host} can't be used: {problem}")


def _wish(reply: httpx.Response) -> float:
    """Seconds that the service asks to be left alone: Retry-After is a number of them, or a date (RFC 9110, 10.2.3)."""
    said = reply.headers.get("Retry-After", "")
    if said.isascii() and said.isdigit():
        return float(said)
    try:
        return max(0.0, (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return 0.0


def _document(reply: httpx.Response) -> dict[str, Any]:
    try:
        document = reply.json()
    except ValueError:
        document = None
    if not isinstance(document, dict) or not isinstance(document.get("text", ""), str):
        raise Refuse(
            "engine_failed", f"What answers at {reply.url} is no speech service. Please look at the setting speech_url."
        )
    return document


def _refusal(reply: httpx.Response, host: str) -> str:
    if reply.status_code in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
        return f"The speech service at {host} does not accept our key. Please look at the setting speech_key."
    if reply.status_code == httpx.codes.NOT_FOUND:
        return (
            f"The speech service at {host} knows no such address or model. "
            "Please look at the settings speech_url and speech_model."
        )
    try:
        said = reply.json()["error"]["message"]
    except (ValueError, KeyError, TypeError):
        said = reply.text
    return f"The speech service at {host} refuses this sound ({reply.status_code}): {str(said).strip()[:200]}"


def _flac(sound: Sound, span: Region) -> bytes:
    """The sound of a span as a FLAC file."""
    target = io.BytesIO()
    samples = np.ascontiguousarray(sound[round(span.start * RATE) : round(span.end * RATE)])
    with av.open(target, "w", format="flac") as file:
        track = file.add_stream("flac", rate=RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate = RATE
        for packet in (*track.encode(frame), *track.encode(None)):
            file.mux(packet)
    return target.getvalue()


# what it says -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Segment:
    """Some text of the answer, with times in the recording."""

    text: str
    start: float
    end: float
    confidence: float


def _segments(said: dict[str, Any], window: Region) -> list[_Segment]:
    """Its segments; all of its text as one where it has none."""
    found = [
        _Segment(
            str(each.get("text", "")).strip(),
            _inside(window.start + float(each["start"]), window),
            _inside(window.start + float(each["end"]), window),
            min(1.0, math.exp(min(0.0, float(each["avg_logprob"])))) if "avg_logprob" in each else UNSURE,
        )
        for each in said.get("segments") or ()
        if isinstance(each, dict) and "start" in each and "end" in each
    ]
    found = [each for each in found if each.text]
    text = str(said.get("text", "")).strip()
    return found or ([_Segment(text, *window, UNSURE)] if text else [])


def _passages(said: dict[str, Any], window: Region) -> list[Passage]:
    return [Passage(each.start, each.end, each.text) for each in _segments(said, window)]


def _words(said: dict[str, Any], window: Region) -> list[Word]:
    """The words of the segments' text, which has the punctuation, at the times of the words, which often have none."""
    timed = [
        (str(each.get("word", "")), window.start + float(each["start"]), window.start + float(each["end"]), each)
        for each in said.get("words") or ()
        if isinstance(each, dict) and each.get("start") is not None and each.get("end") is not None
    ]
    segments = _segments(said, window)
    written = [(text, segment) for segment in segments for text in segment.text.split()]
    matcher = SequenceMatcher(
        None, [_bare(text) for text, _ in written], [_bare(each[0]) for each in timed], autojunk=False
    )
    times: dict[int, tuple[float, float, float]] = {}
    for block in matcher.get_matching_blocks():
        for step in range(block.size):
            _, start, end, each = timed[block.b + step]
            sure = float(each.get("probability", written[block.a + step][1].confidence))
            times[block.a + step] = (_inside(start, window), _inside(end, window), min(1.0, max(0.0, sure)))
    return list(_in_order(_placed(written, times)))


def _placed(written: Sequence[tuple[str, _Segment]], times: dict[int, tuple[float, float, float]]) -> Iterator[Word]:
    """Words without times share, by their letters, the room between the words around them in their segment."""
    at = 0
    while at < len(written):
        text, segment = written[at]
        if at in times:
            start, end, sure = times[at]
            yield Word(text, start, max(start, end), sure)
            at += 1
            continue
        last = at
        while last < len(written) and written[last][1] is segment and last not in times:
            last += 1
        before, after = written[max(0, at - 1)][1], written[min(last, len(written) - 1)][1]
        low = times[at - 1][1] if before is segment and at - 1 in times else segment.start
        high = max(low, times[last][0] if after is segment and last in times else segment.end)
        letters = [len(written[number][0]) + 1 for number in range(at, last)]
        edges = low + (high - low) * np.cumsum([0, *letters]) / sum(letters)
        for number, start, end in zip(range(at, last), edges[:-1], edges[1:], strict=True):
            yield Word(written[number][0], float(start), float(end), segment.confidence)
        at = last


def _in_order(words: Iterator[Word]) -> Iterator[Word]:
    """No word before the one that is written before it, none beyond the next."""
    held: Word | None = None
    for word in words:
        if held is None:
            held = word
            continue
        start = max(word.start, held.start)
        yield held._replace(end=min(held.end, max(held.start, start)))
        held = word._replace(start=start, end=max(start, word.end))
    if held is not None:
        yield held


def _bare(text: str) -> str:
    return text.strip().strip(MARKS).casefold()


def _inside(moment: float, window: Region) -> float:
    return min(max(moment, window.start), window.end)
