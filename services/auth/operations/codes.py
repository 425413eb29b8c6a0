"""Secrets that are mailed: each for one purpose, good once, for some minutes or a day, and stored as a hash alone."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session as Transaction

from libs import database
from libs.web.problems import Malformed
from services.auth import credentials
from services.auth.models import Code, User
from services.auth.operations import mailing
from services.auth.settings import settings

__all__ = ["NEW_ADDRESS", "RESET", "VERIFY", "Purpose", "find", "forget_old", "send", "use"]

Purpose = Literal["verify", "reset", "new-address"]
VERIFY: Purpose = "verify"
RESET: Purpose = "reset"
NEW_ADDRESS: Purpose = "new-address"


def send(session: Transaction, purpose: Purpose, person: User, to: str) -> None:
    """Make a code and mail it. Earlier ones for the same purpose are worth nothing any more."""
    session.execute(delete(Code).where(Code.user_id == person.id, Code.purpose == purpose))
    secret = secrets.token_urlsafe(32)
    seconds = settings().reset_lifetime if purpose == RESET else settings().verify_lifetime
    session.add(
        Code(
            user_id=person.id,
            purpose=purpose,
            code_hash=credentials.digest(secret),
            email=to,
            expires_at=session.scalars(select(database.now())).one() + timedelta(seconds=seconds),
        )
    )
    mailing.send(
        session, purpose, to, user_id=person.id, name=person.display_name, code=secret, minutes=max(1, seconds // 60)
    )


def find(session: Transaction, purpose: Purpose, secret: str) -> Code | None:
    """The live code of this secret, its row held until the transaction ends, so that it is used once."""
    return session.scalar(
        select(Code)
        .where(
            Code.code_hash == credentials.digest(secret),
            Code.purpose == purpose,
            Code.used_at.is_(None),
            Code.expires_at > database.now(),
        )
        .with_for_update()
    )


def use(session: Transaction, purpose: Purpose, secret: str) -> tuple[UUID, str]:
    """Use a code up: whose it was, and the address that it proves. Raises Malformed if it is wrong, over or used."""
    code = find(session, purpose, secret)
    if code is None:
        raise Malformed("This code is wrong, was used already, or is too old. Ask for a new one.", code="bad_code")
    session.execute(update(Code).where(Code.id == code.id).values(used_at=database.now()))
    return code.user_id, code.email


def forget_old() -> None:
    """Remove codes that are long over."""
    with database.transaction() as session:
        session.execute(delete(Code).where(Code.expires_at < database.now() - func.make_interval(0, 0, 0, 7)))
