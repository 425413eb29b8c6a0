"""One schema and one role per service, and honest errors when the server is gone."""

from __future__ import annotations

import threading
import time

import psycopg
import pytest
from sqlalchemy import text

from libs import database
from libs.contracts.subscriptions import SERVICES
from libs.database import DatabaseUnavailable
from libs.database.migrate import migrate
from tests.factories.services import ROOT, Databases


def test_catalog_cannot_read_auths_tables(databases: Databases) -> None:
    databases.ready("auth")
    with psycopg.connect(databases.url("auth")) as own:
        own.execute("SELECT * FROM auth.users")
    with psycopg.connect(databases.url("catalog")) as foreign, pytest.raises(psycopg.errors.InsufficientPrivilege):
        foreign.execute("SELECT * FROM auth.users")


def test_no_service_may_create_in_anothers_schema_or_in_public(databases: Databases) -> None:
    for schema in ("auth", "public"):
        with psycopg.connect(databases.url("catalog")) as other, pytest.raises(psycopg.errors.InsufficientPrivilege):
            other.execute(f"CREATE TABLE {schema}.intruder (x int)")


@pytest.mark.parametrize("service", SERVICES)
def test_models_and_migrations_agree(databases: Databases, service: str) -> None:
    import importlib

    import sqlalchemy
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from libs.bus import tables
    from libs.web import idempotency

    databases.ready(service)
    models = importlib.import_module(f"services.{service}.models")
    metadata = sqlalchemy.MetaData()
    creates = service not in {"transcription", "catalog"}  # these have no creating requests, and so nothing to remember
    for source in (models.Base.metadata, tables.metadata, *([idempotency.metadata] if creates else [])):
        for table in source.sorted_tables:
            table.to_metadata(metadata)
    engine = sqlalchemy.create_engine(database.driver_url(databases.url(service)))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, metadata)
        # Indexes beyond those that models need are the migrations' own affair.
        assert [change for change in differences if change[0] != "remove_index"] == []
    engine.dispose()


def test_migrating_twice_at_once_is_safe(databases: Databases) -> None:
    databases.ready("auth")
    databases.migrated.discard("auth")
    with psycopg.connect(databases.server.url, dbname="clipstead", autocommit=True) as admin:
        admin.execute("DROP SCHEMA auth CASCADE; CREATE SCHEMA auth AUTHORIZATION clipstead_auth")
        admin.execute("GRANT USAGE ON SCHEMA auth TO clipstead_relay")
    problems: list[Exception] = []

    def run() -> None:
        try:
            migrate("auth", databases.url("auth"), ROOT / "services" / "auth" / "migrations")
        except Exception as problem:
            problems.append(problem)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert not migrate("auth", databases.url("auth"), ROOT / "services" / "auth" / "migrations")


def test_lost_server_is_told_within_two_seconds() -> None:
    database.configure("postgresql://x:y@127.0.0.1:1/clipstead")
    started = time.monotonic()
    with pytest.raises(DatabaseUnavailable), database.transaction() as session:
        session.execute(text("SELECT 1"))
    assert time.monotonic() - started < 2.5
    database.dispose()


def test_ids_are_version_7_and_in_order() -> None:
    ids = [database.new_id() for _ in range(100)]
    assert ids == sorted(ids)
    assert {one.version for one in ids} == {7}
