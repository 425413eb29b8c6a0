"""The gateway's own ways to say no, beside those that all services share.

Problem
├── MethodNotAllowed   405  the path exists, and does not know this verb
├── SlowBody           408  the client stopped sending
├── HeadersTooLarge    431  more than a browser sends
├── BrokenReply        502  a service hung up instead of answering
├── ClientGone         499  nobody is left to read this; only ever counted
├── Unauthenticated
│   └── BadCredential       a key or token that is unknown, ended, or no API key at all
├── Forbidden
│   ├── Foreign             another site's page sent it
│   └── NoCsrfToken         a change without the session's token
├── TooManyRequests
│   └── Limited             with Retry-After
├── NotFound
│   └── UnknownPerson       nobody has the address that a trusted system wants to act for
├── Unavailable
│   └── Down                a service can't be reached
└── UpstreamTimeout
    └── Slow                a service did not answer in time
"""

from __future__ import annotations

from collections.abc import Iterable

from libs.web.problems import (
    Forbidden,
    NotFound,
    Problem,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
    UpstreamTimeout,
)


class MethodNotAllowed(Problem):
    """405: the path exists, and does not know this verb."""

    status = 405
    code = "method_not_allowed"
    title = "This can't be done with that address"

    def __init__(self, allowed: Iterable[str]) -> None:
        methods = ", ".join(sorted(allowed))
        super().__init__(f"This address takes {methods}.", headers={"Allow": methods})


class SlowBody(Problem):
    """408: the client stopped sending."""

    status = 408
    code = "slow_body"
    title = "The rest of the request did not come"

    def __init__(self) -> None:
        super().__init__(
            "The connection was idle for too long in the middle of the body.", headers={"Connection": "close"}
        )


class HeadersTooLarge(Problem):
    """431: more than a browser sends."""

    status = 431
    code = "headers_too_large"
    title = "The headers are too large"


class ClientGone(Problem):
    """499: the client left before its body was complete; nobody reads this."""

    status = 499
    code = "client_gone"
    title = "The client closed the connection"


class BrokenReply(Problem):
    """502: a service hung up instead of answering."""

    status = 502
    code = "broken_reply"
    title = "A part of the platform broke off"

    def __init__(self, service: str) -> None:
        super().__init__(f"The {service} service broke off without an answer. Please try again.", service=service)


class BadCredential(Unauthenticated):
    """401: a key or token that is unknown, ended, or no API key at all."""

    code = "bad_credential"

    def __init__(self) -> None:
        super().__init__(
            "This API key is not known, or was revoked. Make one in your account and send “Authorization: Bearer csk_…”.",
            headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
        )


class Foreign(Forbidden):
    """403: another site's page sent it."""

    code = "cross_site"

    def __init__(self) -> None:
        super().__init__("Another site's page sent this request. Open Clipstead itself and try there.")


class NoCsrfToken(Forbidden):
    """403: a change without the session's token."""

    code = "csrf_token"

    def __init__(self) -> None:
        super().__init__(
            "X-CSRF-Token is missing or of another session. Reload the page (GET /api/v1/session tells it)."
        )


class UnknownPerson(NotFound):
    """404: nobody has the address that a trusted system wants to act for."""

    code = "unknown_delegated_user"

    def __init__(self) -> None:
        super().__init__("Nobody here has the address in X-Delegated-User-Email.")


class Limited(TooManyRequests):
    """429: with Retry-After; how the caller stands with each limit is told of every answer."""

    def __init__(self, wait: int) -> None:
        super().__init__(f"Too many requests. Please try again in {wait} s.", headers={"Retry-After": str(wait)})


class Down(Unavailable):
    """503: a service can't be reached."""

    code = "service_down"

    def __init__(self, service: str) -> None:
        detail = f"The {service} service is starting or down. Please try again shortly."
        super().__init__(detail, retry_after=3, service=service)


class Slow(UpstreamTimeout):
    """504: a service did not answer in time."""

    def __init__(self, service: str) -> None:
        super().__init__(f"The {service} service did not answer in time. Please try again.", service=service)
