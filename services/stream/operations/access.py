"""Opening what a signed link leads to. The rows are asked at every request, so that revoking bites on the next one."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from libs import database
from libs.web.problems import NotFound
from services.stream import links, queries
from services.stream.links import Kind, Link
from services.stream.models import Deliverable, Grant
from services.stream.settings import settings

__all__ = ["Lapsed", "NoSuchLink", "Shared", "granted", "shared", "url_of"]


class NoSuchLink(NotFound):
    """The link opens nothing. As an answer it is the same 404 whatever the reason."""


class Lapsed(NoSuchLink):
    """The link was genuine once: it expired, was revoked, or what it led to is gone."""


@dataclass(frozen=True)
class Shared:
    """What a share link leads to."""

    share_id: UUID
    deliverable: Deliverable


def shared(token: str) -> Shared:
    """Open a share link. Raises NoSuchLink, or Lapsed."""
    link = _genuine(token, Kind.SHARE)
    with database.transaction() as session:
        found = queries.share_of(session, link)
        if found is None:
            raise Lapsed
        share, deliverable = found
        if deliverable.dropped_at is not None:
            raise Lapsed
        return Shared(share.id, deliverable)


def granted(token: str) -> Deliverable:
    """Open a playback grant, if its holder may still see what it leads to. Raises NoSuchLink, or Lapsed."""
    link = _genuine(token, Kind.GRANT)
    with database.transaction() as session:
        found = queries.grant_of(session, link)
        if found is None:
            raise Lapsed
        grant, deliverable = found
        if deliverable.dropped_at is not None or not _may_see(grant, deliverable):
            raise Lapsed
        return deliverable


def url_of(link: Link) -> str:
    """Write the public address of a link."""
    door = {Kind.SHARE: "s", Kind.GRANT: "p"}[link.kind]
    token = links.sign(link, settings().link_secrets()[0])
    return f"{settings().public_url.rstrip('/')}/{door}/{token}"


def _genuine(token: str, kind: Kind) -> Link:
    try:
        return links.read(token, kind, settings().link_secrets())
    except links.Forged as error:
        raise NoSuchLink from error


def _may_see(grant: Grant, deliverable: Deliverable) -> bool:
    """The owner always; others as long as it is public, or for the group as whose members they asked."""
    seen = deliverable.appearance
    own = grant.viewer_id == deliverable.owner_id
    return own or seen.visibility == "public" or (seen.group_id is not None and seen.group_id == grant.group_id)
