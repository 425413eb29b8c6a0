"""What can be set about ingest. Sizes in bytes, times in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from libs.settings import ServiceSettings, lazy

__all__ = ["IngestSettings", "settings"]

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
HOUR = 3600


class IngestSettings(ServiceSettings):
    """Limits of what comes in."""

    work_dir: Path = Path("ingest")  # under <home>/work; the HTTP process and the worker share it

    max_upload_size: Annotated[int, Field(gt=0)] = 10 * GIB
    upload_lifetime: Annotated[int, Field(gt=0)] = 24 * HOUR  # an upload without a byte for so long is dropped
    upload_idle: Annotated[float, Field(gt=0)] = 30.0  # a silent client loses its hold on an upload
    unfinished_uploads: Annotated[int, Field(gt=0)] = 100  # of one person at a time

    max_duration: Annotated[float, Field(gt=0)] = 12.0 * HOUR
    max_pixels: Annotated[int, Field(gt=0)] = 8192 * 4320  # of one frame
    max_frame_rate: Annotated[float, Field(gt=0)] = 300.0
    max_streams: Annotated[int, Field(gt=0)] = 32
    probe_deadline: Annotated[float, Field(gt=0)] = 300.0
    probe_memory: Annotated[int, Field(gt=0)] = 3 * GIB  # address space of the probing child

    max_import_size: Annotated[int, Field(gt=0)] = 10 * GIB
    import_deadline: Annotated[float, Field(gt=0)] = 2.0 * HOUR
    import_rate: Annotated[int, Field(ge=0)] = 4 * KIB  # bytes a second; slower than this over the window is given up
    import_rate_window: Annotated[float, Field(gt=0)] = 30.0
    import_memory: Annotated[int, Field(gt=0)] = 2 * GIB
    import_allow: Annotated[tuple[str, ...], NoDecode] = ()  # "host:port,…": private archives that may be imported from

    @field_validator("import_allow", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return (
            tuple(part.strip().lower() for part in value.split(",") if part.strip())
            if isinstance(value, str)
            else value
        )


settings = lazy(IngestSettings)
