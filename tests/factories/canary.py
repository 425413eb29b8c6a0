"""A listener where the hostile files point. Nobody may ever come."""

from __future__ import annotations

import fcntl
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PORT = 18080  # written into the files
LOCK = Path(tempfile.gettempdir()) / "clipstead-canary.lock"  # two test processes may want the port


@contextmanager
def listening() -> Iterator[list[object]]:
    """Listen for as long as the block lasts; the list holds whoever came."""
    hits: list[object] = []
    done = threading.Event()
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with socket.create_server(("127.0.0.1", PORT)) as canary:
            canary.settimeout(0.1)

            def listen() -> None:
                while not done.is_set():
                    try:
                        connection, address = canary.accept()
                    except TimeoutError:
                        continue
                    hits.append(address)
                    connection.close()

            listener = threading.Thread(target=listen)
            listener.start()
            try:
                yield hits
            finally:
                done.set()
                listener.join()
