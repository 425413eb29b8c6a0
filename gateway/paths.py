"""Refuses paths that two servers could read differently, before anything is routed.

Whoever decodes ``%2f`` late, resolves ``..`` early or merges ``//`` sees another path than the one that was checked; so such
paths are nobody's (OWASP ASVS 5.0, 4.1 and 4.2; CWE-436).
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

LONGEST = 4096  # bytes

_REFUSED = (
    (re.compile(rb"\A(?!/)"), "The path does not begin with a slash."),
    # A separator that was hidden, or a second layer of encoding that somebody else might take off.
    (
        re.compile(rb"(?i)\\|%(?:2f|5c|2e|25|[01][0-9a-f]|7f)"),
        "The path holds a backslash, or an encoded slash, dot, percent sign or control character.",
    ),
    # RFC 3986, 3.3.
    (
        re.compile(rb"%(?![0-9A-Fa-f]{2})|[^!$&'()*+,\-./0-9:;=@A-Z_a-z~%]"),
        "The path is not correctly percent-encoded.",
    ),
    (re.compile(rb"//"), "The path holds an empty segment."),
    # Some servers cut parameters (";x") off before they resolve dots.
    (re.compile(rb"/\.{1,2}(?:;[^/]*)?(?:/|\Z)"), "The path holds a dot segment."),
)
_NO_QUERY = re.compile(rb"[^\x21-\x7e]")


def refuse(path: bytes, query: bytes = b"") -> str | None:
    """Say why a request's raw path and query are refused, or None if they are plain."""
    if len(path) > LONGEST or len(query) > LONGEST:
        return "The address is too long."
    for pattern, reason in _REFUSED:
        if pattern.search(path):
            return reason
    if not _is_utf8(unquote_to_bytes(path)):
        return "The path is not text in UTF-8."
    if _NO_QUERY.search(query):
        return "The query holds characters that must be percent-encoded."
    return None


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
