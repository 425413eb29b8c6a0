"""Second factors: one-time codes (RFC 6238), recovery codes, and the second step of a sign-in.

Whoever has a confirmed TOTP or a passkey is asked for one of them after the password. A code is good once, also within its
half minute; guessing is slowed down per account; recovery codes stand in, each once.
"""

from __future__ import annotations

import hmac
import io
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import pyotp
import segno
from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session as Transaction

from libs import database
from libs.web import Principal
from libs.web.problems import Conflict, Malformed, NotFound, Unauthenticated
from services.auth import credentials, queries, sealing
from services.auth.forgetting import forget
from services.auth.models import Passkey, RecoveryCode, Totp, User
from services.auth.operations import audit, challenges, passkeys, throttling
from services.auth.operations.accounts import (
    Answer,
    Second,
    SignedIn,
    begin,
    factors_of,
    refuse_who_may_not,
    require_recent,
)
from services.auth.operations.audit import Actor
from services.auth.operations.sessions import rotate
from services.auth.origin import NOWHERE, Origin

__all__ = [
    "Enrolment",
    "Factors",
    "begin_totp",
    "confirm_totp",
    "drop_totp",
    "factors",
    "new_recovery_codes",
    "second",
]

STEP = 30  # seconds
DRIFT = (-1, 0, 1)  # steps that two clocks may differ
CODES = 10
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that reads as something else
GUESS = "second-factor"


@dataclass(frozen=True)
class Enrolment:
    """What goes into an authenticator app: as text, as the address of a QR code, and as its picture (SVG)."""

    secret: str
    uri: str
    qr: str


@dataclass(frozen=True)
class Confirmed:
    """A session that is strong now, and recovery codes, shown this once (empty where there are some already)."""

    signed_in: SignedIn
    recovery_codes: Sequence[str]


@dataclass(frozen=True)
class Factors:
    """What somebody can prove themselves with beside a password."""

    totp_since: datetime | None
    passkeys: Sequence[Passkey]
    recovery_codes_left: int


def factors(by: Principal) -> Factors:
    """The caller's second factors."""
    owner = by.require("read")
    with database.transaction() as session:
        since = session.scalar(select(Totp.confirmed_at).where(Totp.user_id == owner))
        keys = session.scalars(select(Passkey).where(Passkey.user_id == owner).order_by(Passkey.created_at)).all()
        return Factors(since, keys, _codes_left(session, owner))


def begin_totp(by: Principal) -> Enrolment:
    """Make a secret for an authenticator app. Nothing is asked for it before a code of it was entered.

    Takes a recent proof. Raises Conflict where one is in use.
    """
    with database.transaction() as session:
        require_recent(session, by)
        person = queries.person(session, by.user_id)
        secret = pyotp.random_base32()
        kept = {"secret": sealing.sealed(secret.encode()), "last_step": 0}
        made = session.scalar(
            insert(Totp)
            .values(user_id=person.id, **kept)
            .on_conflict_do_update(index_elements=[Totp.user_id], set_=kept, where=Totp.confirmed_at.is_(None))
            .returning(Totp.user_id)
        )
        if made is None:
            raise Conflict("You use an authenticator app already. Remove it first.", code="totp_exists")
        uri = pyotp.TOTP(secret).provisioning_uri(name=person.email, issuer_name="Clipstead")
    picture = io.BytesIO()
    # With its namespace, without which browsers show it inside of a page but not as an image.
    segno.make(uri, error="m").save(picture, kind="svg", xmldecl=False, svgns=True, scale=4, border=2)
    return Enrolment(secret, uri, picture.getvalue().decode())


def confirm_totp(code: str, by: Principal, origin: Origin = NOWHERE) -> Confirmed:
    """Take an authenticator app into use: its first code shows that it is set up. Rotates the session, strong now."""
    with database.transaction() as session:
        held = require_recent(session, by)
        row = session.get(Totp, by.user_id, with_for_update=True)
        if row is None or row.confirmed_at is not None:
            raise NotFound("There is no authenticator app to confirm.")
        throttling.check(session, GUESS, str(by.user_id))
        right = _matches(session, row, code)
        if right:
            row.confirmed_at = session.scalars(select(database.now())).one()
            fresh = _make_codes(session, by.user_id) if _codes_left(session, by.user_id) == 0 else []
            audit.note(session, "factor.added", Actor.of(by), origin, on=by.user_id, factor="totp")
            renewed = rotate(session, held, strong=True)
        else:
            throttling.failed(session, GUESS, str(by.user_id))
    if not right:
        raise Malformed(
            "This code is wrong. Look at your app again; codes change every half minute.", code="wrong_code"
        )
    forget(by.user_id)
    return Confirmed(renewed, fresh)


