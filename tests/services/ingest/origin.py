"""A web server on loopback with every bad habit that an import has to survive."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Origin(ThreadingHTTPServer):
    """Serves ``files`` by path and misbehaves below ``/bad/``; ``paths`` is what was asked of it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, tuple[bytes, str]] = {}
        self.redirects: dict[str, str] = {}
        self.failing: dict[str, int] = {}  # path -> how many 503 it still answers
        self.paths: list[str] = []
        self.closing = threading.Event()

    @property
    def authority(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    def url(self, path: str) -> str:
        return f"http://{self.authority}{path}"

    def serve(self, path: str, file: Path, mime: str = "video/mp4") -> str:
        self.files[path] = (file.read_bytes(), mime)
        return self.url(path)


class _Handler(BaseHTTPRequestHandler):
    server: Origin

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        path = self.path
        self.server.paths.append(path)
        if path in self.server.redirects:
            return self._head(302, {"Location": self.server.redirects[path], "Content-Length": "0"})
        if self.server.failing.get(path, 0) > 0:
            self.server.failing[path] -= 1
            return self._head(503, {"Content-Length": "0"})
        if path == "/bad/hang.mp4":
            self.server.closing.wait(60)
            return None
        if path in {"/bad/endless.mp4", "/bad/slow.mp4"}:
            self._head(200, {"Content-Type": "video/mp4"})
            return self._drip(path) if with_body else None
        if path.startswith("/bad/status/"):
            return self._head(int(path.rpartition("/")[2]), {"Content-Length": "0"})
        if path not in self.server.files:
            return self._head(404, {"Content-Length": "0"})
        body, mime = self.server.files[path]
        self._head(200, {"Content-Type": mime, "Content-Length": str(len(body))})
        if with_body:
            self.wfile.write(body)
        return None

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _drip(self, path: str) -> None:
        self.wfile.write(b"\x00\x00\x00\x18ftypisom" + bytes(1000))
        slow = path == "/bad/slow.mp4"
        while not self.server.closing.wait(0.3 if slow else 0):
            try:
                self.wfile.write(b"x" if slow else bytes(65536))
            except OSError:
                return

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def origin() -> Iterator[Origin]:
    with Origin() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.closing.set()
        server.shutdown()
        thread.join()
