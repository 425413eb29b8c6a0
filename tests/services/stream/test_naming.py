"""A title as a download's name: it stays in its header and in its folder."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pytest

from services.stream.naming import attachment, filename

HEADER = re.compile(
    r"attachment; filename=\"(?P<plain>[A-Za-z0-9 ._()+-]+)\"; filename\*=UTF-8''(?P<full>[!#$&+.^`|~\w%-]+)"
)

HOSTILE = [
    'a"; filename="evil.exe',
    "a\r\nSet-Cookie: session=stolen",
    "a\r\n\r\n<script>alert(1)</script>",
    "a\x00.exe",
    "../../etc/passwd",
    "..\\..\\windows\\system32",
    "/etc/passwd",
    "C:\\boot.ini",
    "....",
    "   ",
    "",
    ".bashrc",
    "CON",
    "nul.txt",
    "photo\u202egpj.exe",  # reads backwards
    "a%0d%0aX: y",
    "a'b''c",
    "tab\there",
    "\u2028line\u2029",
    "\ud800",
    "x" * 5000,
    "😀" * 500,
    "日本語のタイトル",
    "Crème brûlée — пирог",
    "e\u0301" * 10,
    "a;b=c,d",
    "$(reboot)`id`|&",
]


@pytest.mark.parametrize("title", HOSTILE)
def test_no_title_leaves_its_header_or_its_folder(title: str) -> None:
    header = attachment(title, ".mp4")
    parts = HEADER.fullmatch(header)
    assert parts, header
    header.encode("latin-1")
    for name in (parts["plain"], unquote(parts["full"])):
        assert name.endswith(".mp4")
        assert not name.startswith((".", " "))
        assert not re.search(r'[\x00-\x1f\x7f/\\<>:"|?*\u202e\u2028]', name)
        assert len(name.encode()) <= 210


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("My first clip", "My first clip.mp4"),
        ("What is 1/2 of 3?", "What is 1 2 of 3.mp4"),
        ("Crème brûlée", "Crème brûlée.mp4"),
        ("CON", "clip CON.mp4"),
        ("", "clip.mp4"),
        (".profile", "profile.mp4"),
    ],
)
def test_good_titles_stay_readable(title: str, name: str) -> None:
    assert filename(title, ".mp4") == name


def test_a_suffix_is_the_servers_or_none() -> None:
    assert filename("a", '.mp4"; x="') == "a"
    assert filename("a", "") == "a"


def test_old_clients_get_an_ascii_twin() -> None:
    header = attachment("Crème 50%", ".mp4")
    assert header == "attachment; filename=\"Creme 50_.mp4\"; filename*=UTF-8''Cr%C3%A8me%2050%25.mp4"
    assert attachment("日本", ".mp3").startswith('attachment; filename="clip.mp3"; ')
