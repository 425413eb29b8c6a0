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

__all__ = ["create_tables", "inbox", "jobs", "metadata", "outbox"]

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
    Column("sent_at", Timestamp),  # handed to the bus; NULL: due
    Column("sends", Integer, nullable=False, server_default="0"),
    Column("settled_at", Timestamp),  # every subscriber's inbox holds it
    Index("ix_outbox_due", "position", postgresql_where=text("sent_at IS NULL")),
    Index("ix_outbox_unsettled", "sent_at", postgresql_where=text("settled_at IS NULL AND sent_at IS NOT NULL")),
)

inbox = Table(
    "inbox",
    metadata,
    Column("message_id", Uuid, primary_key=True),
    Column("topic", Text, nullable=False),
    Column("received_at", Timestamp, nullable=False, server_default=_BORN),
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
    Index("ix_jobs_running", "lease_until", postgresql_where=text("state = 'running'")),
    Index("ix_jobs_subject", "subject"),
)


def create_tables(op: Any) -> None:
    """Make the three tables in a service's first migration (``op`` is Alembic's), and grant the relay its rights."""
    metadata.create_all(op.get_bind(), checkfirst=False)
    op.execute(
        f"""
        DO $$ BEGIN
            IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = '{RELAY}') THEN
                GRANT SELECT, UPDATE, DELETE ON outbox TO {RELAY};
                GRANT SELECT ON inbox TO {RELAY};
            END IF;
        END $$
        """  # noqa: S608  a constant of ours
    )
