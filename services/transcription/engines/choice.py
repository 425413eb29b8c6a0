"""Which engine hears, and why: said plainly, because people pay for a draft with their patience."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from services.transcription.engines.hub import Hub, find
from services.transcription.engines.protocol import Quality
from services.transcription.settings import TranscriptionSettings

__all__ = ["Choice", "choose", "standing"]

Tell = Callable[[float, float], None]


@dataclass(frozen=True)
class Choice:
    """An engine, and what speaks for it. ``folder`` holds the model of faster-whisper."""

    engine: str
    model: str
    quality: Quality
    reason: str
    improve: str = ""  # what would make it better; empty: nothing that we know of
    folder: Path | None = None

    @property
    def label(self) -> str:
        """For people: "PocketSphinx, draft quality"."""
        return "PocketSphinx, draft quality" if self.quality == "draft" else f"Whisper {self.model}"

    def hears(self, language: str) -> bool:
        """Tell whether it can transcribe a language; empty means whichever is spoken."""
        if self.engine == "pocketsphinx":
            return language in ("", "en")
        return True


def standing(settings: TranscriptionSettings) -> Choice:
    """The engine that the next recording gets, as far as that can be told without asking the hub."""
    if settings.speech_engine == "pocketsphinx":
        return _draft("The setting speech_engine asks for it.", "Set speech_engine to auto.")
    folder = find(settings.whisper_model, settings.models)
    if folder is not None:
        return _whisper(settings, folder)
    return _draft(
        f"The speech model “{settings.whisper_model}” is not on this machine{_hub_says(settings)}.", _advice(settings)
    )


def choose(settings: TranscriptionSettings, fetching: Tell, cancelled: Callable[[], bool]) -> Choice:
    """The engine for a recording that waits: the model is fetched first where it is missing and the hub answers.

    ``fetching`` gets the bytes fetched and their total; the first time with 0 when fetching begins.
    """
    choice = standing(settings)
    if choice.engine == "faster-whisper" or settings.speech_engine == "pocketsphinx":
        return choice
    hub = _hub(settings)
    if hub.worth_asking() and hub.answers(settings.whisper_model):
        fetching(0, 0)
        folder = hub.fetch(settings.whisper_model, fetching, cancelled)
        if folder is not None:
            return _whisper(settings, folder)
    return standing(settings)


def _hub(settings: TranscriptionSettings) -> Hub:
    return Hub(settings.hub_url, settings.models, patience=settings.hub_patience, retry=settings.hub_retry)


def _hub_says(settings: TranscriptionSettings) -> str:
    hub = _hub(settings)
    if hub.off():
        return ", and fetching models is switched off"
    since = hub.silent_since()
    if since is None:
        return "; it will be fetched for the next recording"
    return f", and the model hub {settings.hub_url} has been unreachable since {since:%Y-%m-%d %H:%M} UTC"


def _advice(settings: TranscriptionSettings) -> str:
    return (
        f"Connect this machine to {settings.hub_url or 'a model hub'}, or put a CTranslate2 Whisper model into a folder and "
        "name it in CLIPSTEAD_WHISPER_MODEL: far fewer mistakes, and about a hundred languages."
    )


def _whisper(settings: TranscriptionSettings, folder: Path) -> Choice:
    model = settings.whisper_model
    name = folder.name if "/" in model and Path(model).expanduser() == folder else model
    return Choice("faster-whisper", name, "standard", f"Its model lies in {folder}.", folder=folder)


def _draft(reason: str, improve: str) -> Choice:
    return Choice("pocketsphinx", "en-us", "draft", reason, improve)
