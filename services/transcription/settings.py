"""Transcription's configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr

from libs.settings import ServiceSettings, lazy


class TranscriptionSettings(ServiceSettings):
    """Which engine hears, and what it may use."""

    speech_engine: Literal["auto", "faster-whisper", "pocketsphinx", "hosted"] = "auto"
    whisper_model: str = "small"  # a name ("tiny" … "large-v3"), "owner/repository" on the hub, or a CTranslate2 folder
    whisper_device: Literal["auto", "cpu", "cuda"] = "auto"
    whisper_compute: str = "auto"  # CTranslate2's compute type; auto: the fastest that the hardware does well
    speech_url: str = (
        ""  # of a speech service that speaks OpenAI's protocol, such as "http://host:8000/v1"; empty: none
    )
    speech_model: str = "whisper-1"  # what that service calls its model
    speech_key: SecretStr = SecretStr("")  # what opens that service; empty: nothing is needed
    hub_url: str = "https://huggingface.co"  # empty: models are never fetched
    hub_patience: Annotated[float, Field(gt=0, le=30)] = 3.0  # seconds until the hub counts as unreachable
    hub_retry: Annotated[float, Field(ge=0)] = 3600.0  # seconds until an unreachable hub is tried again
    speech_workers: Annotated[int, Field(ge=0, le=64)] = (
        0  # processes that hear side by side; 0: one per core, at most 4
    )
    speech_chunk: Annotated[float, Field(ge=30, le=300)] = 240.0  # seconds of a recording that one job hears
    speech_memory: Annotated[int, Field(ge=1)] = 8 * 1024**3  # bytes of address space of an engine process

    @property
    def models(self) -> Path:
        """Where fetched models are kept, and what was learnt about the hub."""
        return self.home / "models"


settings = lazy(TranscriptionSettings)
