"""PostgreSQL for a service: one engine per process, explicit transactions, its own schema and role.

Models name no schema: the role's ``search_path`` does, so that moving a service to its own server changes one URL.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
import sqlalchemy
import uuid_utils.compat
from sqlalchemy import DateTime, Engine, MetaData, Text, event, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.types import TypeEngine, Uuid

from libs.database.clock import Clock
from libs.database.watch import POOL_ERRORS, TCP, Watch
from libs.patience import TryLater

__all__ = [
    "TCP",
    "TYPES",
    "DatabaseUnavailable",
    "Timestamp",
    "configure",
    "dispose",
    "driver_url",
    "engine",
    "metadata",
    "new_id",
    "now",
    "ready",
    "transaction",
]

Timestamp = DateTime(timezone=True)

_NAMES = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}

TYPES: dict[Any, TypeEngine[Any]] = {
    str: Text(),
    UUID: Uuid(),
    datetime: Timestamp,
    dict[str, Any]: JSONB(),
    list[Any]: JSONB(),
    list[dict[str, Any]]: JSONB(),
}
"""The column types of annotations, for a base's ``type_annotation_map``."""


class DatabaseUnavailable(TryLater):
    """PostgreSQL can't be reached, does not answer, or ended the connection."""


class _Runtime:
    """The one engine of this process."""

    engine: Engine | None = None
    watch: Watch | None = None
    clock = Clock()
    sessions: sessionmaker[Session] | None = None


def metadata() -> MetaData:
    """Make the metadata of one service's models: constraints get the same names everywhere."""
    return MetaData(naming_convention=_NAMES)


def new_id() -> UUID:
    """Make a UUIDv7 (RFC 9562): unique, and in the order of creation."""
    return uuid_utils.compat.uuid7()


def now() -> sqlalchemy.Function[datetime]:
    """The database's clock: the only one that leases, expiries and orders are judged by."""
    return func.clock_timestamp(type_=Timestamp)


def driver_url(url: str) -> sqlalchemy.URL:
    """Accept any ``postgres…://`` URL and choose psycopg 3."""
    return sqlalchemy.make_url(url).set(drivername="postgresql+psycopg")


def configure(url: str, *, pool: int = 10) -> None:
    """Point this process at its database. Connects on first use; a lost or hung server is noticed within 1.5 s."""
    dispose()
    watch = Watch(url)
    engine = sqlalchemy.create_engine(
        driver_url(url),
        pool_size=min(pool, 3),
        max_overflow=max(0, pool - 3),
        pool_timeout=1.3,  # who waits here is not told when the server is found gone
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": 2,
            "options": "-c timezone=UTC -c idle_in_transaction_session_timeout=60000",
            **TCP,
        },
    )

    @event.listens_for(engine, "do_connect")
    def connect(_dialect: Any, _record: Any, arguments: Any, options: Any) -> Any:
        return watch.connection_class.connect(*arguments, **options)

    _Runtime.engine, _Runtime.watch, _Runtime.clock = engine, watch, Clock()
    _Runtime.sessions = sessionmaker(engine, expire_on_commit=False)


def dispose() -> None:
    """Close all connections."""
    if _Runtime.watch is not None:
        _Runtime.watch.close()
    if _Runtime.engine is not None:
        _Runtime.engine.dispose()
    _Runtime.engine = _Runtime.sessions = _Runtime.watch = None


def engine() -> Engine:
    """This process's engine; ``configure`` comes first."""
    if _Runtime.engine is None:
        raise RuntimeError("libs.database is not configured in this process")
    return _Runtime.engine


@contextmanager
def transaction() -> Iterator[Session]:
    """One transaction: commits at the end of the block, rolls back on any exception.

    Raises DatabaseUnavailable where the server is gone, so that callers need not know SQLAlchemy's tree.
    """
    engine()
    sessions, watch = _Runtime.sessions, _Runtime.watch
    assert sessions is not None  # set together with the engine
    assert watch is not None
    try:
        watch.require()
        with sessions.begin() as session:
            _Runtime.clock.compare(session)
            yield session
    except (OperationalError, InterfaceError, sqlalchemy.exc.TimeoutError, psycopg.OperationalError) as error:
        if not _is_gone(error):
            raise
        POOL_ERRORS.inc()
        watch.suspect()
        raise DatabaseUnavailable(str(error)) from error


def _is_gone(error: Exception) -> bool:
    """Tell a lost server from a lock timeout or a serialization failure, which are the caller's affair."""
    if not isinstance(error, DBAPIError):
        return True  # the pool's own time-out, or nobody was asked because the server is known to be gone
    state = getattr(error.orig, "sqlstate", None) or ""
    return error.connection_invalidated or state == "" or state.startswith(("08", "57P", "53"))


def ready() -> None:
    """Raise DatabaseUnavailable unless the server answers."""
    with transaction() as session:
        session.execute(sqlalchemy.select(1))
