"""One platform for all whole-system tests that only use it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.factories.platform import Platform, running_platform

DATA = Path(__file__).resolve().parents[1] / "data"


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A running platform."""
    with running_platform(tmp_path_factory.mktemp("platform"), CLIPSTEAD_IMPORT_ALLOW="127.0.0.1:18999") as running:
        yield running


@pytest.fixture(scope="session")
def short_speech() -> bytes:
    """Eleven seconds of real speech."""
    return (DATA / "speech" / "kennedy.flac").read_bytes()
