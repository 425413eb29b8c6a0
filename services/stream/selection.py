"""Which part of a file a request is answered with: conditional requests and byte ranges (RFC 9110, sections 13 and 14).

One range is honoured. Several are a legitimate wish that a server may leave ungranted by sending the whole file; what
is malformed, or longer than any player writes, is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Selection", "Span", "select"]

LONGEST_RANGE = 128  # characters
LONGEST_CONDITION = 4096

_UNIT = re.compile(r"(?P<unit>[A-Za-z0-9!#$%&'*+.^_`|~-]+)[ \t]*=(?P<specs>.*)", re.DOTALL)
_SPEC = re.compile(r"(?P<first>[0-9]{0,19})-(?P<last>[0-9]{0,19})")
_ENTITY_TAG = re.compile(r'(?P<weak>W/)?(?P<opaque>"[\x21\x23-\x7e\x80-\xff]*")')


@dataclass(frozen=True)
class Span:
    """Bytes ``first`` to ``last`` of a file, both included."""

    first: int
    last: int

    @property
    def length(self) -> int:
        """How many bytes that is."""
        return self.last - self.first + 1


@dataclass(frozen=True)
class Selection:
    """The answer's status (200, 206, 304, 412 or 416) and, for 206, the span."""

    status: int
    span: Span | None = None


class _Unsatisfiable(Exception):
    """No byte of the file is in the range, or the header is no range at all."""


def select(method: str, headers: Mapping[str, str], etag: str, size: int) -> Selection:
    """Evaluate a request for a file in the order of RFC 9110, 13.2.2.

    ``headers`` has lower-case names; ``etag`` is the file's strong entity tag with its quotes; ``size`` is in bytes.
    """
    if "if-match" in headers and not _lists(headers["if-match"], etag, weakly=False):
        return Selection(412)
    if "if-none-match" in headers and _lists(headers["if-none-match"], etag, weakly=True):
        return Selection(304)
    # Range is defined for GET alone (14.2), and only while the file is the one that If-Range names (13.1.5).
    wanted = headers.get("range") if method == "GET" else None
    if wanted is None or not _still_the_same(headers.get("if-range"), etag):
        return Selection(200)
    try:
        span = _span(wanted, size)
    except _Unsatisfiable:
        return Selection(416)
    return Selection(206, span) if span else Selection(200)


def _lists(header: str, etag: str, *, weakly: bool) -> bool:
    """Tell whether a list of entity tags names this one."""
    if header.strip() == "*":
        return True
    tags = _ENTITY_TAG.finditer(header[:LONGEST_CONDITION])
    return any(tag["opaque"] == etag and (weakly or not tag["weak"]) for tag in tags)


def _still_the_same(if_range: str | None, etag: str) -> bool:
    """Compare strongly: a weak tag never matches, nor does a date, for files here carry none."""
    return if_range is None or if_range.strip() == etag


def _span(header: str, size: int) -> Span | None:
    """Parse a Range header. None: send the whole file. Raises _Unsatisfiable."""
    if len(header) > LONGEST_RANGE:
        raise _Unsatisfiable
    parts = _UNIT.fullmatch(header.strip())
    if parts is None:
        raise _Unsatisfiable
    if parts["unit"].lower() != "bytes":
        return None
    specs = [_SPEC.fullmatch(spec.strip()) for spec in parts["specs"].split(",") if spec.strip()]
    match specs:
        case [re.Match() as only]:
            return _bounded(only["first"], only["last"], size)
        case [_, _, *_] if all(specs):
            return None
    raise _Unsatisfiable


def _bounded(first: str, last: str, size: int) -> Span:
    """Fit ``first-last``, ``first-`` or ``-suffix`` to the file's size."""
    if first:
        start, end = int(first), int(last) if last else size - 1
        if end < start and last:
            raise _Unsatisfiable
    elif last:
        start, end = max(0, size - int(last)), size - 1
    else:
        raise _Unsatisfiable
    if start >= size:
        raise _Unsatisfiable
    return Span(start, min(end, size - 1))
