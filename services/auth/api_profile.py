"""What somebody says about themselves, over HTTP."""

from __future__ import annotations

import re
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Response
from fastapi import Request as HttpRequest
from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from libs.web import Caller
from libs.web.describing import bare, carries, refuses
from libs.web.problems import Malformed, TooLarge, Unauthenticated
from services.auth.api import Name, Request, UserReply, shown
from services.auth.operations import leaving, profile
from services.auth.origin import From

__all__ = ["router"]

router = APIRouter(prefix="/v1/auth")

OLDEST = 1900
_TAG = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")  # BCP 47, as far as anybody needs it


def _language(text: str) -> str:
    if not _TAG.fullmatch(text):
        raise ValueError("this is no language tag; “en”, “nb” or “pt-BR” would be")
    return text


class Changes(Request):
    """What one may change; fields left out stay as they are."""

    display_name: Name = ""
    language: Annotated[str, StringConstraints(max_length=35), AfterValidator(_language)] = "en"
    year_of_birth: Annotated[int, Field(ge=OLDEST, le=2100)] | None = None
    consent_version: Annotated[str, StringConstraints(min_length=1, max_length=40)] | None = None


class Picture(BaseModel):
    """Where one's picture is."""

    url: str


class Leaving(Request):
    """That it is meant."""

    password: Annotated[str, StringConstraints(min_length=1, max_length=256)] | None = None


@router.patch("/me")
def change(changes: Changes, caller: Caller, origin: From) -> UserReply:
    """Change one's name, language, year of birth, or the agreement that one consents to."""
    return shown(profile.change(caller, changes.model_dump(exclude_unset=True), origin))


@router.delete("/me", status_code=202, responses=refuses({Unauthenticated: "wrong_credentials"}))
def leave(given: Leaving, caller: Caller, origin: From) -> None:
    """Have one's account deleted, with everything in it, after some days; signing in before that takes it back."""
    leaving.ask(given.password, caller, origin)


@router.put(
    "/me/avatar",
    responses=refuses({TooLarge: "5 MiB at most", Malformed: "picture_too_large or unsupported_picture"}),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                kind: {"schema": {"type": "string", "format": "binary"}}
                for kind in ("image/jpeg", "image/png", "image/webp")
            },
        }
    },
)
async def set_avatar(request: HttpRequest, caller: Caller) -> Picture:
    """Set one's picture: JPEG, PNG or WebP of 5 MiB at most. It is kept as WebP of 420 x 420 pixels at most."""
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > profile.MOST_BYTES:
            raise TooLarge("A picture may have 5 MiB at most.")
    from anyio.to_thread import run_sync

    etag = await run_sync(profile.set_avatar, bytes(content), caller)
    return Picture(url=f"/api/v1/auth/avatars/{caller.user_id}?v={etag[:8]}")


@router.delete("/me/avatar", status_code=204)
def drop_avatar(caller: Caller) -> None:
    """Have no picture any more."""
    profile.drop_avatar(caller)


@router.get(
    "/avatars/{user_id}",
    response_class=Response,
    responses=carries("image/webp") | bare(304, "It is the one that you have."),
)
def avatar(
    user_id: UUID, caller: Caller, if_none_match: Annotated[str | None, Header(max_length=200)] = None
) -> Response:
    """Show the picture of oneself, of somebody in a group of one's own, or to administrators of anybody."""
    found = profile.avatar(user_id, caller)
    headers = {"ETag": f'"{found.etag}"', "Cache-Control": "private, max-age=300"}
    if if_none_match is not None and f'"{found.etag}"' in if_none_match:
        return Response(status_code=304, headers=headers)
    return Response(found.body, media_type=found.mime, headers=headers)


@router.get("/me/export", response_class=Response, responses=carries("application/zip"))
def export(caller: Caller) -> Response:
    """Everything that the platform knows about one, as a zip."""
    headers = {"Content-Disposition": 'attachment; filename="clipstead-about-me.zip"', "Cache-Control": "no-store"}
    return Response(profile.export(caller), media_type="application/zip", headers=headers)
