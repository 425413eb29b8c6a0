"""Which headers cross the gateway, in either direction, and which it adds."""

from __future__ import annotations

from collections.abc import Iterable

Headers = list[tuple[bytes, bytes]]

# Between two neighbours only (RFC 9110, 7.6.1). Host and Expect belong to the connection from the client as well.
_HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer transfer-encoding upgrade"
    b" host expect".split()
)
# Credentials stay here, and nobody may claim from outside who they are or where they come from.
_NEVER_INWARD = frozenset(b"cookie authorization forwarded via x-real-ip x-csrf-token x-http-method-override".split())
_NEVER_INWARD_PREFIXES = (
    b"x-forwarded-",
    b"x-user-",
    b"x-service-",
    b"x-session-",
    b"x-correlation-id",
    b"x-original-",
    b"x-delegated-",
)
# Sessions are begun and ended here, with the gateway's own cookie; uvicorn dates the reply.
_NEVER_OUTWARD = frozenset(b"set-cookie server date x-session-token x-session-expires x-service-token".split())


def inward(given: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Keep what a service may see of a client's headers. Names with an underscore can be mistaken for others: dropped."""
    # Spaces around a value are no part of it (RFC 9110, 5.5), and the client to the services refuses to send them.
    headers = [(name.lower(), value.strip(b" \t")) for name, value in given]
    connection = _named_by_connection(headers)
    chunked = any(name == b"transfer-encoding" for name, _ in headers)
    return [
        (name, value)
        for name, value in headers
        if name not in _HOP_BY_HOP
        and name not in connection
        and name not in _NEVER_INWARD
        and not name.startswith(_NEVER_INWARD_PREFIXES)
        and b"_" not in name
        # Two framings of one body are an invitation to smuggle; the chunked one counts (RFC 9112, 6.3).
        and not (chunked and name == b"content-length")
    ]


def framed_anew(headers: Headers) -> Headers:
    """Leave out how a body was framed on its way here: one that is held goes on with its length."""
    return [(name, value) for name, value in headers if name not in (b"content-length", b"transfer-encoding")]


def outward(given: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Keep what a client may see of a service's headers."""
    headers = [(name.lower(), value) for name, value in given]
    connection = _named_by_connection(headers)
    return [
        (name, value)
        for name, value in headers
        if name not in _HOP_BY_HOP and name not in connection and name not in _NEVER_OUTWARD
    ]


def cookie_inward(given: Iterable[tuple[bytes, bytes]], name: str) -> Headers:
    """One cookie of the client's, by its name with or without ``__Host-``, and no other: the session's stays here."""
    found: dict[str, str] = {}
    for header in values_of(given, b"cookie"):
        for pair in header.split(";"):
            key, _, value = pair.strip().partition("=")
            if key in _names(name):
                found.setdefault(key, f"{key}={value}")
    return [(b"cookie", "; ".join(found.values()).encode("latin-1"))] if found else []


def cookie_outward(given: Iterable[tuple[bytes, bytes]], name: str) -> Headers:
    """One cookie that a service sets, by its name with or without ``__Host-``."""
    wanted = tuple(f"{one}=".encode() for one in _names(name))
    return [(key, value) for key, value in given if key.lower() == b"set-cookie" and value.startswith(wanted)]


def _names(cookie: str) -> tuple[str, str]:
    # The prefix keeps other hosts of the same site from planting it.
    return cookie, f"__Host-{cookie}"


def value_of(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> str | None:
    """The first value of a header, or None. ``name`` is in lower case."""
    return next((value.decode("latin-1") for key, value in headers if key.lower() == name), None)


def values_of(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> list[str]:
    """Every value of a header that may come several times. ``name`` is in lower case."""
    return [value.decode("latin-1") for key, value in headers if key.lower() == name]


def _named_by_connection(headers: Headers) -> frozenset[bytes]:
    """What a ``Connection`` header declares as hop-by-hop. It may not make end-to-end framing disappear."""
    named = {token.strip().lower() for name, value in headers if name == b"connection" for token in value.split(b",")}
    return frozenset(named - {b"content-length", b"content-type", b"close"})


# OWASP ASVS 5.0, 3.4: no script but from files of ours, no plugins, no other base, no foreign frames or targets of forms.
_APP_POLICY = (
    b"default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:;"
    b" connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_DATA_POLICY = b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_TLS_ONLY = b"max-age=63072000; includeSubDomains"  # for two years; ASVS asks for one

_ALWAYS: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"permissions-policy", b"camera=(), display-capture=(), geolocation=(), payment=(), usb=()"),
]


def secured(headers: Headers, path: str, *, https: bool) -> Headers:
    """Add the headers that tell browsers to be careful.

    What a reply says of itself wins (a page that may be embedded), but not of its type, its transport and the devices.
    """
    data = path.startswith("/api/") and not path.startswith("/api/docs")
    linked = path.startswith(("/s/", "/p/"))
    wanted = [
        (b"content-security-policy", _DATA_POLICY if data else _APP_POLICY),
        # The address of a shared page is its key; it must not travel in Referer.
        (b"referrer-policy", b"no-referrer" if linked else b"same-origin"),
    ]
    if not linked:
        wanted += [(b"cross-origin-opener-policy", b"same-origin"), (b"cross-origin-resource-policy", b"same-origin")]
    if data:
        wanted.append((b"cache-control", b"no-store"))
    always = [*_ALWAYS, (b"strict-transport-security", _TLS_ONLY)] if https else _ALWAYS
    ours = {name for name, _ in always}
    kept = [(name, value) for name, value in headers if name not in ours]
    said = {name for name, _ in kept}
    return kept + always + [(name, value) for name, value in wanted if name not in said]
