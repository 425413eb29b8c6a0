"""Passkeys (WebAuthn Level 3): a sign-in without a password, or the second step of one with it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import webauthn
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session as Transaction
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url, options_to_json
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from libs import database
from libs.telemetry import log
from libs.web import Principal
from libs.web.problems import Conflict, Malformed, NotFound, Unauthenticated
from services.auth import queries
from services.auth.forgetting import forget
from services.auth.models import Passkey, User
from services.auth.operations import audit, challenges
from services.auth.operations.accounts import SignedIn, begin, refuse_who_may_not, require_recent
from services.auth.operations.audit import Actor
from services.auth.operations.sessions import rotate
from services.auth.origin import NOWHERE, Origin
from services.auth.settings import settings

__all__ = ["Question", "checked", "drop", "offer", "question_for", "register", "rename", "sign_in", "sign_in_options"]

MOST = 20  # of one person
REGISTER, SIGN_IN = "passkey-register", "passkey-sign-in"


@dataclass(frozen=True)
class Question:
    """What the browser's ``navigator.credentials`` is asked with, and the secret that the answer has to bring along."""

    challenge: str
    options: dict[str, Any]


def offer(by: Principal) -> Question:
    """Begin to add a passkey. Takes a recent proof."""
    with database.transaction() as session:
        require_recent(session, by)
        person = queries.person(session, by.user_id)
        options = webauthn.generate_registration_options(
            rp_id=_host(),
            rp_name="Clipstead",
            user_id=person.id.bytes,
            user_name=person.email,
            user_display_name=person.display_name,
            exclude_credentials=_descriptors(session, person.id),
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
        )
        secret = challenges.issue(
            session, REGISTER, {"challenge": bytes_to_base64url(options.challenge)}, user_id=person.id
        )
        return Question(secret, json.loads(options_to_json(options)))


def register(
    secret: str, credential: dict[str, Any], name: str, by: Principal, origin: Origin = NOWHERE
) -> tuple[Passkey, SignedIn]:
    """Add a passkey. Rotates the session, which is strong now. Raises Malformed for an answer that does not fit."""
    with database.transaction() as session:
        asked = challenges.take(session, REGISTER, secret)
        problem, made = None, None
        if asked.user_id == by.acting:
            try:
                made = webauthn.verify_registration_response(
                    credential=credential,
                    expected_challenge=base64url_to_bytes(asked.facts["challenge"]),
                    expected_rp_id=_host(),
                    expected_origin=_origins(),
                    require_user_verification=True,
                )
            except WebAuthnException as error:
                problem = str(error)
    if made is None:
        log.warning("passkey refused", extra={"problem": problem or "another person's question"})
        raise Malformed("This passkey could not be checked. Please try again.", code="bad_passkey")
    with database.transaction() as session:
        held = require_recent(session, by)
        count = session.scalars(select(func.count()).where(Passkey.user_id == by.user_id)).one()
        known = session.scalar(select(Passkey.id).where(Passkey.credential_id == made.credential_id))
        if count >= MOST or known is not None:
            raise Conflict("This passkey is in use already, or you have as many as one person may.", code="too_many")
        transports = credential.get("response", {}).get("transports", [])
        row = Passkey(
            user_id=by.user_id,
            credential_id=made.credential_id,
            public_key=made.credential_public_key,
            sign_count=made.sign_count,
            transports=[one for one in transports if one in set(AuthenticatorTransport)],
            name=name,
        )
        session.add(row)
        session.flush()
        session.refresh(row)
        audit.note(session, "passkey.added", Actor.of(by), origin, on=row.id, called=name)
        renewed = rotate(session, held, strong=True)
    forget(by.user_id)
    return row, renewed


def rename(passkey_id: UUID, name: str, by: Principal) -> Passkey:
    """Call a passkey something else. Raises NotFound."""
    with database.transaction() as session:
        found = _own(session, passkey_id, by)
        found.name = name
        return found


