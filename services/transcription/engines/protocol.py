"""What engines take and give. Sound is 16 kHz mono int16; times are seconds from the start of the recording.

Light on purpose: service processes import this too, so NumPy is named for the type checker alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "NOTHING_MORE",
    "RATE",
    "Ask",
    "Diarizer",
    "Engine",
    "Heard",
    "Passage",
    "Quality",
    "Region",
    "Sound",
    "Tell",
    "Turn",
    "Word",
]

RATE = 16_000  # Hz: what every speech model here was trained on

Quality = Literal["standard", "draft"]
Sound: TypeAlias = "NDArray[np.int16]"

Tell = Callable[[float], None]
"""Called with the seconds of speech done so far; never decreases."""


class Region(NamedTuple):
    """A stretch in which somebody speaks."""

    start: float
    end: float


class Turn(NamedTuple):
    """A stretch in which one speaker speaks. ``speaker`` is an index from 0, in order of first appearance.

    Turns of different speakers overlap where both are known to speak: so far only where each has a channel of their own.
    """

    start: float
    end: float
    speaker: int


class Word(NamedTuple):
    """One word as heard. ``text`` carries its punctuation and no surrounding space."""

    text: str
    start: float
    end: float
    confidence: float  # 0 to 1
    speaker: int | None = None


class Passage(NamedTuple):
    """Some words of a translation. ``text`` has no surrounding space."""

    start: float
    end: float
    text: str


class Ask(NamedTuple):
    """What is wanted of an engine besides the words. An engine that can't do one of these leaves it undone."""

    prompt: str = ""  # text in the style of the recording, as if it had been said before
    hotwords: tuple[str, ...] = ()  # names and terms that occur, as they are to be spelt
    translate: bool = False  # into English, beside the words


NOTHING_MORE = Ask()


class Heard(NamedTuple):
    """What an engine made of a recording: words in order, inside the regions, none overlapping the next."""

    words: list[Word]
    language: str  # BCP 47
    language_confidence: float = 1.0  # 0 to 1; 1 where the language was given, or is the only one that the engine knows
    translation: tuple[Passage, ...] = ()  # in order; none where it was not asked for, or English is spoken


class Engine(Protocol):
    """Speech to text.

    ``reason`` tells people how it runs here, and why so: on which hardware, in which numbers, or on whose machine.
    """

    name: str
    model: str
    quality: Quality
    reason: str

    def transcribe(
        self, sound: Sound, regions: Sequence[Region], language: str, tell: Tell, ask: Ask = NOTHING_MORE
    ) -> Heard:
        """Hear the words in the regions. ``language`` may be empty: detect it, or use the only one known."""
        ...

    def close(self) -> None:
        """Give back memory and processes."""
        ...


class Diarizer(Protocol):
    """Who speaks when."""

    name: str

    def diarize(self, sound: Sound, regions: Sequence[Region], speakers: int | None = None) -> list[Turn]:
        """Cut the regions into turns. ``speakers`` is their number where it is known."""
        ...
