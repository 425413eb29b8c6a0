"""What somebody says about themselves, and what is known about them."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from PIL import Image, ImageOps, UnidentifiedImageError
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from libs import bus, database
from libs.contracts.events import UserChanged
from libs.contracts.subscriptions import SERVICES
from libs.web import Principal, peers
from libs.web.exporting import rows_of
from libs.web.problems import Malformed, NotFound, TooLarge
from services.auth import queries
from services.auth.forgetting import forget
from services.auth.models import (
    ApiKey,
    AuditEntry,
    Avatar,
    Membership,
    OidcIdentity,
    Passkey,
    Session,
    User,
)
from services.auth.operations import audit
from services.auth.operations.audit import Actor
from services.auth.origin import NOWHERE, Origin

__all__ = ["AVATAR_SIDE", "avatar", "change", "drop_avatar", "export", "set_avatar"]

AVATAR_SIDE = 420  # pixels at most
MOST_BYTES = 5 << 20
MOST_PIXELS = 24_000_000  # of what is decoded: what a phone's camera makes, and no bomb
FORMATS = ("JPEG", "PNG", "WEBP")
PATIENCE = 30.0  # seconds that a service gets to tell what it knows of somebody


def change(by: Principal, changed: Mapping[str, Any], origin: Origin = NOWHERE) -> User:
    """Change what somebody says about themselves: ``display_name``, ``language``, ``year_of_birth``, ``consent_version``."""
    with database.transaction() as session:
        person = queries.held(session, by.require("write"))
        for name, value in changed.items():
            setattr(person, name, value)
        if "consent_version" in changed:
            consented = changed["consent_version"] is not None
            person.consented_at = session.scalars(select(database.now())).one() if consented else None
        if "display_name" in changed:
            bus.publish(session, UserChanged(user_id=person.id, display_name=person.display_name))
        audit.note(session, "profile.changed", Actor.of(by), origin, on=person.id, fields=sorted(changed))
    forget(by.user_id)
    return person


def set_avatar(content: bytes, by: Principal) -> str:
    """Take a picture (JPEG, PNG or WebP), and keep it as our own WebP of at most 420 x 420 pixels. Returns its ETag.

    It is turned as its EXIF says, and loses that and everything else that it carried. Raises TooLarge and Malformed.
    """
    if len(content) > MOST_BYTES:
        raise TooLarge("A picture may have 5 MiB at most.")
    picture = _encoded(content)
    etag = hashlib.sha256(picture).hexdigest()[:32]
    with database.transaction() as session:
        person = queries.held(session, by.require("write"))
        kept = {"body": picture, "mime": "image/webp", "etag": etag}
        session.execute(
            insert(Avatar)
            .values(user_id=person.id, **kept)
            .on_conflict_do_update(index_elements=[Avatar.user_id], set_=kept)
        )
    return etag


def drop_avatar(by: Principal) -> None:
    """Have no picture any more."""
    with database.transaction() as session:
        session.execute(delete(Avatar).where(Avatar.user_id == by.require("write")))


def avatar(user_id: UUID, by: Principal) -> Avatar:
    """The picture of oneself, of somebody in a group of one's own, or to administrators of anybody. Raises NotFound."""
    viewer = by.require("read")
    together = select(Membership.user_id).where(Membership.user_id == user_id, Membership.group_id.in_(by.groups))
    with database.transaction() as session:
        known = user_id == viewer or "admin" in by.scopes or session.scalar(select(together.exists()))
        found = session.get(Avatar, user_id) if known else None
        if found is None:
            raise NotFound
        return found


def export(by: Principal) -> bytes:
    """Everything that the platform knows about somebody, as a zip of JSON files and their picture.

    Raises PeerUnavailable where a service can't tell: half of it would look like all of it.
    """
    user_id = by.require("read")
    with database.transaction() as session:
        tables = {
            "account": (User, User.id),
            "sessions": (Session, Session.user_id),
            "api-keys": (ApiKey, ApiKey.user_id),
            "passkeys": (Passkey, Passkey.user_id),
            "identities": (OidcIdentity, OidcIdentity.user_id),
            "groups": (Membership, Membership.user_id),
            "audit": (AuditEntry, AuditEntry.actor_id),
        }
        own = {
            name: rows_of(session, model, column == user_id, hidden=("hash", "public_key", "credential_id"))
            for name, (model, column) in tables.items()
        }
        picture = session.get(Avatar, user_id)
    elsewhere = {
        service: peers.client(service).get(f"/internal/export/{user_id}", timeout=PATIENCE)
        for service in SERVICES
        if service != "auth"
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("README.txt", _READ_ME)
        for folder, content in {"auth": own, **elsewhere}.items():
            for name, rows in content.items():
                archive.writestr(f"{folder}/{name}.json", json.dumps(rows, indent=2, ensure_ascii=False, default=str))
        if picture is not None:
            archive.writestr("auth/avatar.webp", picture.body)
    return packed.getvalue()


_TOO_LARGE = "This picture has too many pixels; 24 million are enough."

_READ_ME = """Everything that this Clipstead server knows about you.

One folder per part of the platform, one JSON file per kind of thing: your account, where you are
signed in, your keys (without their secrets), your groups, what the audit log says you did; your
recordings, their transcripts and found moments, your clips, likes and share links.

The recordings and clips themselves are not in here: they can be large. Each has its id in
catalog/media.json; download them from its page.
"""


def _encoded(content: bytes) -> bytes:
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as given:
            if given.width * given.height > MOST_PIXELS:
                raise Malformed(_TOO_LARGE, code="picture_too_large")
            upright = ImageOps.exif_transpose(given).convert("RGBA" if given.has_transparency_data else "RGB")
            upright.thumbnail((AVATAR_SIDE, AVATAR_SIDE), Image.Resampling.LANCZOS)
            written = io.BytesIO()
            upright.save(written, "WEBP", quality=85, method=4, exif=b"", icc_profile=None)
            return written.getvalue()
    except Image.DecompressionBombError as error:
        raise Malformed(_TOO_LARGE, code="picture_too_large") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise Malformed("This is no JPEG, PNG or WebP picture that can be read.", code="unsupported_picture") from error
