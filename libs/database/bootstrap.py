"""Make the database, one schema and one role per service, and the relay's role. Safe to repeat; needs a superuser.

A service's role owns its schema and can't see another's tables. The relay may move outboxes along and read inboxes, and
nothing else: those rights are granted where the tables are made (see ``libs.bus.tables``).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psycopg
from psycopg import sql

from libs.contracts.subscriptions import SERVICES

__all__ = ["DATABASE", "RELAY", "bootstrap", "role_of"]

DATABASE = "clipstead"
RELAY = "clipstead_relay"


def role_of(service: str) -> str:
    """The PostgreSQL role of a service."""
    return f"clipstead_{service}"


def bootstrap(admin_url: str, passwords: Mapping[str, str], relay_password: str, *, database: str = DATABASE) -> None:
    """Create or update all roles and schemas.

    ``admin_url`` leads to any database of the server; ``passwords`` maps each service to its role's password.
    """
    with psycopg.connect(admin_url, autocommit=True) as server:
        known = server.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database,)).fetchone()
        if known is None:
            server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
        _role(server, RELAY, relay_password)
        for service, password in passwords.items():
            _role(server, role_of(service), password)
    with psycopg.connect(admin_url, dbname=database, autocommit=True) as here:
        here.execute("CREATE EXTENSION IF NOT EXISTS vector")
        here.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(database)))
        here.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
        here.execute("GRANT USAGE ON SCHEMA public TO PUBLIC")  # the vector type lives there; nobody may create in it
        _connect_right(here, database, RELAY)
        for service in passwords:
            _schema(here, database, service)


def _role(server: psycopg.Connection[tuple[object, ...]], role: str, password: str) -> None:
    known = server.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone()
    verb = "ALTER" if known else "CREATE"
    server.execute(
        sql.SQL("{} ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD {}").format(
            sql.SQL(verb), sql.Identifier(role), sql.Literal(password)
        )
    )


def _connect_right(here: psycopg.Connection[tuple[object, ...]], database: str, role: str) -> None:
    here.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(sql.Identifier(database), sql.Identifier(role)))


def _schema(here: psycopg.Connection[tuple[object, ...]], database: str, service: str) -> None:
    role, schema = sql.Identifier(role_of(service)), sql.Identifier(service)
    _connect_right(here, database, role_of(service))
    here.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {} AUTHORIZATION {}").format(schema, role))
    here.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(schema, sql.Identifier(RELAY)))
    here.execute(
        sql.SQL("ALTER ROLE {} IN DATABASE {} SET search_path = {}, public").format(
            role, sql.Identifier(database), schema
        )
    )


def main() -> None:
    """Bootstrap from secret files, as the container does; the passwords are those in the services' own URLs.

    ``CLIPSTEAD_ADMIN_DATABASE_URL_FILE`` names the superuser's URL, ``CLIPSTEAD_<SERVICE>_DATABASE_URL_FILE`` a service's,
    ``CLIPSTEAD_RELAY_DATABASE_URL_FILE`` the relay's.
    """
    admin = _secret("ADMIN")
    passwords = {service: _password_in(_secret(service.upper())) for service in SERVICES}
    bootstrap(admin, passwords, _password_in(_secret("RELAY")))


def _secret(whose: str) -> str:
    return Path(os.environ[f"CLIPSTEAD_{whose}_DATABASE_URL_FILE"]).read_text().strip()


def _password_in(url: str) -> str:
    password = unquote(urlsplit(url).password or "")
    if not password or "CHANGE-ME" in password:
        raise SystemExit("a database URL holds no password, or the placeholder CHANGE-ME")
    return password


if __name__ == "__main__":
    main()
