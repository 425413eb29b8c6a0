"""One platform for all whole-system tests that only use it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.factories.platform import Platform, running_platform

DATA = Path(__file__).resolve().parents[1] / "data"


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder for a platform of its own (PostgreSQL's user must be able to reach it; see ``databases``)."""
    with TemporaryDirectory(prefix="clipstead-") as folder:
        yield Path(folder) / "home"


@pytest.fixture(scope="session")
def platform() -> Iterator[Platform]:
    """A running platform."""
    with (
        TemporaryDirectory(prefix="clipstead-") as folder,
        running_platform(Path(folder) / "home", CLIPSTEAD_IMPORT_ALLOW="127.0.0.1:18999") as running,
    ):
        yield running


@pytest.fixture(scope="session")
def short_speech() -> bytes:
    """Eleven seconds of real speech."""
    return (DATA / "speech" / "kennedy.flac").read_bytes()
