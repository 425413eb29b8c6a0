"""What surrounds the supervisor: ports, secrets, logs, and the command line."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from infra.onehost import logs, ports
from infra.onehost.place import REPOSITORY, Place
from infra.onehost.secrets import Secrets
from infra.onehost.topology import PORTS, topology
from libs.contracts.subscriptions import SERVICES, SUBSCRIPTIONS


def clipstead(home: Path, port: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"CLIPSTEAD_HOME": str(home), "CLIPSTEAD_PORT": str(port)}
    return subprocess.run(
        [sys.executable, "-m", "infra.onehost", *arguments],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_taken_port_is_said_with_who_wants_it_who_has_it_and_what_to_set(tmp_path: Path) -> None:
    with socket.socket() as mine:
        mine.bind(("127.0.0.1", 0))
        mine.listen()
        port = mine.getsockname()[1]
        base = port - PORTS["catalog"][0]
        told = clipstead(tmp_path, base, "up")
    assert told.returncode == 1
    expected = rf"Port {port} is in use by \S+ \(process {os.getpid()}\), and catalog wants it\."
    assert re.search(expected, told.stderr), told.stderr
    assert "CLIPSTEAD_PORT" in told.stderr
    assert not (tmp_path / "postgres" / "postmaster.pid").exists()


def test_a_connection_that_lingers_does_not_take_a_port() -> None:
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            accepted, _ = server.accept()
            accepted.close()  # the side that closes first keeps the port in TIME_WAIT
    assert ports.taken([("x", port)]) == []


@pytest.mark.parametrize("port", ["http", "0", "70000", "-3"])
def test_a_port_that_can_not_be_is_refused(port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIPSTEAD_PORT", port)
    with pytest.raises(ValueError, match="CLIPSTEAD_PORT"):
        Place.from_environment()


def test_nothing_runs_in_an_empty_home(tmp_path: Path) -> None:
    assert clipstead(tmp_path, 3000, "status").returncode == 3
    stopped = clipstead(tmp_path, 3000, "down")
    assert (stopped.returncode, stopped.stdout) == (0, "Clipstead is not running.\n")


def test_secrets_are_kept_and_are_nobody_elses(tmp_path: Path) -> None:
    secrets = Secrets(tmp_path / "secrets")
    secrets.prepare()
    first = {file: file.read_bytes() for file in sorted(secrets.folder.rglob("*")) if file.is_file()}
    secrets.prepare()
    assert {file: file.read_bytes() for file in sorted(secrets.folder.rglob("*")) if file.is_file()} == first
    assert {oct(file.stat().st_mode & 0o777) for file in first} == {"0o600"}
    assert secrets.folder.stat().st_mode & 0o077 == 0
    assert len(set(first.values())) == len(first)  # no two are alike


def test_each_service_signs_with_its_own_key(tmp_path: Path) -> None:
    secrets = Secrets(tmp_path)
    secrets.prepare()
    for service in (*SERVICES, "gateway"):
        private = serialization.load_pem_private_key((tmp_path / service / "service_key").read_bytes(), None)
        public = private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        assert (secrets.public_keys / f"{service}.pub").read_bytes() == public


def test_no_process_is_told_anothers_secrets(tmp_path: Path) -> None:
    place = Place(tmp_path)
    Secrets(place.secrets).prepare()
    for process in topology(place):
        service = process.name.removesuffix("-worker")
        told = [
            value for name, value in process.program.env.items() if name.endswith("_FILE") and str(tmp_path) in value
        ]
        assert all(Path(path).parent == place.secrets / service for path in told), process.name


def test_every_listener_has_a_worker_and_no_two_share_a_port() -> None:
    listeners = {service for services in SUBSCRIPTIONS.values() for service in services}
    assert {name for name, (_, worker) in PORTS.items() if worker} >= listeners
    offsets = [offset for pair in PORTS.values() for offset in pair if offset is not None]
    assert len(offsets) == len(set(offsets))


def test_a_long_log_is_moved_while_it_is_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "LARGEST", 100)
    log = tmp_path / "render.log"
    follower = logs.Follower(lambda: [log] if log.exists() else [])
    with log.open("a", buffering=1) as writer:
        writer.write("old\n" * 50)
        assert len(follower.new_lines()) == 50
        logs.cap(tmp_path)
        assert log.stat().st_size == 0
        assert (tmp_path / "render.log.1").read_text() == "old\n" * 50
        writer.write("new\nhalf a li")
        assert follower.new_lines() == [(log, "new")]
        writer.write("ne\n")
        assert follower.new_lines() == [(log, "half a line")]
    assert logs.last_lines(log, 1) == ["half a line"]
    assert logs.last_lines(tmp_path / "none.log", 5) == []
