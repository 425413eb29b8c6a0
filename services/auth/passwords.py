"""Passwords as Argon2id hashes (RFC 9106), a few at a time.

Each hash takes some twenty megabytes and as many milliseconds, on purpose. The bound on how many run at once is what keeps a
burst of sign-ins from becoming a burst of memory.
"""

from __future__ import annotations

import gzip
import secrets
import unicodedata
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from threading import BoundedSemaphore
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from libs.web.problems import Unavailable
from services.auth.settings import settings

__all__ = ["LONGEST", "SHORTEST", "hashed", "is_common", "outdated", "verify"]

T = TypeVar("T")

SHORTEST, LONGEST = 8, 256  # characters; what they are is nobody's business (NIST SP 800-63B, 3.1.1.2)


def hashed(password: str) -> str:
    """Hash a password with a fresh salt and the current parameters, in PHC string form. Raises Unavailable."""
    return _in_turn(lambda: _hasher().hash(_stable(password)))


def verify(password: str, stored: str | None) -> bool:
    """Check a password against a stored hash. Raises Unavailable.

    Without a hash (no such account) the same work is done against one that nothing matches, so that time tells nobody who
    has an account here.
    """

    def matches() -> bool:
        try:
            return _hasher().verify(stored or _nobody(), _stable(password))
        except VerifyMismatchError:
            return False

    return _in_turn(matches)


def outdated(stored: str) -> bool:
    """Tell whether a hash was made with other parameters than the current ones."""
    return _hasher().check_needs_rehash(stored)


def is_common(password: str) -> bool:
    """Tell whether a password is among those that everybody who guesses tries first (NIST SP 800-63B, 3.1.1.2)."""
    return _stable(password).lower() in _common()


@cache
def _common() -> frozenset[str]:
    packed = Path(__file__).parent / "data" / "common-passwords.txt.gz"
    return frozenset(
        word for word in gzip.decompress(packed.read_bytes()).decode().split("\n") if len(word) >= SHORTEST
    )


def _stable(password: str) -> str:
    """One form for a character that keyboards write in several (NIST SP 800-63B: NFKC)."""
    return unicodedata.normalize("NFKC", password)


def _hasher() -> PasswordHasher:
    chosen = settings()
    return PasswordHasher(chosen.argon2_time, chosen.argon2_memory, chosen.argon2_lanes)


def _nobody() -> str:
    """A hash by the current parameters that no password has: its tag is random, so making it costs nothing."""
    chosen = settings()
    salt, tag = (b64encode(secrets.token_bytes(size)).decode().rstrip("=") for size in (16, 32))
    costs = f"m={chosen.argon2_memory},t={chosen.argon2_time},p={chosen.argon2_lanes}"
    return f"$argon2id$v=19${costs}${salt}${tag}"


@cache
def _turns() -> BoundedSemaphore:
    return BoundedSemaphore(settings().hashing_at_once)


@cache
def _hands() -> ThreadPoolExecutor:
    """The only threads that hash: the C library keeps what was freed for each thread, and a server's threads are many."""
    return ThreadPoolExecutor(settings().hashing_at_once, thread_name_prefix="hashing")


def _in_turn(work: Callable[[], T]) -> T:
    """Do some hashing once it is its turn. Raises Unavailable where that takes too long."""
    if not _turns().acquire(timeout=settings().hashing_wait):
        raise Unavailable("Many people are signing in right now. Please try again in a moment.", code="busy")
    try:
        return _hands().submit(work).result()
    finally:
        _turns().release()
