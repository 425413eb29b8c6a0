"""Everything secret, made on the first ``up`` and kept in ``<home>/secrets``, one file each, readable by the owner alone.

Every process is told the paths of its own secrets (``CLIPSTEAD_<FIELD>_FILE``), never the secrets themselves, so that
neither a process list nor an environment shows them.
"""

from __future__ import annotations

import os
import secrets as random
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from libs.contracts.subscriptions import SERVICES

__all__ = ["Secrets", "make_key"]

GATEWAY = "gateway"

OWN: dict[str, tuple[str, ...]] = {GATEWAY: ("csrf_secret",), "auth": ("sealing_secret",), "stream": ("link_secret",)}
"""The secrets that a process has beside its signing key: names of fields in its settings."""


class Secrets:
    """The secrets folder of one platform."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.public_keys = folder / "service_keys"

    def prepare(self) -> None:
        """Make whatever is missing. What exists is kept: links, sessions and roles depend on it."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.public_keys.mkdir(mode=0o755, exist_ok=True)
        for name in ("postgres", "valkey", "relay", *SERVICES):
            self.password(name)
        for service in (*SERVICES, GATEWAY):
            self._service_key(service)
        for service, fields in OWN.items():
            for field in fields:
                self._kept(self.folder / service / field, _password)

    def password(self, name: str) -> str:
        """The password of a server, or of a service's database role."""
        return self._kept(self.folder / "passwords" / name, _password)

    def tell(self, process: str, field: str, value: str) -> None:
        """Write a setting that holds a secret (a database's URL) for one process."""
        _write(self.folder / process / field, value)

    def environment(self, process: str) -> dict[str, str]:
        """The variables by which a process finds its secrets."""
        folder = self.folder / process
        files = sorted(folder.iterdir()) if folder.is_dir() else []
        return {f"CLIPSTEAD_{file.name.upper()}_FILE": str(file) for file in files}

    def _service_key(self, service: str) -> None:
        private = self.folder / service / "service_key"
        text = self._kept(private, _private_key)
        public = self.public_keys / f"{service}.pub"
        if not public.exists():
            _write(public, _public_key(text))

    def _kept(self, path: Path, make: Callable[[], str]) -> str:
        if not path.exists():
            _write(path, make())
        return path.read_text()


def make_key() -> tuple[str, str]:
    """Make a service's Ed25519 key pair: private and public PEM."""
    private = _private_key()
    return private, _public_key(private)


def _password() -> str:
    return random.token_hex(32)


def _private_key() -> str:
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem.decode()


def _public_key(private: str) -> str:
    key = serialization.load_pem_private_key(private.encode(), password=None).public_key()
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def _write(path: Path, text: str) -> None:
    """Put a whole file in place at once: a crash leaves the old one or none, never a half."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    fresh.replace(path)
