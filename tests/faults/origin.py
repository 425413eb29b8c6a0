"""The sites that recordings are made for and imported from: real speech in small pieces, none like another."""

from __future__ import annotations

import io
import secrets
import threading
import wave
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import av
import numpy as np

from tests.factories.loopback import LoopbackServer

__all__ = ["Origin", "speech"]

SPEECH = Path(__file__).resolve().parents[1] / "data" / "speech" / "kennedy.flac"
RATE = 16_000


class _Samples:
    """Eleven seconds of speech, decoded once."""

    loaded: np.ndarray | None = None
    lock = threading.Lock()

    @classmethod
    def get(cls) -> np.ndarray:
        with cls.lock:
            if cls.loaded is None:
                resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
                with av.open(str(SPEECH)) as source:
                    frames = [part for frame in source.decode(audio=0) for part in resampler.resample(frame)]
                cls.loaded = np.concatenate([frame.to_ndarray()[0] for frame in frames])
            return cls.loaded


def speech(start: float, seconds: float) -> bytes:
    """A WAV file with some real speech; its last samples are noise, so that no two files are alike."""
    samples = _Samples.get()
    first = int(start * RATE) % (len(samples) - int(seconds * RATE))
    data = samples[first : first + int(seconds * RATE)].tobytes()
    output = io.BytesIO()
    with wave.open(output, "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(data[:-16] + secrets.token_bytes(16))
    return output.getvalue()


class Origin:
    """A site with recordings to import: ``publish`` gives one an address."""

    def __init__(self) -> None:
        self._files: dict[str, bytes] = {}
        files = self._files

        class Site(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._answer(with_body=True)

            def do_HEAD(self) -> None:
                self._answer(with_body=False)

            def _answer(self, *, with_body: bool) -> None:
                data = files.get(self.path)
                self.send_response(200 if data else 404)
                self.send_header("Content-Type", "audio/wav")
                self.send_header("Content-Length", str(len(data or b"")))
                self.end_headers()
                if data and with_body:
                    self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = LoopbackServer(Site)
        self.netloc = self._server.url.removeprefix("http://")

    def publish(self, data: bytes) -> str:
        """Offer a recording; returns its URL."""
        path = f"/{secrets.token_hex(8)}.wav"
        self._files[path] = data
        return self._server.url + path

    def close(self) -> None:
        """Go offline."""
        self._server.close()