def drop(passkey_id: UUID, by: Principal, origin: Origin = NOWHERE) -> None:
    """Remove a passkey. Takes a recent proof. The last way to sign in stays."""
    with database.transaction() as session:
        require_recent(session, by)
        found = _own(session, passkey_id, by)
        person = queries.person(session, by.user_id)
        if person.password_hash is None and queries.ways_in(session, person.id) == 1:
            raise Conflict("This is your only way to sign in. Set a password first.", code="last_way_in")
        session.execute(delete(Passkey).where(Passkey.id == found.id))
        audit.note(session, "passkey.removed", Actor.of(by), origin, on=found.id, called=found.name)
    forget(by.user_id)


def sign_in_options() -> Question:
    """Ask whoever wants in for a passkey of theirs. Tells nobody who has one."""
    with database.transaction() as session:
        options, facts = question_for(session, None)
        return Question(challenges.issue(session, SIGN_IN, facts), options)


def sign_in(
    secret: str, credential: dict[str, Any], origin: Origin = NOWHERE, *, ending: UUID | None = None
) -> SignedIn:
    """Sign in with a passkey alone. Raises Unauthenticated."""
    with database.transaction() as session:
        facts = challenges.take(session, SIGN_IN, secret).facts
    with database.transaction() as session:
        found = checked(session, credential, facts)
        if found is not None:
            person = session.get_one(User, found.user_id)
            refuse_who_may_not(session, person)
            return begin(session, person, origin, ending=ending, strong=True, by="passkey")
        audit.note(session, "session.refused", Actor(None), origin, result="wrong_passkey")
    raise Unauthenticated("This passkey is not known here.", code="wrong_passkey")


def question_for(session: Transaction, user_id: UUID | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """The options for a browser, and the facts to remember them by; for one person's passkeys, or anybody's."""
    options = webauthn.generate_authentication_options(
        rp_id=_host(),
        allow_credentials=_descriptors(session, user_id) if user_id is not None else None,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return json.loads(options_to_json(options)), {"challenge": bytes_to_base64url(options.challenge)}


def checked(session: Transaction, credential: dict[str, Any], facts: dict[str, Any]) -> Passkey | None:
    """The passkey that signed the question; None if none of ours did. A counter that went back is a copy: refused."""
    try:
        credential_id = base64url_to_bytes(str(credential.get("id", "")))
        found = session.scalar(select(Passkey).where(Passkey.credential_id == credential_id).with_for_update())
        if found is None or not _is_of(credential, found.user_id):
            return None
        proved = webauthn.verify_authentication_response(
            credential=credential,
            expected_challenge=base64url_to_bytes(facts["challenge"]),
            expected_rp_id=_host(),
            expected_origin=_origins(),
            credential_public_key=found.public_key,
            credential_current_sign_count=found.sign_count,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError) as error:
        log.warning("passkey refused", extra={"problem": str(error)})
        return None
    found.sign_count = proved.new_sign_count
    found.last_used_at = session.scalars(select(database.now())).one()
    return found


def _is_of(credential: dict[str, Any], user_id: UUID) -> bool:
    """Whether the authenticator, where it says whose the passkey is, says the same (WebAuthn 7.2, step 6)."""
    response = credential.get("response")
    handle = response.get("userHandle") if isinstance(response, dict) else None
    return not handle or base64url_to_bytes(str(handle)) == user_id.bytes


def _own(session: Transaction, passkey_id: UUID, by: Principal) -> Passkey:
    found = session.scalar(select(Passkey).where(Passkey.id == passkey_id, Passkey.user_id == by.require("write")))
    if found is None:
        raise NotFound
    return found


def _descriptors(session: Transaction, user_id: UUID) -> list[PublicKeyCredentialDescriptor]:
    rows = session.scalars(select(Passkey).where(Passkey.user_id == user_id))
    return [
        PublicKeyCredentialDescriptor(
            id=row.credential_id, transports=[AuthenticatorTransport(one) for one in row.transports]
        )
        for row in rows
    ]


def _host() -> str:
    return urlsplit(settings().public_url).hostname or "localhost"


def _origins() -> list[str]:
    parts = urlsplit(settings().public_url)
    return [f"{parts.scheme}://{parts.netloc}"]
