"""Word-timed captions: words to pages, pages to lines, lines to places, places to ASS events.

Each word is drawn by itself at a place computed from the font's advances, so lighting one up moves its neighbours by 0
px. Pages break at sentence ends, pauses and changes of voice; two lines of a page are as equal in width as the words
allow (the two-line case of Knuth and Plass, "Breaking paragraphs into lines", 1981).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.render.engines.ass import Document, Style, clean, escape, inline
from services.render.engines.typeface import Typeface

SENTENCE_ENDS = (".", "!", "?", "…", "。", "！", "？", "؟", "।")
CLAUSE_ENDS = (",", ";", ":", "—", "–", "،", "、")
PAUSE = 0.7  # seconds of silence that end a page
LINGER = 0.6  # how long a page stays after its last word, if nothing follows
LEAD = 0.08  # a page appears this much before its first word
SHORTEST = 0.25  # the least time for which a page is shown, if the clip has room
BRIEFEST = 0.12  # the least time for which a word is lit


@dataclass(frozen=True)
class Cue:
    """A word in a clip's own time. ``joined``: no space before it (a piece of a word too long for a line)."""

    text: str
    start: float
    end: float
    speaker: str | None = None
    joined: bool = False


@dataclass(frozen=True)
class Look:
    """How captions are set: em, widest line, middle of the block and its lowest edge in pixels; shares of the em."""

    face: Typeface
    px: float
    width: float
    centre: tuple[float, float]
    floor: float
    most_words: int = 6
    most_lines: int = 2
    leading: float = 1.16  # of the em
    fill: str = "#FFFFFF"
    active: str = "#FFD93D"
    ahead: float = 0.0  # transparency of words not spoken yet
    outline: float = 0.075  # of the em
    shadow: float = 0.05
    pop: int = 106  # per cent


@dataclass(frozen=True)
class Placed:
    """A word and the box of its advance, pixels."""

    cue: Cue
    x: float
    y: float  # middle of the capitals
    width: float
    px: float


@dataclass(frozen=True)
class Page:
    """Words shown together, from ``start`` to ``end`` seconds."""

    words: tuple[Placed, ...]
    start: float
    end: float


def cues(words: Sequence[dict[str, object]], start: float, end: float) -> list[Cue]:
    """The words heard in a span of a recording, in the clip's time. One that crosses a bound is cut there, none lost."""
    found = []
    for word in words:
        text = clean(str(word["text"]))
        begin, until = float(str(word["start"])), float(str(word["end"]))
        inside = begin < end and (until > start or begin >= start)
        if text and inside:
            speaker = word.get("speaker")
            span = max(begin, start) - start, min(max(until, begin), end) - start
            found.append(Cue(text, *span, speaker=str(speaker) if speaker else None))
    return sorted(found, key=lambda cue: (cue.start, cue.end))


def pages(words: Sequence[Cue], look: Look, duration: float) -> list[Page]:
    """Set all words of a clip of ``duration`` seconds. Pages follow each other without overlap, each long enough to see."""
    groups = _groups(_pieces(words, look), look)
    starts = _starts(groups, duration)
    shown = []
    for i, group in enumerate(groups):
        following = starts[i + 1] if i + 1 < len(groups) else duration
        wanted = max(group[-1].end + LINGER, starts[i] + SHORTEST)
        shown.append(Page(_place(group, look), starts[i], min(wanted, following)))
    return shown


def _starts(groups: Sequence[Sequence[Cue]], duration: float) -> list[float]:
    """When each page appears: a little before its first word, never while the last one is still spoken.

    Where words crowd (a draft transcript may give several the same instant), pages are moved apart: later ones back from
    earlier ones first, then all of them forward from the end of the clip.
    """
    shortest = min(SHORTEST, duration / max(1, len(groups)))
    starts: list[float] = []
    for i, group in enumerate(groups):
        start = max(0.0, group[0].start - LEAD)
        if i:
            spoken = min(groups[i - 1][-1].end, group[0].start)
            start = max(start, spoken, starts[-1] + shortest)
        starts.append(start)
    latest = duration
    for i in reversed(range(len(starts))):
        latest = starts[i] = min(starts[i], latest - shortest)
    return starts


def _pieces(words: Sequence[Cue], look: Look) -> list[Cue]:
    """Cut words that are wider than a line into pieces that fit, sharing the word's time by their letters."""
    pieces: list[Cue] = []
    for cue in words:
        texts = _split(cue.text, look)
        span, done = cue.end - cue.start, 0
        for i, text in enumerate(texts):
            begin = cue.start + span * done / len(cue.text)
            done += len(text)
            pieces.append(Cue(text, begin, cue.start + span * done / len(cue.text), cue.speaker, joined=i > 0))
    return pieces


def _split(text: str, look: Look) -> list[str]:
    pieces, piece = [], ""
    for character in text:
        if piece and look.face.width(piece + character, look.px) > look.width:
            pieces.append(piece)
            piece = ""
        piece += character
    return [*pieces, piece]


def _groups(words: Sequence[Cue], look: Look) -> list[list[Cue]]:
    """Words that share a page: until it is full, or speech itself breaks."""
    groups: list[list[Cue]] = []
    for cue in words:
        page = groups[-1] if groups else []
        if not page or _breaks(page, cue) or not _fits([*page, cue], look):
            groups.append([cue])
        else:
            page.append(cue)
    return groups


