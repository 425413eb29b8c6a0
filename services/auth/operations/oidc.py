"""Sign-in through an identity provider (OpenID Connect Core 1.0, authorization code flow with PKCE).

People are known by issuer and subject, and by nothing else that a provider says. An e-mail address finds an account for the
first time only if the provider vouches for it, and never one that its owner proved to be theirs: that takes their session
(no account is taken over by whoever gets a provider to say an address). An account that somebody made for an address without
proving it is taken from them by whoever does prove it (no pre-hijacking).
"""

from __future__ import annotations

import base64
import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session as Transaction

from libs import bus, database
from libs.contracts.events import UserChanged
from libs.web import Principal
from libs.web.problems import Conflict, Forbidden, Malformed, NotFound
from services.auth import credentials, providers, queries, sealing
from services.auth.forgetting import forget
from services.auth.models import Avatar, Challenge, OidcIdentity, User
from services.auth.operations import accounts, audit, challenges, changing
from services.auth.operations.accounts import Second, SignedIn
from services.auth.operations.audit import Actor
from services.auth.origin import NOWHERE, Origin
from services.auth.providers import Person, Untrusted

__all__ = ["Departure", "Identity", "Linked", "Wish", "begin", "drop", "finish", "identities", "link"]

PURPOSE = "oidc"
HOME = "/"


@dataclass(frozen=True)
class Departure:
    """Where the browser goes, and the secret that it keeps in a cookie, so that nobody else can come back in its place."""

    url: str
    browser: str


@dataclass(frozen=True)
class Wish:
    """What somebody set out for: the page to come back to, and the invitation that they have."""

    next: str = HOME
    invitation: str | None = None


@dataclass(frozen=True)
class Linked:
    """The provider is connected to the account of who asked."""


@dataclass(frozen=True)
class Identity:
    """An account elsewhere that one may sign in with."""

    id: UUID
    provider: str
    email: str
    created_at: datetime
    last_used_at: datetime | None


Arrival = tuple[SignedIn | Second | Linked, str]
"""What a sign-in came to, and the page to go on to."""


def begin(provider: str, wish: Wish) -> Departure:
    """Set out to a provider, to sign in. Raises NotFound for one that is not set up, Unavailable if it can't be reached."""
    return _depart(provider, wish, None)


def link(provider: str, by: Principal) -> Departure:
    """Set out to a provider, to connect it to one's account.

    It takes a recent proof, and an address that is proved: what somebody merely claims may become another's. Raises
    Forbidden.
    """
    with database.transaction() as session:
        accounts.require_recent(session, by)
        if queries.person(session, by.user_id).email_verified_at is None:
            raise Forbidden("Please confirm your e-mail address first.", code="email_unverified")
    return _depart(provider, Wish("/account"), by)


def finish(provider: str, answer: Mapping[str, str], browser: str, by: Principal, origin: Origin = NOWHERE) -> Arrival:
    """Come back from a provider with its answer (the query of the address) and the cookie of the browser that set out.

    Raises Untrusted for anything that is not exactly what was asked for, and Forbidden, Conflict or NotFound, as the other
    ways to sign in do, for people who may not come in.
    """
    with database.transaction() as session:
        asked = _asked(session, answer.get("state", ""), provider, browser)
    facts = asked.facts
    try:
        person = providers.redeem(provider, answer, facts["nonce"], _opened(facts["verifier"]))
    except Untrusted as error:
        audit.refused("oidc.refused", Actor(asked.user_id), origin, error.code, called=provider)
        raise
    try:
        if asked.user_id is not None:
            return _connect(person, asked, by, origin), facts["next"]
        invitation = facts["invitation"]
        return _enter(person, invitation and _opened(invitation), by, origin), facts["next"]
    except (Forbidden, Conflict, NotFound) as problem:
        actor = Actor(asked.user_id, person.email)
        audit.refused("oidc.refused", actor, origin, problem.code, called=person.issuer)
        raise


def identities(by: Principal) -> Sequence[Identity]:
    """The caller's accounts elsewhere, oldest first."""
    with database.transaction() as session:
        found = session.scalars(
            select(OidcIdentity)
            .where(OidcIdentity.user_id == by.require("read"))
            .order_by(OidcIdentity.created_at, OidcIdentity.id)
        )
        return [
            Identity(one.id, providers.named(one.issuer), one.email, one.created_at, one.last_used_at) for one in found
        ]


def drop(identity_id: UUID, by: Principal, origin: Origin = NOWHERE) -> None:
    """Sign in with it no longer. It takes a recent proof. Raises NotFound, and Conflict for the last way to sign in."""
    with database.transaction() as session:
        accounts.require_recent(session, by)
        person = queries.held(session, by.user_id)
        found = session.scalar(
            select(OidcIdentity).where(OidcIdentity.id == identity_id, OidcIdentity.user_id == person.id)
        )
        if found is None:
            raise NotFound
        if person.password_hash is None and queries.ways_in(session, person.id) == 1:
            raise Conflict("You could not sign in any more. Set a password first.", code="last_way_in")
        session.delete(found)
        audit.note(session, "oidc.unlinked", Actor.of(by), origin, on=person.id, called=found.issuer)
    forget(by.user_id)


