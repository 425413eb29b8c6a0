"""Advanced SubStation Alpha documents for libass: the only way by which text reaches a picture.

Text is data here and in the filter graph alike: ``escape`` leaves nothing in it that libass takes for markup, and the
document travels as a file. Format: https://github.com/libass/libass/wiki/ASS-File-Format-Guide
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field

WORD_JOINER = "\u2060"  # drawn as nothing by libass
BY_ITS_LETTERS = -1  # the Encoding that lets libass find a text's direction (its own extension)
JOINERS = {"\u200c", "\u200d"}  # Persian and emoji need them

STYLE_FIELDS = (
    "Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, "
    "StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, "
    "Encoding"
)
HEADER = """[Script Info]
ScriptType: v4.00+
PlayResX: {width}
PlayResY: {height}
WrapStyle: 2
ScaledBorderAndShadow: yes
Kerning: yes
YCbCr Matrix: TV.709

[V4+ Styles]
Format: {fields}
{styles}

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
{events}
"""


def clean(text: str) -> str:
    """One line of printable text: controls and bidirectional overrides go, any white space becomes one space."""
    spaced = " ".join(text.split())
    return "".join(c for c in spaced if c in JOINERS or not unicodedata.category(c).startswith("C"))


def escape(text: str) -> str:
    r"""Make text that libass draws as it stands.

    ``{`` and ``}`` have escapes; a backslash has none, so a word joiner parts it from whatever would make it a command
    (``\N``, ``\h``, ``\{``).
    """
    joined = clean(text).replace("\\", "\\" + WORD_JOINER)
    return joined.replace("{", "\\{").replace("}", "\\}")


def colour(rgb: str, alpha: float = 0.0) -> str:
    """``#RRGGBB`` and transparency (0 opaque, 1 gone) as ``&HAABBGGRR``."""
    red, green, blue = rgb[1:3], rgb[3:5], rgb[5:7]
    return f"&H{round(alpha * 255):02X}{blue}{green}{red}".upper()


def inline(rgb: str) -> str:
    """``#RRGGBB`` as the ``&HBBGGRR&`` of an override tag."""
    return f"&H{rgb[5:7]}{rgb[3:5]}{rgb[1:3]}&".upper()


def clock(seconds: float) -> str:
    """``h:mm:ss.cc``."""
    hundredths = max(0, round(seconds * 100))
    minutes, rest = divmod(hundredths, 6000)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest // 100:02d}.{rest % 100:02d}"


@dataclass(frozen=True)
class Style:
    """A named look. ``size`` is the ASS ``Fontsize``, see ``Typeface.ass_size``; lengths are pixels."""

    name: str
    font: str
    size: float
    fill: str = "#FFFFFF"
    fill_alpha: float = 0.0
    outline_colour: str = "#000000"
    outline: float = 0.0
    shadow: float = 0.0
    shadow_alpha: float = 0.5
    anchor: int = 5  # as on a numeric keypad

    def row(self) -> str:
        """The ``Style:`` line."""
        fill, edge = colour(self.fill, self.fill_alpha), colour(self.outline_colour)
        shade = colour("#000000", self.shadow_alpha)
        return (
            f"Style: {self.name},{self.font},{self.size:.2f},{fill},{fill},{edge},{shade},0,0,0,0,"
            f"100,100,0,0,1,{self.outline:.2f},{self.shadow:.2f},{self.anchor},0,0,0,{BY_ITS_LETTERS}"
        )


@dataclass
class Document:
    """A growing ASS document for a frame of ``width`` x ``height`` pixels."""

    width: int
    height: int
    styles: list[Style] = field(default_factory=list)
    events: list[str] = field(default_factory=list)

    def add(self, layer: int, start: float, end: float, style: str, text: str) -> None:
        """Show ``text`` (tags and escaped words) between two times in seconds; not at all for less than 10 ms."""
        begin, until = clock(start), clock(end)
        if begin != until and end > start:
            self.events.append(f"Dialogue: {layer},{begin},{until},{style},,0,0,0,,{text}")

    def text(self) -> str:
        """The whole file."""
        styles = "\n".join(style.row() for style in self.styles)
        events = "\n".join(self.events)
        return HEADER.format(width=self.width, height=self.height, fields=STYLE_FIELDS, styles=styles, events=events)


def rounded(x: float, y: float, width: float, height: float, radius: float) -> str:
    """Drawing commands for a rounded rectangle at ``x``, ``y``. Corners are cubic Béziers (kappa 0.5523)."""
    r = min(radius, width / 2, height / 2)
    k = r * 0.4477
    right, bottom = x + width, y + height
    points = (
        ("m", x + r, y),
        ("l", right - r, y),
        ("b", right - k, y, right, y + k, right, y + r),
        ("l", right, bottom - r),
        ("b", right, bottom - k, right - k, bottom, right - r, bottom),
        ("l", x + r, bottom),
        ("b", x + k, bottom, x, bottom - k, x, bottom - r),
        ("l", x, y + r),
        ("b", x, y + k, x + k, y, x + r, y),
    )
    return " ".join(" ".join([str(command), *(f"{value:.1f}" for value in values)]) for command, *values in points)