def _breaks(page: Sequence[Cue], following: Cue) -> bool:
    last = page[-1]
    clause = last.text.endswith(CLAUSE_ENDS) and len(page) >= 4
    voice = last.speaker != following.speaker
    return last.text.endswith(SENTENCE_ENDS) or clause or voice or following.start - last.end > PAUSE


def _fits(page: Sequence[Cue], look: Look) -> bool:
    return len(page) <= look.most_words and _lines(page, look) is not None


def _lines(page: Sequence[Cue], look: Look) -> list[Sequence[Cue]] | None:
    """The most even break into the fewest lines, or None if the page does not fit."""
    if _width(page, look) <= look.width:
        return [page]
    if look.most_lines < 2:
        return None
    breaks: list[list[Sequence[Cue]]] = [[page[:i], page[i:]] for i in range(1, len(page))]
    fitting = [pair for pair in breaks if max(_width(line, look) for line in pair) <= look.width]
    return min(fitting, key=lambda pair: _raggedness(pair, look)) if fitting else None


def _raggedness(lines: Sequence[Sequence[Cue]], look: Look) -> float:
    """Difference in width, less a bonus for a break after a comma. A longer lower line looks the steadier one."""
    upper, lower = (_width(line, look) for line in lines)
    bonus = look.px if lines[0][-1].text.endswith(CLAUSE_ENDS) else 0.0
    return abs(upper - lower) + (0.1 * look.px if upper > lower else 0.0) - bonus


def _gap(cue: Cue, look: Look) -> float:
    return 0.0 if cue.joined else look.face.width(" ", look.px) * 1.1


def _width(line: Sequence[Cue], look: Look) -> float:
    texts = sum(look.face.width(cue.text, look.px) for cue in line)
    return texts + sum(_gap(cue, look) for cue in line[1:])


def _place(page: Sequence[Cue], look: Look) -> tuple[Placed, ...]:
    """Put each word where it stays: lines centred, the block around the centre, never below the floor."""
    lines = _lines(page, look) or [page]
    step = look.px * look.leading
    tail = look.px * 0.62  # from the middle of the capitals to below the descenders and their outline
    middle = min(look.centre[1], look.floor - tail - step * (len(lines) - 1) / 2)
    top = middle - step * (len(lines) - 1) / 2
    placed: list[Placed] = []
    for row, line in enumerate(lines):
        ordered = list(reversed(line)) if _right_to_left(line) else list(line)
        x = look.centre[0] - _width(line, look) / 2
        for i, cue in enumerate(ordered):
            x += _gap(cue, look) if i else 0.0
            width = look.face.width(cue.text, look.px)
            placed.append(Placed(cue, x, top + row * step, width, look.px))
            x += width
    return tuple(sorted(placed, key=lambda word: word.cue.start))


def _right_to_left(line: Sequence[Cue]) -> bool:
    """Whether most letters of a line are Hebrew or Arabic (U+0590 to U+08FF, and their presentation forms)."""
    letters = [c for cue in line for c in cue.text if c.isalpha()]
    rtl = [c for c in letters if "\u0590" <= c <= "\u08ff" or "\ufb1d" <= c <= "\ufefc"]
    return len(rtl) * 2 > len(letters)


def style(look: Look) -> Style:
    """The ASS style that the words of this look are drawn in."""
    return Style(
        "Caption",
        look.face.name,
        look.face.ass_size(look.px),
        fill=look.fill,
        outline_colour="#0B0B10",
        outline=look.px * look.outline,
        shadow=look.px * look.shadow,
        shadow_alpha=0.45,
    )


def draw(document: Document, shown: Sequence[Page], look: Look) -> int:
    """Add all pages to a document; return how many words were drawn."""
    document.styles.append(style(look))
    for page in shown:
        for i, word in enumerate(page.words):
            following = page.words[i + 1].cue.start if i + 1 < len(page.words) else page.end
            _draw_word(document, page, word, following, look)
    return sum(not word.cue.joined for page in shown for word in page.words)


def _draw_word(document: Document, page: Page, word: Placed, following: float, look: Look) -> None:
    """Three states of one word, each where the others were: ahead, lit, spoken."""
    lit = min(max(word.cue.start, page.start), page.end)
    out = min(page.end, max(min(following, word.cue.end + PAUSE / 2), lit + BRIEFEST))
    text = escape(word.cue.text)
    place = f"\\an5\\pos({word.x + word.width / 2:.1f},{word.y + look.face.drop(word.px):.1f})"
    ahead = f"\\alpha&H{round(look.ahead * 255):02X}&" if look.ahead else ""
    pop = f"\\t(0,90,\\fscx{look.pop}\\fscy{look.pop})" if look.pop != 100 else ""
    document.add(10, page.start, lit, "Caption", f"{{{place}{ahead}}}{text}")
    document.add(11, lit, out, "Caption", f"{{{place}\\1c{inline(look.active)}{pop}}}{text}")
    document.add(10, out, page.end, "Caption", f"{{{place}}}{text}")
