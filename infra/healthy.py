"""End well if this container's process answers 200: ``python -IS healthy.py PORT PATH``.

A health check is a process of its own, every few seconds in every container. So it imports sockets alone: a tenth of
what an HTTP client costs.
"""

import socket
import sys

PATIENCE = 3.0  # seconds


def status(port: int, path: str) -> str:
    """The status code of a GET from this machine. Raises OSError where nobody answers."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        with connection.makefile("rb") as answer:
            words = answer.readline(200).split()
    return words[1].decode() if len(words) > 1 else "no answer"


if __name__ == "__main__":
    found = status(int(sys.argv[1]), sys.argv[2])
    sys.exit(None if found == "200" else found)
