"""A title as the name of a downloaded file (RFC 6266, RFC 8187).

Titles are anybody's text. The name must stay inside its header, inside the folder it is saved to, and legal on Windows.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote

__all__ = ["attachment", "filename"]

LONGEST = 120  # characters, before the suffix
LONGEST_BYTES = 200  # of UTF-8; most file systems end at 255

_FORBIDDEN = re.compile(r'[<>:"/\\|?*]')
_SUFFIX = re.compile(r"\.[a-z0-9]{1,5}")
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)
_ATTR_CHAR = "!#$&+-.^_`|~"  # RFC 8187, 3.2.1, beside letters and digits


def filename(title: str, suffix: str) -> str:
    """Make a safe file name of a title. ``suffix`` (".mp4") is the server's own; anything else is left off."""
    # Control, format (so also text-direction), surrogate and private characters go: they hide what a name really is.
    plain = "".join(" " if character.isspace() else character for character in unicodedata.normalize("NFC", title))
    plain = "".join(character for character in plain if unicodedata.category(character)[0] != "C")
    plain = " ".join(_FORBIDDEN.sub(" ", plain).split())[:LONGEST].strip(" .")
    plain = plain.encode()[:LONGEST_BYTES].decode(errors="ignore").rstrip(" .")
    if not plain or _DEVICES.fullmatch(plain):
        plain = f"clip {plain}".strip()
    return plain + (suffix if _SUFFIX.fullmatch(suffix) else "")


def attachment(title: str, suffix: str) -> str:
    """Write the Content-Disposition header that saves a file under its title.

    Old clients read the ASCII twin; all others the UTF-8 name, which comes second and wins.
    """
    name = filename(title, suffix)
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    # Some clients decode percent signs in the plain form, though nothing says so.
    ascii_name = re.sub(r"[^A-Za-z0-9 ._()+-]", "_", ascii_name).strip()
    if not ascii_name.removesuffix(suffix).strip(" ._"):
        ascii_name = "clip" + (suffix if _SUFFIX.fullmatch(suffix) else "")
    return f"attachment; filename=\"{ascii_name}\"; filename*=UTF-8''{quote(name, safe=_ATTR_CHAR)}"
