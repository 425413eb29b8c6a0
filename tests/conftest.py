"""Fixtures that every test may use. Servers are real, from their wheels, one of each per test process."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from infra.onehost.servers import Valkey, running_postgres, running_valkey
from tests.factories.services import Databases, Keys, UnderTest, under_test


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    """A PostgreSQL with every service's schema and role.

    Not below pytest's own temporary folder: each new run of pytest closes that to other users, and PostgreSQL is one.
    """
    with TemporaryDirectory(prefix="clipstead-") as folder, running_postgres(Path(folder)) as server:
        yield Databases(server)


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """A Valkey."""
    with running_valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """Service keys of everybody."""
    return Keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def start(databases: Databases, valkey: Valkey, keys: Keys, tmp_path: Path) -> Iterator[Callable[..., UnderTest]]:
    """Start a service under test: ``catalog = start("catalog", CLIPSTEAD_X="…")``. One at a time per test."""
    with ExitStack() as stack:

        def begin(name: str, **environment: str) -> UnderTest:
            return stack.enter_context(under_test(name, databases, keys, tmp_path / "home", valkey.url, environment))

        yield begin


def pytest_sessionfinish(session: pytest.Session) -> None:
    """With CLIPSTEAD_FAIL_ON_SKIP=1, a skipped test fails the run, unless its reason begins with ``optional:``."""
    if os.environ.get("CLIPSTEAD_FAIL_ON_SKIP") != "1" or hasattr(session.config, "workerinput"):
        return
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    missed = [report for report in skipped if "optional:" not in str(report.longrepr)]
    if missed:
        for report in missed:
            reporter.write_line(f"must not be skipped here: {report.nodeid}: {report.longrepr}", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
