"""Which engine hears, and why: said plainly, because people pay for a draft with their patience."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from services.transcription.engines.hub import Hub, find, is_name
from services.transcription.engines.protocol import Quality
from services.transcription.settings import TranscriptionSettings

__all__ = ["Choice", "Named", "UnknownModel", "choose", "standing"]

Tell = Callable[[float, float], None]
Named = Literal["auto", "faster-whisper", "pocketsphinx", "hosted"]


class UnknownModel(ValueError):
    """What was asked for can't be the name of a model."""


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

    @property
    def network(self) -> bool:
        """Tell whether its child needs a network. No other engine's gets one."""
        return self.engine == "hosted"

    def hears(self, language: str) -> bool:
        """Tell whether it can transcribe a language; empty means whichever is spoken."""
        if self.engine == "pocketsphinx":
            return language in ("", "en")
        return True


def standing(settings: TranscriptionSettings, *, model: str | None = None, engine: Named | None = None) -> Choice:
    """The engine that the next recording gets, as far as that can be told without asking the hub.

    ``model`` and ``engine`` are what a request asks for instead of the settings. A model is asked for by its name, never by
    a folder; who may ask for which is for the caller to decide. Raises UnknownModel.
    """
    wanted = _Wanted.of(settings, model, engine)
    if wanted.engine == "pocketsphinx":
        return _draft(f"{wanted.asker} asks for it.", "Set speech_engine to auto.")
    if wanted.engine == "hosted":
        return _hosted(settings, wanted) or _draft(
            f"{wanted.asker} asks for a hosted engine, but speech_url names none.",
            "Set speech_url to the address of a speech service, such as http://host:8000/v1.",
        )
    if wanted.folder is not None:
        return _whisper(wanted.model, wanted.folder)
    hosted = _hosted(settings, wanted) if wanted.engine == "auto" else None
    return hosted or _draft(
        f"The speech model “{wanted.model}” is not on this machine{_hub_says(settings)}.", _advice(settings)
    )


def choose(
    settings: TranscriptionSettings,
    fetching: Tell,
    cancelled: Callable[[], bool],
    *,
    model: str | None = None,
    engine: Named | None = None,
) -> Choice:
    """The engine for a recording that waits: the model is fetched first where it is missing and the hub answers.

    ``fetching`` gets the bytes fetched and their total; the first time with 0 when fetching begins. For ``model`` and
    ``engine`` see ``standing``.
    """
    choice = standing(settings, model=model, engine=engine)
    wanted = _Wanted.of(settings, model, engine)
    if choice.engine != "pocketsphinx" or wanted.engine in ("pocketsphinx", "hosted"):
        return choice
    hub = _hub(settings)
    if hub.worth_asking() and hub.answers(wanted.model):
        fetching(0, 0)
        folder = hub.fetch(wanted.model, fetching, cancelled)
        if folder is not None:
            return _whisper(wanted.model, folder)
    return standing(settings, model=model, engine=engine)


@dataclass(frozen=True)
class _Wanted:
    """What the settings or a request ask for. ``folder`` is where the model lies, if it does."""

    engine: Named
    model: str
    folder: Path | None
    asker: str
    named: bool  # a request names the model

    @classmethod
    def of(cls, settings: TranscriptionSettings, model: str | None, engine: Named | None) -> _Wanted:
        if model is not None and not is_name(model):
            raise UnknownModel(f"“{model}” is no name of a speech model.")
        name = model or settings.whisper_model
        return cls(
            engine or settings.speech_engine,
            name,
            find(name, settings.models, folders=model is None),
            "The setting speech_engine" if engine is None else "The request",
            model is not None,
        )


def _hub(settings: TranscriptionSettings) -> Hub:
    return Hub(settings.hub_url, settings.models, patience=settings.hub_patience, retry=settings.hub_retry)


def _hub_says(settings: TranscriptionSettings) -> str:
    hub = _hub(settings)
    if hub.off():
        return ", and fetching models is switched off"
    if hub.problem():
        return f". {hub.problem().removesuffix('.')}"
    since = hub.silent_since()
    if since is None:
        return "; it will be fetched for the next recording"
    return f", and the model hub {settings.hub_url} has been unreachable since {since:%Y-%m-%d %H:%M} UTC"


def _advice(settings: TranscriptionSettings) -> str:
    return (
        f"Connect this machine to {settings.hub_url or 'a model hub'}, or put a CTranslate2 Whisper model into a folder and "
        "name it in CLIPSTEAD_WHISPER_MODEL: far fewer mistakes, and about a hundred languages."
    )


def _whisper(model: str, folder: Path) -> Choice:
    name = folder.name if "/" in model and Path(model).expanduser() == folder else model
    return Choice("faster-whisper", name, "standard", f"Its model lies in {folder}.", folder=folder)


def _hosted(settings: TranscriptionSettings, wanted: _Wanted) -> Choice | None:
    if not settings.speech_url:
        return None
    host = urlsplit(settings.speech_url).hostname
    return Choice(
        "hosted",
        wanted.model if wanted.named else settings.speech_model,
        "standard",
        f"The setting speech_url names the speech service at {host}, which gets the sound.",
    )


def _draft(reason: str, improve: str) -> Choice:
    return Choice("pocketsphinx", "en-us", "draft", reason, improve)
