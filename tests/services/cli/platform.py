"""A small platform over real HTTP, to run the terminal client against: it takes uploads and can be told to misbehave."""

from __future__ import annotations

import base64
import json
import threading
from collections import Counter, defaultdict
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

VIDEO = b"\0\0\0\x18ftypmp42 not much of a video"
STAGES = ("receive", "check", "transcribe", "find", "render")
AT = "2026-01-01T00:00:{:02}+00:00"


def stage(name: str, index: int) -> dict[str, Any]:
    return {
        "name": name,
        "state": "done",
        "done": 10,
        "total": 10,
        "unit": "seconds",
        "eta": None,
        "detail": "",
        "started_at": AT.format(index),
        "finished_at": AT.format(index + 1),
        "engine": [{"engine": "x", "started_at": AT.format(index), "seconds": 0.5}],
    }


def view(media_id: str, **more: Any) -> dict[str, Any]:
    return {
        "id": media_id,
        "kind": "recording",
        "title": "A talk",
        "status": "ready",
        "problem": None,
        "media_type": "audio",
        "duration": 60.0,
        "width": None,
        "height": None,
        "start": None,
        "end": None,
        "score": None,
        "reason": "",
        "transcript": {"engine": "pocketsphinx", "quality": "draft", "words": 120, "speakers": 2},
        "chosen_by": "built-in",
        "stages": [stage(name, index) for index, name in enumerate(STAGES)],
    } | more


class Platform(ThreadingHTTPServer):
    """Its state, and what it was asked. ``trouble`` may answer a request in its own way, by returning True."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.data = bytearray()
        self.metadata: dict[str, str] = {}
        self.asked: Counter[str] = Counter()
        self.keys: dict[str, list[str]] = defaultdict(list)  # of each thing asked for: the Idempotency-Keys
        self.trouble: Callable[[Handler], bool] = lambda _: False
        self.recording = view("r1")
        self.clips = [
            view("c2", kind="clip", title="Second: a/b?", start=30.0, end=45.5, score=0.4, reason="Why not."),
            view("c1", kind="clip", title="First", start=1.0, end=20.0, score=0.6, reason="Good [bold]."),
        ]
        self.key = "csk_right"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(BaseHTTPRequestHandler):
    """The public API, as far as the client uses it."""

    server: Platform
    protocol_version = "HTTP/1.1"

    def _route(self) -> None:
        platform, path = self.server, self.path.partition("?")[0]
        self._body: bytes | None = None
        name = f"{self.command} {path}"
        platform.asked[name] += 1
        if key := self.headers.get("Idempotency-Key"):
            platform.keys[name].append(key)
        if platform.trouble(self):
            return
        signed_in = self.headers.get("Authorization") == f"Bearer {platform.key}"
        match path.removeprefix("/api/v1"):
            case "/session":
                self.reply({"user": None, "csrf_token": "t"})
            case "/auth/sign-up":
                self.reply({"user": {"email": self.json()["email"]}}, 201)
            case "/auth/api-keys":
                self.reply({"key": platform.key} if self.headers.get("X-CSRF-Token") == "t" else {}, 201)
            case _ if not signed_in and not path.startswith("/p/"):
                self.problem(401, "unauthenticated", "Sign in first.")
            case "/auth/me":
                self.reply({"user": {}})
            case "/uploads":
                pairs = (pair.split(" ") for pair in self.headers["Upload-Metadata"].split(","))
                platform.metadata = {key: base64.b64decode(value).decode() for key, value in pairs}
                self.reply(None, 201, Location="/api/v1/uploads/r1")
            case "/uploads/r1" if self.command == "HEAD":
                self.reply(None, 200, **{"Upload-Offset": str(len(platform.data))})
            case "/uploads/r1":
                assert int(self.headers["Upload-Offset"]) == len(platform.data)
                platform.data += self.body()
                self.reply(None, 204, **{"Upload-Offset": str(len(platform.data))})
            case "/imports":
                platform.metadata = self.json()
                self.reply({"id": "r1"}, 202)
            case "/library/r1/events":
                self.feed([platform.recording])
            case "/library":
                later = "cursor=next" in self.path
                self.reply(
                    {"items": platform.clips[later : later + 1], "next_cursor": None if later else "next", "total": 2}
                )
            case "/playback":
                grant = {"mime": "video/mp4", "width": 1080, "height": 1920, "duration": 19.0}
                self.reply({**grant, "url": f"/p/{self.json()['media_id']}", "poster_url": "/p/poster.jpg"})
            case "/shares":
                self.reply({"url": f"{platform.url}/s/{self.json()['media_id']}"}, 201)
            case "/media/r1/transcript.vtt":
                self.reply(b"WEBVTT\n")
            case _ if path.startswith("/p/"):
                self.reply(VIDEO)
            case _:
                self.problem(404, "not_found", "There is no such thing.")

    do_GET = do_POST = do_HEAD = do_PATCH = _route  # noqa: N815  http.server's names

    def body(self) -> bytes:
        if self._body is None:
            self._body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return self._body

    def json(self) -> Any:
        return json.loads(self.body())

    def reply(self, content: Any, status: int = 200, **headers: str) -> None:
        self.body()  # or the rest of it would be taken for the next request
        data = content if isinstance(content, bytes) else b"" if content is None else json.dumps(content).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def problem(self, status: int, code: str, detail: str) -> None:
        self.reply({"status": status, "code": code, "detail": detail}, status)

    def feed(self, views: list[dict[str, Any]]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b": heartbeat\n\n")
        for number, one in enumerate(views):
            self.wfile.write(f"event: media\nid: {number}\ndata: {json.dumps(one)}\n\n".encode())

    def log_message(self, *_: object) -> None:
        return