def _depart(provider: str, wish: Wish, by: Principal | None) -> Departure:
    nonce, verifier, browser = (secrets.token_urlsafe(32) for _ in range(3))
    known = providers.find(provider)
    facts = {
        "provider": provider,
        "nonce": nonce,
        "verifier": _closed(verifier),
        "browser": credentials.digest(browser).hex(),
        "next": wish.next,
        "invitation": None if wish.invitation is None else _closed(wish.invitation),
        "session": str(by.session_id) if by is not None else None,
    }
    with database.transaction() as session:
        state = challenges.issue(session, PURPOSE, facts, user_id=by.user_id if by is not None else None)
    return Departure(providers.address(known, state, nonce, verifier), browser)


def _asked(session: Transaction, state: str, provider: str, browser: str) -> Challenge:
    """What this browser set out for; used up, whatever comes of it. Raises Untrusted."""
    try:
        found = challenges.look(session, PURPOSE, state)
    except Malformed as error:
        raise Untrusted("bad_state") from error
    if not hmac.compare_digest(found.facts["browser"], credentials.digest(browser).hex()):
        raise Untrusted("other_browser")  # which uses nothing up: the browser that set out may still arrive
    session.delete(found)
    if found.facts["provider"] != provider:
        raise Untrusted("other_provider")
    return found


def _closed(secret: str) -> str:
    return base64.b64encode(sealing.sealed(secret.encode())).decode()


def _opened(text: str) -> str:
    return sealing.opened(base64.b64decode(text)).decode()


def _connect(person: Person, asked: Challenge, by: Principal, origin: Origin) -> Linked:
    """Connect it to the account whose session set out, and is still here. Raises Forbidden and Conflict."""
    if by.acting != asked.user_id or str(by.session_id) != asked.facts["session"]:
        raise Forbidden("Sign in again, and connect the provider then.", code="session_changed")
    with database.transaction() as session:
        queries.held(session, by.user_id)
        known = session.get(OidcIdentity, (person.issuer, person.subject))
        if known is not None and known.user_id != by.user_id:
            raise Conflict("This account elsewhere belongs to another account here.", code="identity_taken")
        if known is None:
            session.add(_identity(person, by.user_id))
            audit.note(session, "oidc.linked", Actor.of(by), origin, on=by.user_id, called=person.issuer)
    return Linked()


def _enter(person: Person, invitation: str | None, by: Principal, origin: Origin) -> SignedIn | Second:
    with database.transaction() as session:
        known = session.get(OidcIdentity, (person.issuer, person.subject), with_for_update=True)
        owner = queries.held(session, known.user_id) if known is not None else None
        if owner is None:
            owner = _claimed(session, person, origin) or _made(session, person, invitation, origin)
            session.add(_identity(person, owner.id))
            session.flush()
        session.execute(
            update(OidcIdentity)
            .where(OidcIdentity.issuer == person.issuer, OidcIdentity.subject == person.subject)
            .values(last_used_at=database.now(), email=person.email)
        )
        accounts.refuse_who_may_not(session, owner)
        accounts.promote(owner)
        methods = accounts.factors_of(session, owner.id)
        if methods:
            return accounts.ask_second(session, owner, methods)
        signed_in = accounts.begin(session, owner, origin, ending=by.session_id, by=f"oidc {person.issuer}")
    forget(owner.id)
    return signed_in


def _claimed(session: Transaction, person: Person, origin: Origin) -> User | None:
    """The account that somebody made for this address without proving it, cleared of everything they prepared in it.

    Raises Forbidden for an unproved address, and for one whose account is its owner's: that is connected in their session.
    """
    if not person.email or not person.verified:
        raise Forbidden("The provider does not vouch for your e-mail address.", code="email_unverified")
    found = session.scalar(select(User).where(User.email == person.email).with_for_update())
    if found is None:
        return None
    if found.email_verified_at is not None:
        raise Forbidden("Sign in to your account, and connect the provider there.", code="link_first")
    keys = changing.disown(session, found.id)
    found.password_hash = None
    found.display_name = person.name or person.email.partition("@")[0]
    session.execute(delete(Avatar).where(Avatar.user_id == found.id))
    found.email_verified_at = session.scalars(select(database.now())).one()
    session.flush()
    audit.note(session, "account.claimed", Actor(found.id, found.email), origin, on=found.id, keys_revoked=keys)
    return found


def _made(session: Transaction, person: Person, invitation: str | None, origin: Origin) -> User:
    """A new account, where this server takes new ones. Raises Forbidden and NotFound, as signing up does."""
    made = User(
        email=person.email,
        display_name=person.name or person.email.partition("@")[0],
        email_verified_at=session.scalars(select(database.now())).one(),
    )
    accounts.promote(made)
    accounts.refuse_new(session, person.email, invitation)
    session.add(made)
    session.flush()
    if invitation is not None:
        accounts.use_invitation(session, made, invitation, origin)
    bus.publish(session, UserChanged(user_id=made.id, display_name=made.display_name))
    audit.note(session, "account.made", Actor(made.id, made.email), origin, on=made.id, called=made.email)
    return made


def _identity(person: Person, user_id: UUID) -> OidcIdentity:
    return OidcIdentity(issuer=person.issuer, subject=person.subject, user_id=user_id, email=person.email)
