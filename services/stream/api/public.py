"""What holders of a signed link are given: the share page, the bytes, the poster. No service token reaches these."""

from __future__ import annotations

import secrets
from typing import Annotated

from fastapi import APIRouter, Cookie, Query, Request, Response
from fastapi.responses import HTMLResponse

from libs.web.describing import Answers, bare, carries, refuses
from libs.web.problems import NotFound, PreconditionFailed, RangeNotSatisfiable
from services.stream import pages
from services.stream.api.bytes import begins, deliver
from services.stream.models import Deliverable
from services.stream.operations import access, delivery, viewing
from services.stream.settings import settings

__all__ = ["PREFIXES", "router"]

PREFIXES = ("/s/", "/p/")
VIEWER = "clipstead_viewer"

router = APIRouter()

MEDIA = ("video/mp4", "audio/mp4", "video/*", "audio/*")
PAGE: Answers = (
    carries("text/html")
    | carries("text/html", status=404, description="There is nothing behind this link.")
    | carries("text/html", status=410, description="The link has expired, or was revoked.")
)


def _file(*media_types: str) -> Answers:
    return (
        carries(*media_types)
        | carries(*media_types, status=206, description="The part that was asked for.")
        | bare(304, "It is the one that you have.")
        | refuses({PreconditionFailed: "it is another file by now", RangeNotSatisfiable: "see Content-Range"})
    )


Viewer = Annotated[str | None, Cookie(alias=VIEWER, max_length=64)]
Download = Annotated[bool, Query()]


@router.head(
    "/s/static/{name}", response_class=Response, responses=carries("text/css", "text/javascript", "image/svg+xml")
)
@router.get(
    "/s/static/{name}", response_class=Response, responses=carries("text/css", "text/javascript", "image/svg+xml")
)
def static(name: str) -> Response:
    """Give the pages their looks. The address changes with the content."""
    if name not in pages.STATIC:
        raise NotFound
    content, mime = pages.STATIC[name]
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
    return Response(content, media_type=mime, headers=headers)


@router.head("/s/{token}", response_class=Response, responses=PAGE)
@router.get("/s/{token}", response_class=Response, responses=PAGE)
def share_page(token: str, viewer: Viewer = None) -> Response:
    """Show the player, or say kindly that there is nothing to play."""
    nonce = secrets.token_urlsafe(16)
    try:
        found = access.shared(token).deliverable
    except access.Lapsed:
        return _page(pages.render_lapsed(nonce), nonce, 410)
    except access.NoSuchLink:
        return _page(pages.render_missing(nonce), nonce, 404)
    answer = _page(pages.render_share(_shown(found, token), nonce), nonce, 200)
    if viewer is None:
        _know_again(answer, token)
    return answer


@router.head("/s/{token}/media", response_class=Response, responses=_file(*MEDIA))
@router.get("/s/{token}/media", response_class=Response, responses=_file(*MEDIA))
def share_media(token: str, request: Request, download: Download = False, viewer: Viewer = None) -> Response:
    """Play or download what was shared. The first bytes of it count as a view."""
    shared = access.shared(token)
    file = delivery.content(shared.deliverable)
    answer = deliver(request, file, embeddable=True, download=download)
    if not download and begins(request, file):
        known = viewer or _know_again(answer, token)
        viewing.count(shared.share_id, shared.deliverable.media_id, known)
    return answer


@router.head("/s/{token}/poster.jpg", response_class=Response, responses=_file("image/jpeg"))
@router.get("/s/{token}/poster.jpg", response_class=Response, responses=_file("image/jpeg"))
def share_poster(token: str, request: Request) -> Response:
    """Show the still picture of what was shared."""
    return deliver(request, delivery.poster(access.shared(token).deliverable), embeddable=True)


@router.head("/p/{token}", response_class=Response, responses=_file(*MEDIA))
@router.get("/p/{token}", response_class=Response, responses=_file(*MEDIA))
def granted_media(token: str, request: Request, download: Download = False) -> Response:
    """Play or download by a grant."""
    return deliver(request, delivery.content(access.granted(token)), embeddable=False, download=download)


@router.head("/p/{token}/poster.jpg", response_class=Response, responses=_file("image/jpeg"))
@router.get("/p/{token}/poster.jpg", response_class=Response, responses=_file("image/jpeg"))
def granted_poster(token: str, request: Request) -> Response:
    """Show the still picture by a grant."""
    return deliver(request, delivery.poster(access.granted(token)), embeddable=False)


def _know_again(answer: Response, token: str) -> str:
    """Give the viewer a random name that is good for this share alone, and for a few hours.

    The token was read before, so it is safe as a path.
    """
    name = secrets.token_urlsafe(16)
    answer.set_cookie(
        VIEWER,
        name,
        max_age=settings().viewer_lifetime,
        path=f"/s/{token}",
        secure=settings().public_url.startswith("https:"),
        httponly=True,
        samesite="lax",
    )
    return name


def _shown(found: Deliverable, token: str) -> pages.SharePage:
    return pages.SharePage(
        url=f"{settings().public_url.rstrip('/')}/s/{token}",
        title=found.appearance.title.strip() or "Untitled",
        mime=found.mime,
        width=found.width,
        height=found.height,
        duration=found.duration,
        size=found.size,
        poster=found.poster_key is not None,
    )


def _page(text: str, nonce: str, status: int) -> HTMLResponse:
    headers = {
        "Cache-Control": "private, no-store",  # a revoked page must not come back with the Back button
        "Content-Security-Policy": pages.policy(nonce),
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Robots-Tag": "noindex",
    }
    return HTMLResponse(text, status, headers)
