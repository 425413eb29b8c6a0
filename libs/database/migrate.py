"""Alembic per service, in its own schema, under an advisory lock, with a lock time-out.

A migration has to work while the previous release is still running. Where a table can't be locked within five seconds the
run fails and may be repeated, rather than holding up everybody behind it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from libs.database import driver_url
from libs.telemetry import log

__all__ = ["head", "migrate"]

ADVISORY_LOCK = 0x436C6970  # "Clip"
LOCK_TIMEOUT = "5s"


def _scripts(folder: Path) -> tuple[Config, ScriptDirectory]:
    config = Config()
    config.set_main_option("script_location", str(folder))
    config.set_main_option("path_separator", "os")
    return config, ScriptDirectory.from_config(config)


def head(folder: Path) -> str | None:
    """The newest revision in a service's ``migrations`` folder."""
    return _scripts(folder)[1].get_current_head()


def migrate(service: str, url: str, folder: Path) -> bool:
    """Bring a service's schema to its newest revision. True if anything was done.

    The lock is per service and held for the session, so that two starting containers don't migrate at once.
    """
    engine = sqlalchemy.create_engine(driver_url(url), poolclass=sqlalchemy.NullPool)
    with engine.connect() as connection:
        config, scripts = _scripts(folder)
        wanted = scripts.get_current_head()
        if wanted is None or _current(connection) == wanted:
            return False
        connection.execute(text("SELECT pg_advisory_lock(:lock, hashtext(:service))"), _lock(service))
        connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
        connection.commit()
        try:
            _run(connection, config, scripts)
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:lock, hashtext(:service))"), _lock(service))
            connection.commit()
    log.info("schema migrated", extra={"migrated": service, "revision": wanted})
    return True


def _lock(service: str) -> dict[str, object]:
    return {"lock": ADVISORY_LOCK, "service": service}


def _current(connection: Connection) -> str | None:
    current = MigrationContext.configure(connection).get_current_revision()
    connection.rollback()
    return current


def _run(connection: Connection, config: Config, scripts: ScriptDirectory) -> None:
    """Upgrade to head over this very connection, each revision in its own transaction."""

    def upgrade(revision: Any, _context: MigrationContext) -> Any:
        return scripts._upgrade_revs("head", revision)  # noqa: SLF001  as alembic.command does

    with EnvironmentContext(config, scripts, fn=upgrade, destination_rev="head") as environment:
        environment.configure(connection=connection, target_metadata=None, transaction_per_migration=True)
        with environment.begin_transaction():
            environment.run_migrations()
