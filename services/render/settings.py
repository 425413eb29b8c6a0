"""Render's configuration."""

from __future__ import annotations

from typing import Literal

from libs.settings import ServiceSettings, lazy


class RenderSettings(ServiceSettings):
    """How much work goes into a file."""

    # x264's own names. Each step slower makes files some 10 % smaller for about half as much time again.
    render_effort: Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium"] = "veryfast"


settings = lazy(RenderSettings)
