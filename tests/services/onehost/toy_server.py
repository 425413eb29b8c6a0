"""Answers 200 to everything, and writes its life into ``HOME/history``: ``toy_server.py HOME NAME PORT``."""

import http.server
import signal
import subprocess
import sys
from pathlib import Path

home, name, port = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])


def note(what: str) -> None:
    with (home / "history").open("a") as history:
        history.write(f"{name} {what}\n")


def stop(*_: object) -> None:
    note("stops")
    raise SystemExit(0)


signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGUSR1, lambda *_: note("does not want to stop"))
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
(home / f"{name}.child").write_text(str(child.pid))
note("starts")


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


http.server.ThreadingHTTPServer.allow_reuse_address = True
http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
