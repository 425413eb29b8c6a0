"""Changing what proves who somebody is: their password and their e-mail address."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session as Transaction

from libs import bus, database
from libs.bus import Lease
from libs.web import Principal
from libs.web.problems import Conflict, Forbidden, Malformed, Unauthenticated
from services.auth import passwords, queries
from services.auth.forgetting import forget
from services.auth.models import ApiKey, OidcIdentity, Passkey, RecoveryCode, Session, Totp, User
from services.auth.operations import audit, codes, mailing, throttling
from services.auth.operations.accounts import SIGN_IN, SignedIn, begin, promote, refuse_common
from services.auth.operations.audit import Actor
from services.auth.operations.sessions import end_all, rotate
from services.auth.origin import NOWHERE, Origin

__all__ = [
    "FORGOTTEN",
    "change_address",
    "change_password",
    "confirm_address",
    "disown",
    "forgotten",
    "mail_reset",
    "reset_password",
    "send_verification",
    "verify",
]

FORGOTTEN = "forgotten"  # the kind of job that mails a code to who forgot their password


def change_password(current: str | None, new: str, by: Principal, origin: Origin = NOWHERE) -> SignedIn:
    """Change one's password: ends all other sessions, and gives this one a new token.

    Raises Unauthenticated if the current one is wrong. Who has none yet (they come through an identity provider) gives None.
    """
    refuse_common(new)
    with database.transaction() as session:
        person = queries.person(session, by.user_id)
        throttling.check(session, "proof", str(person.id))
        stored, email = person.password_hash, person.email
    if by.session_id is None:
        raise Forbidden("Sign in with a browser to change this; an API key can't.", code="session_needed")
    if stored is not None and not (current is not None and passwords.verify(current, stored)):
        with database.transaction() as session:
            throttling.failed(session, "proof", str(by.user_id))
            audit.note(session, "password.change_refused", Actor.of(by), origin, on=by.user_id, result="wrong_password")
        raise Unauthenticated("The current password is wrong.", code="wrong_credentials")
    hashed = passwords.hashed(new)
    with database.transaction() as session:
        held = session.get(Session, by.session_id, with_for_update=True)
        if held is None:
            raise Unauthenticated("This session has ended. Sign in again.")
        _set_password(session, by.user_id, hashed)
        ended = end_all(session, by.user_id, but=by.session_id)
        throttling.clear(session, "proof", str(by.user_id))
        renewed = rotate(session, held, proved=True)
        audit.note(session, "password.changed", Actor.of(by), origin, on=by.user_id, sessions_ended=ended)
        mailing.send(
            session, "password-changed", email, user_id=by.user_id, device=origin.device, address=origin.address
        )
    forget(by.user_id)
    return renewed


def forgotten(email: str) -> None:
    """Have a code mailed to whoever has this address. What is done here is the same whether anybody has."""
    with database.transaction() as session:
        bus.enqueue(session, kind=FORGOTTEN, subject=database.new_id(), params={"email": email})


def mail_reset(lease: Lease) -> None:
    """Mail a code to reset a password, if there is an account and none was sent a moment ago."""
    with database.transaction() as session:
        person = queries.user_by_email(session, str(lease.params["email"]))
        if person is not None and person.disabled_at is None:
            codes.send(session, codes.RESET, person, person.email)
        lease.finish(session)


def reset_password(code: str, new: str, origin: Origin = NOWHERE) -> None:
    """Set a new password with a code from a mail: once. Ends every session; signs nobody in, so that a second factor holds.

    It proves the address. Whoever made the account before without proving it loses all that they prepared in it: their keys
    and other ways in are gone (no pre-hijacking). Raises Malformed for a code that is wrong, used or over.
    """
    refuse_common(new)
    with database.transaction() as session:
        if codes.find(session, codes.RESET, code) is None:
            codes.use(session, codes.RESET, code)  # raises: nothing is hashed for who has no code
    hashed = passwords.hashed(new)
    with database.transaction() as session:
        user_id, email = codes.use(session, codes.RESET, code)
        person = session.get_one(User, user_id)
        if person.email != email:
            raise Malformed("This code was for another address. Ask for a new one.", code="bad_code")
        keys = 0
        if person.email_verified_at is None:
            keys = disown(session, user_id)
            person.email_verified_at = session.scalars(select(database.now())).one()
        _set_password(session, user_id, hashed)
        ended = end_all(session, user_id)
        throttling.clear(session, SIGN_IN, email, origin.address)
        actor = Actor(user_id, email)
        audit.note(session, "password.reset", actor, origin, on=user_id, sessions_ended=ended, keys_revoked=keys)
        mailing.send(session, "password-changed", email, user_id=user_id, device=origin.device, address=origin.address)
    forget(user_id)


def disown(session: Transaction, user_id: UUID) -> int:
    """Take away all ways into an account that somebody prepared in it. Returns how many keys that revoked.

    ``forget`` its owner once this is committed.
    """
    for prepared in (Totp, RecoveryCode, Passkey, OidcIdentity):
        session.execute(delete(prepared).where(prepared.user_id == user_id))
    end_all(session, user_id)
    return _revoke_keys(session, user_id)


def send_verification(by: Principal) -> None:
    """Mail a new code that proves one's address. Raises Conflict if it is proved already."""
    with database.transaction() as session:
        person = queries.person(session, by.require("write"))
        if person.email_verified_at is not None:
            raise Conflict("Your e-mail address is confirmed already.", code="already_verified")
        throttling.check(session, "verification", str(person.id))
        throttling.failed(session, "verification", str(person.id))  # each mail counts, so that nobody is flooded
        codes.send(session, codes.VERIFY, person, person.email)


