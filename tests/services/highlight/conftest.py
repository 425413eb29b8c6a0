"""Transcripts to look for moments in, and a server that speaks Ollama's API."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any
from uuid import UUID

import pytest

from libs.contracts.transcripts import Loudness, Segment, Speaker, Transcript, Word
from tests.factories.loopback import LoopbackServer

TALK = [
    # pause before (s), speaker, words
    (0.4, "S1", "Welcome back to the workshop, everybody."),
    (0.3, "S1", "So, um, today we continue with the ordinary list of things."),
    (0.2, "S1", "And then there was the usual paperwork, which nobody enjoys."),
    (1.2, "S2", "Why do most rockets never leave the ground?"),
    (0.4, "S1", "Because three engines out of four fail their very first test!"),
    (0.3, "S1", "Fuel freezes in the valves, and the pumps tear themselves apart."),
    (0.3, "S2", "That is terrifying, and it is also the best part of the job."),
    (0.9, "S1", "Nobody tells you how loud silence is when an engine stops."),
    (1.1, "S1", "Let me go back to the schedule for a moment."),
    (0.2, "S1", "It has a number of items and they are in no particular order."),
    (0.3, "S1", "We move the chairs, we count the chairs, we write the chairs down."),
    (0.2, "S1", "Then it is the same again with the tables on the other side."),
    (1.4, "S2", "What was the one mistake that you would never make again?"),
    (0.5, "S1", "I trusted the weather report and launched into a thunderstorm!"),
    (0.2, "S1", "Lightning hit the tower twice, and we lost two million dollars of fuel."),
    (0.3, "S2", "And you still came back the next morning?"),
    (0.3, "S1", "Always come back the next morning."),
    (1.5, "S1", "Okay, well, that is the list for today I guess."),
    (0.3, "S1", "There are some forms to sign near the door."),
    (0.2, "S1", "Thank you and see you next week."),
]
PACE = 0.32  # seconds a word, of which SPOKEN are sound
SPOKEN = 0.28


def transcript(
    talk: list[tuple[float, str | None, str]] | None = None, *, quality: str = "standard", language: str = "en"
) -> Transcript:
    """A transcript of lines of talk, and a loudness that follows the speech."""
    at = 0.0
    segments = []
    for pause, speaker, text in TALK if talk is None else talk:
        at += pause
        words = []
        for word in text.split():
            words.append(Word(text=word, start=round(at, 3), end=round(at + SPOKEN, 3), speaker=speaker))
            at += PACE
        segments.append(
            Segment(text=text, start=words[0].start, end=words[-1].end, speaker=speaker, words=tuple(words))
        )
        at = words[-1].end
    duration = round(at + 1.0, 3)
    levels = [-55.0] * int(duration * 10)
    for segment in segments:
        for hop in range(int(segment.start * 10), min(len(levels), int(segment.end * 10))):
            levels[hop] = -16.0 if "!" in segment.text else -24.0
    return Transcript(
        media_id=UUID(int=7),
        engine="scripted",
        model="none",
        quality=quality,
        language=language,
        duration=duration,
        segments=tuple(segments),
        speakers=(Speaker(label="S1", name="Speaker 1"), Speaker(label="S2", name="Speaker 2")),
        loudness=Loudness(hop=0.1, levels=tuple(levels)),
    )


class OllamaServer(LoopbackServer):
    """Speaks the two calls of Ollama's HTTP API that highlight uses. ``answer`` makes a reply's text of the question."""

    def __init__(self) -> None:
        self.models = ["tiny:latest"]
        self.answer: Callable[[dict[str, Any]], str] = lambda _: "{}"
        self.raw: Callable[[BaseHTTPRequestHandler], None] | None = None
        self.asked: list[dict[str, Any]] = []
        self.pause = 0.0  # seconds before each part
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                assert self.path == "/api/tags"
                body = json.dumps({"models": [{"model": name, "name": name} for name in outer.models]}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                assert self.path == "/api/chat"
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.asked.append(request)
                if outer.raw is not None:
                    outer.raw(self)
                    return
                text = outer.answer(json.loads(request["messages"][-1]["content"]))
                self.send_response(200)
                self.send_header("Content-Type", "application/x-ndjson")
                self.end_headers()
                for at in range(0, len(text), 40):
                    if outer.pause:
                        time.sleep(outer.pause)
                    self._part({"role": "assistant", "content": text[at : at + 40]}, done=False)
                self._part({"role": "assistant", "content": ""}, done=True)

            def _part(self, message: dict[str, str], *, done: bool) -> None:
                line = {"model": "tiny", "created_at": "2026-01-01T00:00:00Z", "message": message, "done": done}
                self.wfile.write(json.dumps(line).encode() + b"\n")
                self.wfile.flush()

            def log_message(self, *_: object) -> None:
                """Stay quiet."""

            def handle(self) -> None:
                try:
                    super().handle()
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True  # the caller gave up, as some tests want it to

        super().__init__(Handler)


@pytest.fixture
def ollama() -> Iterator[OllamaServer]:
    """An Ollama with one tiny model."""
    server = OllamaServer()
    yield server
    server.close()
