"""What the tiny Whisper hears and reads: a few sentences, synthesised by espeak-ng or spoken by people, with word times.

Needed only to make the model and the clips (``make_tiny_whisper.py``); tests read what those left behind.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from scipy.signal import resample_poly

RATE = 16_000
REAL = Path(__file__).resolve().parents[1] / "data" / "speech"

GERMAN = {  # with what it means, so that translating can be learnt
    "Die alte Uhr im Flur schlug sieben.": "The old clock in the hall struck seven.",
    "Sie trug einen Korb voller Äpfel zum Markt.": "She carried a basket of apples to the market.",
    "Niemand wusste, warum der Fluss grün geworden war.": "Nobody knew why the river had turned green.",
    "Bitte bring mir den blauen Brief aus der Küche.": "Please bring me the blue letter from the kitchen.",
    "Unser Zug fährt um zwölf, also sollten wir uns beeilen.": "Our train leaves at noon, so we should hurry.",
    "Ein kleiner Hund schlief unter dem Tisch.": "A small dog was sleeping under the table.",
}
ENGLISH = [
    *GERMAN.values(),
    "Did you hear the thunder last night?",
    "Catherine painted the whole fence yesterday.",
]
SPELLINGS = ("Catherine", "Kathryn")  # said alike: the second is written where a prompt spells it so
KENNEDY = (
    "And so, my fellow Americans, ask not what your country can do for you, ask what you can do for your country.",
)
AUSTEN = (
    "And Mr. John Dashwood had then leisure to consider how much there might be prudently in his power to do for them.",
    "He was not an ill disposed young man,",
    "unless to be rather cold hearted and rather selfish is to be ill disposed.",
    "Had he married a more amiable woman, he might have been made still more respectable than he was.",
    "He might even have been made amiable himself.",
)
TAUGHT = {"en": ("en-us+m3", "en-us+f2", "en+m7", "en+f4"), "de": ("de+m3", "de+f2", "de+m7", "de+f4")}
UNHEARD = {"en": ("en-us+f3", "en+m1"), "de": ("de+f3", "de+m1")}  # held out of the training
SPEEDS = (140, 165, 190)  # words per minute


class Spoken(NamedTuple):
    """A word with its punctuation, and when it is said: seconds from the start of its clip."""

    text: str
    start: float
    end: float


class Clip(NamedTuple):
    """One sentence: float32 samples at 16 kHz, without silence around."""

    sentence: str
    language: str
    voice: str
    samples: np.ndarray
    words: tuple[Spoken, ...]


class _Id(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),  # milliseconds
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    ]


_HEAR = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))
_SYNCHRONOUS, _WORD, _RATE_PARAMETER, _UTF8 = 2, 1, 1, 1


@cache
def _espeak() -> tuple[ctypes.CDLL, int]:
    library = ctypes.CDLL("libespeak-ng.so.1")
    return library, library.espeak_Initialize(_SYNCHRONOUS, 0, None, 0)


def synthesised(sentence: str, language: str, voice: str, speed: int) -> Clip:
    """Say a sentence with espeak-ng, which tells when each word begins."""
    library, rate = _espeak()
    pieces: list[np.ndarray] = []
    told: dict[int, float] = {}  # by the number of the word; espeak says "in the" in one go and tells it once

    def hear(wave: ctypes._Pointer[ctypes.c_short], count: int, events: ctypes._Pointer[_Event]) -> int:
        at = 0
        while events[at].type:
            if events[at].type == _WORD:
                number = len(sentence[: events[at].text_position - 1].split())
                told.setdefault(number, events[at].audio_position / 1000)
            at += 1
        if count:
            pieces.append(np.ctypeslib.as_array(wave, (count,)).copy())
        return 0

    callback = _HEAR(hear)
    library.espeak_SetSynthCallback(callback)
    if library.espeak_SetVoiceByName(voice.encode()):
        raise RuntimeError(f"espeak-ng has no voice {voice}")
    library.espeak_SetParameter(_RATE_PARAMETER, speed, 0)
    text = sentence.encode()
    library.espeak_Synth(text, len(text) + 1, 0, 1, 0, _UTF8, None, None)
    samples = resample_poly(np.concatenate(pieces).astype(np.float32) / 32768, RATE, rate).astype(np.float32)
    texts = sentence.split()
    letters = np.cumsum([0, *(len(text) for text in texts)])
    known = sorted(told)
    starts = np.interp(letters, [*letters[known], letters[-1]], [*(told[at] for at in known), len(samples) / RATE])
    return _trimmed(sentence, language, voice, samples, [*zip(texts, map(float, starts), strict=False)])


def _trimmed(sentence: str, language: str, voice: str, samples: np.ndarray, begun: list[tuple[str, float]]) -> Clip:
    """Cut the silence off both ends; a word ends where the next begins, or where the sound in it does."""
    loud = np.flatnonzero(np.abs(samples) > 0.01)
    first, last = loud[0], loud[-1] + 1
    offset = first / RATE
    bounds = [max(0.0, start - offset) for _, start in begun] + [(last - first) / RATE]
    samples = samples[first:last]
    words = []
    for (text, _), start, stop in zip(begun, bounds[:-1], bounds[1:], strict=True):
        piece = np.abs(samples[round(start * RATE) : round(stop * RATE)])
        sounding = np.flatnonzero(piece > 0.02)
        words.append(Spoken(text, start, start + (sounding[-1] + 1) / RATE if len(sounding) else stop))
    return Clip(sentence, language, voice, samples, tuple(words))


def decoded(path: Path) -> np.ndarray:
    """The samples of a 16 kHz mono file."""
    with av.open(str(path)) as media:
        frames = [frame.to_ndarray()[0] for frame in media.decode(audio=0)]
    return np.concatenate(frames).astype(np.float32) / 32768


def real() -> Iterator[Clip]:
    """Kennedy and Austen from the bundled recordings, with word times by forced alignment."""
    for name, sentences in (("kennedy", KENNEDY), ("austen", AUSTEN)):
        samples = decoded(REAL / f"{name}.flac")
        for sentence, words in aligned(samples, sentences):
            begin, end = max(0.0, words[0].start - 0.05), words[-1].end + 0.05
            inside = tuple(Spoken(word.text, word.start - begin, word.end - begin) for word in words)
            yield Clip(sentence, "en", name, samples[round(begin * RATE) : round(end * RATE)], inside)


def aligned(samples: np.ndarray, sentences: tuple[str, ...]) -> Iterator[tuple[str, list[Spoken]]]:
    """Sentences with their words and when they are said in a recording of nothing but those."""
    words = iter(_aligned(samples, " ".join(sentences).split()))
    for sentence in sentences:
        yield sentence, [next(words) for _ in sentence.split()]


def _aligned(samples: np.ndarray, texts: list[str]) -> list[Spoken]:
    from pocketsphinx import Decoder

    plain = [text.strip(".,?").lower().replace("mr", "mister") for text in texts]
    decoder = Decoder(samprate=RATE, lm=None, loglevel="FATAL")
    decoder.set_align_text(" ".join(plain))
    decoder.start_utt()
    decoder.process_raw((samples * 32767).astype(np.int16).tobytes(), full_utt=True)
    decoder.end_utt()
    found = [each for each in decoder.seg() if not each.word.startswith(("<", "["))]
    if len(found) != len(texts):
        raise RuntimeError("the alignment lost words")
    return [
        Spoken(text, each.start_frame / 100, (each.end_frame + 1) / 100)
        for text, each in zip(texts, found, strict=True)
    ]


def clips(voices: dict[str, tuple[str, ...]], speeds: tuple[int, ...] = SPEEDS) -> list[Clip]:
    """Every sentence by every voice at every speed."""
    return [
        synthesised(sentence, language, voice, speed)
        for language, sentences in (("en", ENGLISH), ("de", list(GERMAN)))
        for sentence in sentences
        for voice in voices[language]
        for speed in speeds
    ]