def drop_totp(code: str, by: Principal, origin: Origin = NOWHERE) -> None:
    """Do without an authenticator app. Takes a recent proof and a code, of the app or a recovery code."""
    with database.transaction() as session:
        require_recent(session, by)
        throttling.check(session, GUESS, str(by.user_id))
        right = _totp_fits(session, by.user_id, code) or _recovery_fits(session, by.user_id, code)
        if right:
            session.execute(delete(Totp).where(Totp.user_id == by.user_id))
            audit.note(session, "factor.removed", Actor.of(by), origin, on=by.user_id, factor="totp")
        else:
            throttling.failed(session, GUESS, str(by.user_id))
    if not right:
        raise Malformed("This code is wrong.", code="wrong_code")
    forget(by.user_id)


def new_recovery_codes(by: Principal, origin: Origin = NOWHERE) -> Sequence[str]:
    """Make ten new recovery codes; the old ones are worth nothing any more. Takes a recent proof."""
    with database.transaction() as session:
        require_recent(session, by)
        if not factors_of(session, by.user_id):
            raise Conflict("Recovery codes stand in for a second factor; set one up first.", code="no_second_factor")
        made = _make_codes(session, by.user_id)
        audit.note(session, "factor.recovery_codes_made", Actor.of(by), origin, on=by.user_id)
        return made


def second(secret: str, answer: Answer, origin: Origin = NOWHERE, *, ending: UUID | None = None) -> SignedIn:
    """Finish a sign-in with a second factor. Raises Unauthenticated for a wrong one, Malformed where it took too long."""
    with database.transaction() as session:
        asked = challenges.look(session, Second.PURPOSE, secret)
        assert asked.user_id is not None
        person = session.get_one(User, asked.user_id)
        throttling.check(session, GUESS, str(person.id))
        refuse_who_may_not(session, person)
        how = _answered(session, person.id, answer, asked.facts)
        if how is not None:
            session.delete(asked)
            throttling.clear(session, GUESS, str(person.id))
            return begin(session, person, origin, ending=ending, strong=True, by=f"password+{how}")
        throttling.failed(session, GUESS, str(person.id))
        audit.note(session, "session.refused", Actor(person.id, person.email), origin, result="wrong_second_factor")
    raise Unauthenticated("This is not right. Please try again.", code="wrong_second_factor")


def _answered(session: Transaction, user_id: UUID, answer: Answer, facts: dict[str, Any]) -> str | None:
    """By what the answer is right; None if it is wrong."""
    if answer.totp is not None:
        return "totp" if _totp_fits(session, user_id, answer.totp) else None
    if answer.recovery is not None:
        return "recovery" if _recovery_fits(session, user_id, answer.recovery) else None
    if answer.passkey is not None and "passkey" in facts:
        found = passkeys.checked(session, answer.passkey, facts["passkey"])
        return "passkey" if found is not None and found.user_id == user_id else None
    return None


def _totp_fits(session: Transaction, user_id: UUID, code: str) -> bool:
    row = session.get(Totp, user_id, with_for_update=True)
    return row is not None and row.confirmed_at is not None and _matches(session, row, code)


def _matches(session: Transaction, row: Totp, code: str) -> bool:
    """Check a code by the database's clock, and note its step: no code is good twice (RFC 6238, 5.2)."""
    totp = pyotp.TOTP(sealing.opened(row.secret).decode())
    step = int(session.scalars(select(func.extract("epoch", database.now()))).one()) // STEP
    given = "".join(code.split()).encode()
    right = [step + off for off in DRIFT if hmac.compare_digest(totp.at((step + off) * STEP).encode(), given)]
    fresh = [one for one in right if one > row.last_step]
    if fresh:
        row.last_step = max(fresh)
    return bool(fresh)


def _recovery_fits(session: Transaction, user_id: UUID, code: str) -> bool:
    used = session.execute(
        update(RecoveryCode)
        .where(
            RecoveryCode.user_id == user_id,
            RecoveryCode.code_hash == credentials.digest(_spelt(code)),
            RecoveryCode.used_at.is_(None),
        )
        .values(used_at=database.now())
        .returning(RecoveryCode.id)
    )
    return used.first() is not None


def _make_codes(session: Transaction, user_id: UUID) -> list[str]:
    """Ten codes of 80 bits: long enough that a plain hash is."""
    session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    made = ["".join(secrets.choice(_ALPHABET) for _ in range(16)) for _ in range(CODES)]
    session.add_all(RecoveryCode(user_id=user_id, code_hash=credentials.digest(code)) for code in made)
    return ["-".join(code[start : start + 4] for start in range(0, 16, 4)) for code in made]


def _codes_left(session: Transaction, user_id: UUID) -> int:
    left = select(func.count()).where(RecoveryCode.user_id == user_id, RecoveryCode.used_at.is_(None))
    return session.scalars(left).one()


def _spelt(code: str) -> str:
    return "".join(mark for mark in code.lower() if mark.isalnum())
