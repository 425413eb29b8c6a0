"""Every way to say no, as RFC 9457 problem documents. Raise them from anywhere; ``libs.web`` writes them out.

Problem
├── Malformed              422  the request can't be understood
├── BadRequest             400  it breaks a rule of its protocol
├── Unauthenticated        401  nobody is signed in
├── Forbidden              403  signed in, and still not allowed
├── NotFound               404  there is none, or it is somebody else's: nobody can tell which
├── Conflict               409  it clashes with how things stand
├── Gone                   410  there was one
├── PreconditionFailed     412  it changed since you looked
├── TooLarge               413
├── UnsupportedMedia       415
├── RangeNotSatisfiable    416
├── Unusable               422  understood, and can't be done with this content
├── Locked                 423  somebody else is at it
├── PreconditionRequired   428
├── TooManyRequests        429
├── Unavailable            503  try again after ``retry_after`` seconds
├── UpstreamTimeout        504
└── InsufficientStorage    507
"""

from __future__ import annotations

from typing import Any, ClassVar

from libs.telemetry import correlation_id

__all__ = [
    "MEDIA_TYPE",
    "TYPE_BASE",
    "BadRequest",
    "Conflict",
    "Forbidden",
    "Gone",
    "InsufficientStorage",
    "Locked",
    "Malformed",
    "NotFound",
    "PreconditionFailed",
    "PreconditionRequired",
    "Problem",
    "RangeNotSatisfiable",
    "TooLarge",
    "TooManyRequests",
    "Unauthenticated",
    "Unavailable",
    "UnsupportedMedia",
    "Unusable",
    "UpstreamTimeout",
]

MEDIA_TYPE = "application/problem+json"
TYPE_BASE = "https://clipstead.dev/problems/"


class Problem(Exception):
    """A refusal. ``code`` is stable and names the type, ``detail`` is a sentence that a person can act on."""

    status: ClassVar[int] = 500
    code: str = "internal"
    title: ClassVar[str] = "Something went wrong on our side"

    def __init__(
        self, detail: str = "", *, code: str | None = None, headers: dict[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.code = code or type(self).code
        self.headers = headers or {}
        self.more = more

    def document(self) -> dict[str, Any]:
        """The body of the answer."""
        return {
            "type": TYPE_BASE + self.code,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "correlation_id": correlation_id(),
            **self.more,
        }


class Malformed(Problem):
    """422: the request can't be understood."""

    status = 422
    code = "malformed"
    title = "The request can't be understood"


class BadRequest(Problem):
    """400: it breaks a rule of its protocol."""

    status = 400
    code = "bad_request"
    title = "The request breaks a rule"


class Unauthenticated(Problem):
    """401: nobody is signed in."""

    status = 401
    code = "unauthenticated"
    title = "Please sign in"


class Forbidden(Problem):
    """403: signed in, and still not allowed."""

    status = 403
    code = "forbidden"
    title = "This is not allowed"


class NotFound(Problem):
    """404: there is none, or it is somebody else's."""

    status = 404
    code = "not_found"
    title = "There is nothing here"


class Conflict(Problem):
    """409: it clashes with how things stand."""

    status = 409
    code = "conflict"
    title = "This clashes with how things stand"


class Gone(Problem):
    """410: there was one."""

    status = 410
    code = "gone"
    title = "This is no longer here"


class PreconditionFailed(Problem):
    """412: it changed since the caller looked."""

    status = 412
    code = "changed_meanwhile"
    title = "Somebody changed this meanwhile"


class TooLarge(Problem):
    """413: more than we take."""

    status = 413
    code = "too_large"
    title = "This is too large"


class UnsupportedMedia(Problem):
    """415: not in a form that we take."""

    status = 415
    code = "unsupported_media_type"
    title = "This content type is not taken here"


class RangeNotSatisfiable(Problem):
    """416: the range lies outside of the content."""

    status = 416
    code = "range_not_satisfiable"
    title = "There is no such range"


class Unusable(Problem):
    """422: understood, and can't be done with this content."""

    status = 422
    code = "unusable"
    title = "This can't be used"


class Locked(Problem):
    """423: somebody else is at it."""

    status = 423
    code = "locked"
    title = "This is in use"


class PreconditionRequired(Problem):
    """428: say which version you mean."""

    status = 428
    code = "precondition_required"
    title = "Say which version you mean"


class TooManyRequests(Problem):
    """429: slow down."""

    status = 429
    code = "too_many_requests"
    title = "Too many requests"


class Unavailable(Problem):
    """503: not now. ``retry_after`` in seconds."""

    status = 503
    code = "unavailable"
    title = "This is not available right now"

    def __init__(self, detail: str = "", *, code: str | None = None, retry_after: int = 5, **more: Any) -> None:
        super().__init__(detail, code=code, headers={"Retry-After": str(retry_after)}, **more)


class UpstreamTimeout(Problem):
    """504: a part of the platform took too long."""

    status = 504
    code = "upstream_timeout"
    title = "A part of the platform took too long"


class InsufficientStorage(Problem):
    """507: the disk is nearly full."""

    status = 507
    code = "insufficient_storage"
    title = "There is not enough room"
