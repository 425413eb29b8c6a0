"""Keeps what this service has to be able to read again (second factors, mails) unreadable to who has only the database."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from functools import cache

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from services.auth.settings import settings

__all__ = ["opened", "sealed"]


def sealed(content: bytes) -> bytes:
    """Encrypt and authenticate (Fernet)."""
    return _box(_secret()).encrypt(content)


def opened(content: bytes) -> bytes:
    """The content that was sealed. Raises cryptography.fernet.InvalidToken if it was not sealed with this secret."""
    return _box(_secret()).decrypt(content)


def _secret() -> str:
    chosen = settings()
    # Development alone may do without one: the settings see to that.
    return chosen.sealing_secret.get_secret_value() or chosen.service_key.get_secret_value()


@cache
def _box(secret: str) -> Fernet:
    key = HKDF(SHA256(), length=32, salt=None, info=b"clipstead auth sealing").derive(secret.encode())
    return Fernet(urlsafe_b64encode(key))
