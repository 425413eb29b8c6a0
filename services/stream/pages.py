"""The HTML that a person without an account sees: a player, or why there is none.

Every text is escaped by the template engine, and the policy that goes with a page allows no script at all.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

__all__ = ["STATIC", "SharePage", "policy", "render_lapsed", "render_missing", "render_share"]

_HERE = Path(__file__).parent
STATIC = {
    name: ((_HERE / "static" / name).read_bytes(), mime)
    for name, mime in (("share.css", "text/css; charset=utf-8"), ("icon.svg", "image/svg+xml"))
}
"""What pages load: content and type by name, under ``/s/static/``."""
_VERSION = hashlib.sha256(b"".join(content for content, _ in STATIC.values())).hexdigest()[:12]

_templates = Environment(
    loader=FileSystemLoader(_HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True)
class SharePage:
    """What a share page shows. ``url`` is the page's public address, without a slash at its end."""

    url: str
    title: str
    mime: str
    width: int  # 0 where there is no picture
    height: int
    duration: float  # seconds
    size: int  # bytes
    poster: bool

    @property
    def player(self) -> str:
        """The HTML element that plays it."""
        return "audio" if self.mime.startswith("audio/") else "video"

    @property
    def path(self) -> str:
        """The address without its host, for links within the page."""
        return "/" + self.url.split("://", 1)[-1].partition("/")[2]


def policy(nonce: str) -> str:
    """The Content-Security-Policy of all pages here.

    Any site may frame a page: that is what a player card is, and nothing on it can be clicked against somebody's will.
    """
    return (
        f"default-src 'none'; media-src 'self'; img-src 'self'; style-src 'self' 'nonce-{nonce}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors *"
    )


def render_share(page: SharePage, nonce: str) -> str:
    """The page that plays."""
    length, weight = _length(page.duration), _weight(page.size)
    return _render("share.html", nonce, page=page, length=length, weight=weight, seconds=round(page.duration))


def render_lapsed(nonce: str) -> str:
    """The page of a link that worked once."""
    return _render("lapsed.html", nonce)


def render_missing(nonce: str) -> str:
    """The page of an address that leads nowhere."""
    return _render("missing.html", nonce)


def _render(template: str, nonce: str, **values: object) -> str:
    return _templates.get_template(template).render(nonce=nonce, version=_VERSION, **values)


def _length(duration: float) -> str:
    """Seconds as people write them: 0:07, 3:05, 1:02:03."""
    minutes, seconds = divmod(round(duration), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _weight(size: int) -> str:
    """Bytes as people read them, in powers of a thousand."""
    amount = float(size)
    for unit in ("B", "kB", "MB"):
        if round(amount) < 1000:
            return f"{amount:.0f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"
