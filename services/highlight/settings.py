"""Highlight's configuration."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from libs.settings import ServiceSettings, lazy


class HighlightSettings(ServiceSettings):
    """Where Ollama answers, if anywhere."""

    ollama_host: str = "http://127.0.0.1:11434"  # empty: never asked
    ollama_model: str = ""  # empty: the one that Ollama used last
    ollama_timeout: Annotated[float, Field(gt=0, le=900)] = 120.0  # seconds for a whole answer


settings = lazy(HighlightSettings)
