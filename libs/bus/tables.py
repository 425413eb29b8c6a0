"""The three tables that every service has in its own schema: outbox, inbox and jobs."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Identity,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from libs.database import Timestamp
from libs.database.bootstrap import RELAY

__all__ = ["create_tables", "deliver_into_inboxes", "inbox", "jobs", "metadata", "outbox"]

metadata = MetaData()

_BORN = func.clock_timestamp()

outbox = Table(
    "outbox",
    metadata,
    Column("id", Uuid, primary_key=True),  # of the event; message ids are made from it
    Column("position", BigInteger, Identity(always=True), nullable=False),  # the order of telling
    Column("topic", Text, nullable=False),  # an event's wire name, or WAKE
    Column("body", JSONB, nullable=False),
    Column("correlation_id", Text, nullable=False),
    Column("created_at", Timestamp, nullable=False, server_default=_BORN),
    Column("sent_at", Timestamp),
    Column("sends", Integer, nullable=False, server_default="0"),
    Column("settled_at", Timestamp),  # every subscriber's inbox holds it; NULL: due
    Index("ix_outbox_due", "position", postgresql_where=text("sent_at IS NULL")),
    Index("ix_outbox_unsettled", "sent_at", postgresql_where=text("settled_at IS NULL AND sent_at IS NOT NULL")),
    Index("ix_outbox_waiting", "position", postgresql_where=text("settled_at IS NULL")),
)

inbox = Table(
    "inbox",
    metadata,
    Column("message_id", Uuid, primary_key=True),
    Column("topic", Text, nullable=False),
    Column("received_at", Timestamp, nullable=False, server_default=_BORN),
    Column("position", BigInteger, Identity(always=True), nullable=False),  # the order of arrival
    Column("event_id", Uuid),
    Column("body", JSONB),  # NULL: a receipt alone; it had its effect before it could be brought here
    Column("correlation_id", Text, nullable=False, server_default=""),
    Column("attempts", Integer, nullable=False, server_default="0"),  # counted before the handler is asked
    Column("run_after", Timestamp, nullable=False, server_default=_BORN),
    Column("handled_at", Timestamp),
    Column("quarantined_at", Timestamp),  # its handler failed so often that somebody should look
    Column("problem", Text),  # what the handler failed with, the last time
    Index(
        "ix_inbox_due",
        "position",
        postgresql_where=text("handled_at IS NULL AND quarantined_at IS NULL AND body IS NOT NULL"),
    ),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("subject", Uuid, nullable=False),  # the media or clip that it works on
    Column("owner", Uuid),
    Column("params", JSONB, nullable=False, server_default="{}"),
    Column("state", Text, nullable=False, server_default="queued"),
    Column("priority", Integer, nullable=False, server_default="0"),  # higher goes first
    Column("turn", BigInteger, nullable=False, server_default="0"),  # lower goes first: see ``jobs.enqueue``
    Column("attempt", Integer, nullable=False, server_default="0"),  # counted before the work; the fencing token
    Column("failures", Integer, nullable=False, server_default="0"),  # attempts that raised
    Column("interruptions", Integer, nullable=False, server_default="0"),  # attempts whose worker vanished
    Column("lease_until", Timestamp),
    Column("run_after", Timestamp, nullable=False, server_default=_BORN),
    Column("cancel_requested", Boolean, nullable=False, server_default=text("false")),
    Column("done", Double, nullable=False, server_default="0"),
    Column("total", Double, nullable=False, server_default="0"),
    Column("problem_code", Text),
    Column("problem_detail", Text),
    Column("last_words", Text),  # the end of a failed child's standard error
    Column("correlation_id", Text, nullable=False, server_default=""),
    Column("created_at", Timestamp, nullable=False, server_default=_BORN),
    Column("started_at", Timestamp),
    Column("finished_at", Timestamp),
    Index("ix_jobs_due", "kind", "priority", "run_after", postgresql_where=text("state = 'queued'")),
    Index(
        "ix_jobs_turn", "kind", text("priority DESC"), "turn", "run_after", postgresql_where=text("state = 'queued'")
    ),
    Index("ix_jobs_open", "kind", "owner", "turn", postgresql_where=text("state IN ('queued', 'running')")),
    Index("ix_jobs_running", "lease_until", postgresql_where=text("state = 'running'")),
    Index("ix_jobs_subject", "subject"),
)


def create_tables(op: Any) -> None:
    """Make the three tables in a service's first migration (``op`` is Alembic's), and grant the relay its rights."""
    metadata.create_all(op.get_bind(), checkfirst=False)
    _grant(op, "SELECT, UPDATE, DELETE ON outbox", "SELECT ON inbox")


def deliver_into_inboxes(op: Any) -> None:
    """Give tables of the first release what delivery into inboxes and fair turns need; new ones have it already.

    The previous release goes on with these tables: it fills in nothing of this, and its receipts have no body.
    """
    added = (
        ("inbox", "position bigint GENERATED ALWAYS AS IDENTITY"),
        ("inbox", "event_id uuid"),
        ("inbox", "body jsonb"),
        ("inbox", "correlation_id text NOT NULL DEFAULT ''"),
        ("inbox", "attempts integer NOT NULL DEFAULT 0"),
        ("inbox", "run_after timestamptz NOT NULL DEFAULT clock_timestamp()"),
        ("inbox", "handled_at timestamptz"),
        ("inbox", "quarantined_at timestamptz"),
        ("inbox", "problem text"),
        ("jobs", "turn bigint NOT NULL DEFAULT 0"),
    )
    for name, column in added:
        op.execute(f"ALTER TABLE {name} ADD COLUMN IF NOT EXISTS {column}")
    for table in (outbox, inbox, jobs):
        for index in table.indexes:
            index.create(op.get_bind(), checkfirst=True)
    _grant(op, "INSERT ON inbox")


def _grant(op: Any, *rights: str) -> None:
    """Give the relay rights, where there is one: a service's tests may do without."""
    granted = " ".join(f"GRANT {right} TO {RELAY};" for right in rights)
    op.execute(
        f"""
        DO $$ BEGIN
            IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = '{RELAY}') THEN {granted} END IF;
        END $$
        """  # noqa: S608  constants of ours
    )
