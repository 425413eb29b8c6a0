"""Everything that accounts, groups and the audit log need.

New columns have defaults or may be empty, so that the previous release goes on working beside this one.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from libs import database

revision = "0005"
down_revision = "0004"

NOW = sa.text("clock_timestamp()")


def _at(name: str, *, given: bool = False) -> sa.Column[object]:
    """A time: given by the database when the row is made, or empty at first."""
    return sa.Column(name, database.Timestamp, nullable=not given, server_default=NOW if given else None)


def _required(name: str) -> sa.Column[object]:
    return sa.Column(name, database.Timestamp, nullable=False)


def _user(*, nullable: bool = False, primary_key: bool = False, index: bool = True) -> sa.Column[object]:
    parent = sa.ForeignKey("users.id", ondelete="CASCADE")
    if primary_key:
        return sa.Column("user_id", sa.Uuid, parent, primary_key=True)
    return sa.Column("user_id", sa.Uuid, parent, nullable=nullable, index=index)


def _text(name: str, *, nullable: bool = False, default: str | None = None) -> sa.Column[object]:
    return sa.Column(name, sa.Text, nullable=nullable, server_default=default)


def _hash(name: str, table: str) -> tuple[sa.Column[object], sa.UniqueConstraint]:
    return sa.Column(name, sa.LargeBinary, nullable=False), sa.UniqueConstraint(name, name=f"uq_{table}_{name}")


def upgrade() -> None:
    """Make them."""
    _people()
    _proofs()
    _groups()
    _around()


def _people() -> None:
    op.alter_column("users", "password_hash", nullable=True)
    for column in (
        _at("email_verified_at"),
        _at("password_changed_at"),
        _text("language", default="en"),
        sa.Column("year_of_birth", sa.Integer),
        _text("consent_version", nullable=True),
        _at("consented_at"),
        _at("disabled_at"),
        _at("delete_after"),
    ):
        op.add_column("users", column)
    op.drop_constraint("ck_users_role", "users")
    op.create_check_constraint("ck_users_role", "users", "role IN ('user', 'speaker', 'moderator', 'admin')")
    for column in (
        _at("rotated_at", given=True),
        _text("device", default=""),
        _text("address", default=""),
        _at("proved_at", given=True),
        sa.Column("strong", sa.Boolean, nullable=False, server_default=sa.false()),
    ):
        op.add_column("sessions", column)
    op.add_column("api_keys", _at("expires_at"))
    op.create_table(
        "retired_tokens",
        sa.Column("token_hash", sa.LargeBinary, primary_key=True),
        sa.Column("session_id", sa.Uuid, sa.ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False, index=True),
        _at("retired_at", given=True),
    )
    op.create_table(
        "avatars",
        _user(primary_key=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
        _text("mime"),
        _text("etag"),
    )


def _proofs() -> None:
    op.create_table(
        "codes",
        sa.Column("id", sa.Uuid, primary_key=True),
        _user(),
        _text("purpose"),
        *_hash("code_hash", "codes"),
        _text("email"),
        _required("expires_at"),
        _at("used_at"),
        _at("created_at", given=True),
    )
    op.create_table(
        "throttles",
        sa.Column("key", sa.LargeBinary, primary_key=True),
        sa.Column("failures", sa.Integer, nullable=False),
        _at("last_at", given=True),
        _at("blocked_until"),
    )
    op.create_table(
        "totps",
        _user(primary_key=True),
        sa.Column("secret", sa.LargeBinary, nullable=False),
        _at("confirmed_at"),
        sa.Column("last_step", sa.BigInteger, nullable=False, server_default="0"),
        _at("created_at", given=True),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("id", sa.Uuid, primary_key=True),
        _user(),
        *_hash("code_hash", "recovery_codes"),
        _at("used_at"),
    )
    op.create_table(
        "passkeys",
        sa.Column("id", sa.Uuid, primary_key=True),
        _user(),
        *_hash("credential_id", "passkeys"),
        sa.Column("public_key", sa.LargeBinary, nullable=False),
        sa.Column("sign_count", sa.BigInteger, nullable=False),
        sa.Column("transports", postgresql.ARRAY(sa.Text), nullable=False),
        _text("name"),
        _at("created_at", given=True),
        _at("last_used_at"),
    )
    op.create_table(
        "challenges",
        sa.Column("id", sa.Uuid, primary_key=True),
        _text("purpose"),
        *_hash("secret_hash", "challenges"),
        _user(nullable=True),
        sa.Column("facts", postgresql.JSONB, nullable=False),
        _required("expires_at"),
    )
    op.create_table(
        "oidc_identities",
        sa.Column("id", sa.Uuid, nullable=False, unique=True),
        sa.Column("issuer", sa.Text, primary_key=True),
        sa.Column("subject", sa.Text, primary_key=True),
        _user(),
        _text("email"),
        _at("created_at", given=True),
        _at("last_used_at"),
    )


def _groups() -> None:
    op.create_table(
        "groups",
        sa.Column("id", sa.Uuid, primary_key=True),
        _text("name"),
        _text("description", default=""),
        _at("created_at", given=True),
    )
    group = sa.ForeignKey("groups.id", ondelete="CASCADE")
    op.create_table(
        "memberships",
        sa.Column("group_id", sa.Uuid, group, primary_key=True),
        _user(primary_key=True),
        _text("role"),
        _at("joined_at", given=True),
        sa.CheckConstraint("role IN ('owner', 'moderator', 'member')", name="ck_memberships_role"),
    )
    op.create_index("ix_memberships_user_id", "memberships", ["user_id"])
    op.create_index(
        "uq_memberships_owner", "memberships", ["group_id"], unique=True, postgresql_where=sa.text("role = 'owner'")
    )
    op.create_table(
        "invitations",
        sa.Column("id", sa.Uuid, primary_key=True),
        *_hash("token_hash", "invitations"),
        sa.Column("group_id", sa.Uuid, sa.ForeignKey("groups.id", ondelete="CASCADE"), index=True),
        _text("email", nullable=True),
        sa.Column("created_by", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
        sa.Column("most_uses", sa.Integer, nullable=False),
        sa.Column("uses", sa.Integer, nullable=False, server_default="0"),
        _required("expires_at"),
        _at("revoked_at"),
        _at("created_at", given=True),
    )


def _around() -> None:
    op.create_table(
        "mails",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("user_id", sa.Uuid),
        _text("recipient"),
        _text("subject"),
        sa.Column("body", sa.LargeBinary),
        _text("how", nullable=True),
        _text("problem", nullable=True),
        _at("sent_at"),
        _at("created_at", given=True),
    )
    op.create_table(
        "platform",
        sa.Column("id", sa.Integer, primary_key=True),
        _text("sign_up", default="open"),
        sa.Column("verify_email", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("admins_need_second_factor", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("changed_by", sa.Uuid),
        _at("changed_at", given=True),
        sa.CheckConstraint("id = 1", name="ck_platform_one"),
        sa.CheckConstraint("sign_up IN ('open', 'invitation', 'closed')", name="ck_platform_sign_up"),
    )
    op.create_table(
        "audit",
        sa.Column("position", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        _at("at", given=True),
        _text("action"),
        _text("result"),
        sa.Column("actor_id", sa.Uuid),
        _text("actor"),
        _text("delegate", nullable=True),
        sa.Column("target_id", sa.Uuid),
        _text("target"),
        _text("address"),
        _text("device"),
        sa.Column("facts", postgresql.JSONB, nullable=False),
    )
    for column in ("actor_id", "target_id", "action"):
        op.create_index(f"ix_audit_{column}", "audit", [column, "position"])
    op.execute(
        "CREATE FUNCTION audit_stays() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN RAISE EXCEPTION 'the audit log is only ever added to'; END$$"
    )
    op.execute(
        "CREATE TRIGGER audit_stays BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_stays()"
    )