def verify(
    code: str, password: str | None, by: Principal, origin: Origin = NOWHERE, *, ending: UUID | None = None
) -> SignedIn | None:
    """Prove an address with a code from a mail.

    The code shows who reads the mail, not who made the account: so it takes the session of that account, or its password,
    which then signs in. Otherwise somebody could make an account for another's address, and have its owner confirm it.
    """
    with database.transaction() as session:
        found = codes.find(session, codes.VERIFY, code)
        if found is None:
            codes.use(session, codes.VERIFY, code)  # raises
        assert found is not None
        person = session.get_one(User, found.user_id)
        own = by.acting == person.id
        user_id, email, stored = person.id, person.email, person.password_hash
        if not own:
            throttling.check(session, SIGN_IN, email, origin.address)
    if not own:
        if password is None:
            raise Forbidden("Enter the password of this account, too.", code="password_needed")
        if not passwords.verify(password, stored) or stored is None:
            with database.transaction() as session:
                throttling.failed(session, SIGN_IN, email, origin.address)
            raise Unauthenticated("The password is wrong.", code="wrong_credentials")
    with database.transaction() as session:
        codes.use(session, codes.VERIFY, code)
        person = session.get_one(User, user_id)
        person.email_verified_at = session.scalars(select(database.now())).one()
        promote(person)
        audit.note(session, "address.verified", Actor(user_id, email), origin, on=user_id, called=email)
        begun = None if own else begin(session, person, origin, ending=ending)
    forget(user_id)
    return begun


def change_address(email: str, password: str | None, by: Principal, origin: Origin = NOWHERE) -> None:
    """Ask for another e-mail address: a code goes there, and nothing changes before it is entered.

    Whether somebody else has that address shows only in the mail that goes to it.
    """
    with database.transaction() as session:
        person = queries.person(session, by.user_id)
        throttling.check(session, "proof", str(person.id))
        stored = person.password_hash
    if by.session_id is None:
        raise Forbidden("Sign in with a browser to change this; an API key can't.", code="session_needed")
    if stored is not None and not (password is not None and passwords.verify(password, stored)):
        with database.transaction() as session:
            throttling.failed(session, "proof", str(by.user_id))
        raise Unauthenticated("The password is wrong.", code="wrong_credentials")
    with database.transaction() as session:
        person = queries.person(session, by.user_id)
        if queries.user_by_email(session, email) is not None:
            mailing.send(session, "account-exists", email)
        else:
            codes.send(session, codes.NEW_ADDRESS, person, email)
        audit.note(session, "address.change_asked", Actor.of(by), origin, on=by.user_id, called=email)


def confirm_address(code: str, by: Principal, origin: Origin = NOWHERE) -> SignedIn:
    """Take the new address: with the code that was mailed there, in a session of the account. The old one is told."""
    with database.transaction() as session:
        user_id, email = codes.use(session, codes.NEW_ADDRESS, code)
        held = session.get(Session, by.session_id, with_for_update=True) if by.session_id is not None else None
        if user_id != by.acting or held is None:
            raise Malformed("This code is wrong, was used already, or is too old. Ask for a new one.", code="bad_code")
        if queries.user_by_email(session, email) is not None:
            raise Conflict("Another account has this e-mail address by now.", code="email_taken")
        person = session.get_one(User, user_id)
        old = person.email
        person.email, person.email_verified_at = email, session.scalars(select(database.now())).one()
        session.flush()
        end_all(session, user_id, but=held.id)
        renewed = rotate(session, held)
        audit.note(session, "address.changed", Actor(user_id, email), origin, on=user_id, called=email, before=old)
        mailing.send(session, "address-changed", old, user_id=user_id, now=email)
    forget(user_id)
    return renewed


def _set_password(session: Transaction, user_id: UUID, hashed: str) -> None:
    values: dict[str, Any] = {"password_hash": hashed, "password_changed_at": database.now()}
    session.execute(update(User).where(User.id == user_id).values(**values))


def _revoke_keys(session: Transaction, user_id: UUID) -> int:
    revoked = update(ApiKey).where(ApiKey.user_id == user_id, ApiKey.revoked_at.is_(None))
    return len(session.scalars(revoked.values(revoked_at=database.now()).returning(ApiKey.id)).all())
