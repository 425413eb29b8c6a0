"""Signing up and signing in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, NoReturn
from uuid import UUID

from sqlalchemy import and_, delete, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session as Transaction

from libs import bus, database
from libs.contracts.events import UserChanged
from libs.web import Principal
from libs.web.problems import Conflict, Forbidden, Malformed, Unauthenticated
from services.auth import credentials, passwords, queries
from services.auth.models import Passkey, Platform, Session, Totp, User
from services.auth.operations import audit, challenges, codes, mailing, throttling
from services.auth.operations.audit import Actor
from services.auth.origin import NOWHERE, Origin
from services.auth.settings import settings

__all__ = [
    "Answer",
    "Second",
    "SignUp",
    "SignedIn",
    "ask_second",
    "begin",
    "factors_of",
    "me",
    "promote",
    "refuse_common",
    "refuse_new",
    "refuse_who_may_not",
    "require_recent",
    "rules",
    "sign_in",
    "sign_up",
    "use_invitation",
]

WRONG = "The e-mail address or the password is wrong."
SIGN_IN = "sign-in"  # what is throttled


@dataclass(frozen=True)
class SignedIn:
    """A new session: whose, the token (nowhere else to be had again), and when it ends however busy it is."""

    user: User
    token: str
    expires_at: datetime


@dataclass(frozen=True)
class SignUp:
    """What somebody who wants an account says. ``email`` is normalised."""

    email: str
    password: str
    display_name: str | None = None
    invitation: str | None = None  # the token of one


@dataclass(frozen=True)
class Second:
    """What is asked for after the right password.

    The secret of the question, by what it may be answered, and what a browser asks a passkey with, where there is one.
    """

    PURPOSE: ClassVar[str] = "second-factor"

    challenge: str
    methods: tuple[str, ...]
    passkey_options: dict[str, Any] | None


@dataclass(frozen=True)
class Answer:
    """One answer to it."""

    totp: str | None = None
    recovery: str | None = None
    passkey: dict[str, Any] | None = None


def rules(session: Transaction) -> Platform:
    """What administrators chose about accounts, or what holds while they chose nothing."""
    return session.get(Platform, 1) or Platform(
        sign_up="open", verify_email=False, admins_need_second_factor=False, changed_by=None
    )


def sign_up(wanted: SignUp, origin: Origin = NOWHERE, *, ending: UUID | None = None) -> SignedIn | None:
    """Make an account and sign in to it, ending the session ``ending``. Raises Conflict if the address has one already.

    Where addresses have to be proved first, nobody is signed in (None), and a mail tells how to go on; the answer is no
    other for an address that has an account, whose mail says so. Without a name, people start with the part before the @.
    """
    refuse_common(wanted.password)
    password_hash = passwords.hashed(wanted.password)
    name = wanted.display_name or wanted.email.partition("@")[0]
    with database.transaction() as session:
        chosen = rules(session)
        refuse_new(session, wanted.email, wanted.invitation)
        person = session.scalar(
            insert(User)
            .values(
                email=wanted.email,
                display_name=name,
                password_hash=password_hash,
                password_changed_at=database.now(),
            )
            .on_conflict_do_nothing(index_elements=[User.email])
            .returning(User)
        )
        if person is None:
            if not chosen.verify_email:
                raise Conflict("There is an account with this e-mail address. Sign in instead.", code="email_taken")
            mailing.send(session, "account-exists", wanted.email)
            return None
        if wanted.invitation is not None:
            use_invitation(session, person, wanted.invitation, origin)
        promote(person)
        session.flush()
        bus.publish(session, UserChanged(user_id=person.id, display_name=name))
        audit.note(session, "account.made", Actor(person.id, person.email), origin, on=person.id, called=person.email)
        if person.email_verified_at is None:
            codes.send(session, codes.VERIFY, person, person.email)
            if chosen.verify_email:
                return None
        return begin(session, person, origin, ending=ending, by="sign-up")


def sign_in(email: str, password: str, origin: Origin = NOWHERE, *, ending: UUID | None = None) -> SignedIn | Second:
    """Begin a session with a fresh token, ending the session ``ending``; or ask for the second factor of who has one.

    Raises Unauthenticated with the same words, after the same work, whether the account or the password is wrong, and
    TooManyRequests (before any work) where that happened too often.
    """
    with database.transaction() as session:
        throttling.check(session, SIGN_IN, email, origin.address)
        known = queries.user_by_email(session, email)
    # Outside of any transaction: hashing takes its time, and would hold a connection that others need.
    stored = known.password_hash if known else None
    if not passwords.verify(password, stored) or known is None or stored is None:
        _refuse(known, email, origin)
    renewed = passwords.hashed(password) if passwords.outdated(stored) else None
    with database.transaction() as session:
        person = session.get(User, known.id, with_for_update=True)
        if person is None or person.password_hash != stored:
            raise Unauthenticated(WRONG, code="wrong_credentials")
        refuse_who_may_not(session, person)
        if renewed:
            person.password_hash = renewed
        promote(person)
        throttling.clear(session, SIGN_IN, email, origin.address)
        methods = factors_of(session, person.id)
        if methods:
            return ask_second(session, person, methods)
        return begin(session, person, origin, ending=ending)


def begin(
    session: Transaction,
    person: User,
    origin: Origin,
    *,
    ending: UUID | None = None,
    strong: bool = False,
    by: str = "password",
) -> SignedIn:
    """Begin a session for somebody who proved who they are, and sweep away what their earlier ones left behind.

    Every way to sign in ends here. ``ending`` is the session that the browser came with, which may be somebody else's;
    ``strong`` says that more than a password was proved; ``by`` names the proof for the audit log.
    """
    chosen = settings()
    over = or_(
        Session.expires_at < func.now(),
        Session.last_seen_at < func.now() - timedelta(seconds=chosen.session_idle),
    )
    session.execute(delete(Session).where(or_(Session.id == ending, and_(Session.user_id == person.id, over))))
    token = credentials.new_session_token()
    begun = Session(
        user_id=person.id,
        token_hash=credentials.digest(token),
        expires_at=session.scalars(select(database.now())).one() + timedelta(seconds=chosen.session_lifetime),
        address=origin.address,
        device=origin.device,
        strong=strong,
    )
    session.add(begun)
    session.flush()
    person.delete_after = None  # whoever comes back has thought better of it
    audit.note(
        session, "session.begun", Actor(person.id, person.email), origin, on=begun.id, called=origin.device, by=by
    )
    return SignedIn(person, token, begun.expires_at)


def require_recent(session: Transaction, by: Principal) -> Session:
    """The caller's session, if whoever is behind it proved who they are not long ago. Raises Forbidden.

    Locks and keys of an account are changed by its owner, not by whoever finds a browser open. A program with an API key
    never may.
    """
    found = session.get(Session, by.session_id) if by.session_id is not None else None
    if found is None:
        raise Forbidden("Sign in with a browser to change this; an API key can't.", code="session_needed")
    recent = select(Session.proved_at > database.now() - timedelta(seconds=settings().proof_lifetime))
    if not session.scalar(recent.where(Session.id == found.id)):
        raise Forbidden("Please confirm that it is you: enter your password again.", code="reauthentication_needed")
    return found


def me(by: Principal) -> tuple[User, bool]:
    """The person who asks, and whether they lack the second factor that administrators need here.

    Raises Unauthenticated if the account is gone.
    """
    with database.transaction() as session:
        person = session.get(User, by.user_id)
        if person is None:
            raise Unauthenticated("This account no longer exists.")
        held = session.get(Session, by.session_id) if by.session_id is not None else None
        weak = held is not None and not held.strong
        return person, weak and person.role == "admin" and rules(session).admins_need_second_factor


def factors_of(session: Transaction, user_id: UUID) -> tuple[str, ...]:
    """By what somebody can be asked to prove themselves beside the password; empty where they have no second factor."""
    totp = select(Totp).where(Totp.user_id == user_id, Totp.confirmed_at.is_not(None))
    held = {"totp": totp, "passkey": select(Passkey).where(Passkey.user_id == user_id)}
    found = [name for name, rows in held.items() if session.scalar(select(rows.exists()))]
    return (*found, "recovery") if found else ()


def refuse_who_may_not(session: Transaction, person: User) -> None:
    """Raise Forbidden for whoever proved who they are and still may not come in: they are told why."""
    if person.disabled_at is not None:
        raise Forbidden("This account was disabled by an administrator.", code="account_disabled")
    if person.email_verified_at is None and rules(session).verify_email:
        raise Forbidden("Please confirm your e-mail address first: open the link in our mail.", code="email_unverified")


def refuse_common(password: str) -> None:
    """Raise Malformed for a password that everybody tries first."""
    if passwords.is_common(password):
        raise Malformed(
            "This password is among the most common ones, which is where guessing starts. Three unrelated words make a "
            "good one.",
            code="common_password",
        )


def _refuse(known: User | None, email: str, origin: Origin) -> NoReturn:
    """Count, write down and refuse a sign-in, in the same words for everybody."""
    with database.transaction() as session:
        throttling.failed(session, SIGN_IN, email, origin.address)
        actor = Actor(known.id if known else None, email)
        audit.note(session, "session.refused", actor, origin, result="wrong_credentials")
    raise Unauthenticated(WRONG, code="wrong_credentials")


def ask_second(session: Transaction, person: User, methods: tuple[str, ...]) -> Second:
    """Ask somebody who proved the first factor for the second."""
    from services.auth.operations import passkeys  # it begins sessions, too

    options, facts = passkeys.question_for(session, person.id) if "passkey" in methods else (None, None)
    secret = challenges.issue(session, Second.PURPOSE, {"passkey": facts} if facts else {}, user_id=person.id)
    return Second(secret, methods, options)


def promote(person: User) -> None:
    """Make the person whom the settings name an administrator. A role that was given stays when the setting goes.

    In production the address has to be proved first: otherwise whoever signs up with it before its owner would rule.
    """
    proved = person.email_verified_at is not None or settings().environment != "production"
    if proved and person.email == settings().admin_bootstrap_email:
        person.role = "admin"


def refuse_new(session: Transaction, email: str, invitation: str | None) -> None:
    """Raise Forbidden where this server takes no new account of who has this address and perhaps an invitation."""
    chosen = rules(session)
    if email == settings().admin_bootstrap_email:
        return
    if chosen.sign_up == "closed":
        raise Forbidden("This server takes no new accounts.", code="sign_up_closed")
    if chosen.sign_up == "invitation" and invitation is None:
        raise Forbidden("An invitation is needed to join this server.", code="invitation_needed")


def use_invitation(session: Transaction, person: User, invitation: str, origin: Origin) -> None:
    """Use the invitation that somebody new came with. Raises NotFound for one that is over, Forbidden for another's.

    One that was mailed to their address proves that they read its mail.
    """
    from services.auth.operations import invitations  # they look people up, too

    if invitations.use(session, invitation, person, origin).email is not None:
        person.email_verified_at = session.scalars(select(database.now())).one()
        session.flush()
