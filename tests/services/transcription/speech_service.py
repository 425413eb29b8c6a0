"""A real speech service that speaks OpenAI's protocol, with the very small Whisper behind it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, File, Form, Header, Response, UploadFile
from fastapi.responses import JSONResponse
from faster_whisper import WhisperModel
from faster_whisper.transcribe import Segment

from tests.factories.services import served

NAMES = {"en": "english", "de": "german"}


@dataclass
class SpeechService:
    """What the service has been asked, and what it answers before it does any work: (status, headers, body) each."""

    key: str = "sk-tests-only"
    url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    first: list[tuple[int, dict[str, str], dict[str, Any]]] = field(default_factory=list)
    says: dict[str, Any] | None = None  # instead of what the model hears

    @classmethod
    @contextmanager
    def running(cls, folder: Path) -> Iterator[SpeechService]:
        """Serve until the block ends."""
        service = cls()
        with served(_app(service, WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=1))) as url:
            service.url = f"{url}/v1"
            yield service


def _app(service: SpeechService, whisper: WhisperModel) -> FastAPI:
    app = FastAPI()

    def answer(task: str, file: UploadFile, authorization: str, form: dict[str, Any]) -> Response:
        sound = file.file.read()
        service.asked.append({"task": task, "size": len(sound), "name": file.filename, **form})
        if authorization != f"Bearer {service.key}":
            return JSONResponse({"error": {"message": "Incorrect API key provided"}}, status_code=401)
        if service.first:
            status, headers, body = service.first.pop(0)
            return JSONResponse(body, status_code=status, headers=headers)
        return JSONResponse(service.says or _heard(whisper, sound, task, form))

    @app.post("/v1/audio/transcriptions")
    def transcriptions(
        file: Annotated[UploadFile, File()],
        model: Annotated[str, Form()],
        response_format: Annotated[str, Form()],
        authorization: Annotated[str, Header()] = "",
        language: Annotated[str | None, Form()] = None,
        prompt: Annotated[str | None, Form()] = None,
        granularities: Annotated[list[str] | None, Form(alias="timestamp_granularities[]")] = None,
    ) -> Response:
        form = {"model": model, "format": response_format, "language": language, "prompt": prompt}
        return answer("transcribe", file, authorization, {**form, "granularities": granularities or []})

    @app.post("/v1/audio/translations")
    def translations(
        file: Annotated[UploadFile, File()],
        model: Annotated[str, Form()],
        response_format: Annotated[str, Form()],
        authorization: Annotated[str, Header()] = "",
        prompt: Annotated[str | None, Form()] = None,
    ) -> Response:
        form = {"model": model, "format": response_format, "language": None, "prompt": prompt}
        return answer("translate", file, authorization, {**form, "granularities": []})

    return app


def _heard(whisper: WhisperModel, sound: bytes, task: str, form: dict[str, Any]) -> dict[str, Any]:
    """The shape of OpenAI's verbose_json. Its words have no punctuation, and its language is an English word."""
    found, info = whisper.transcribe(
        io.BytesIO(sound),
        task=task,
        language=form["language"],
        hotwords=form["prompt"],
        word_timestamps="word" in form["granularities"],
        condition_on_previous_text=False,
        vad_filter=True,
    )
    segments: list[Segment] = list(found)
    return {
        "task": task,
        "language": NAMES[info.language],
        "duration": info.duration,
        "text": "".join(segment.text for segment in segments),
        "segments": [
            {"id": each.id, "start": each.start, "end": each.end, "text": each.text, "avg_logprob": each.avg_logprob}
            for each in segments
        ],
        "words": [
            {"word": word.word.strip(" .,?!"), "start": word.start, "end": word.end}
            for each in segments
            for word in each.words or ()
        ],
    }
