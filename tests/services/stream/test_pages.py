"""The share page: what it shows, what other sites can show of it, and what it never does."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from tests.services.stream.conftest import Stage


class _Page(HTMLParser):
    """Collects a page's elements."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def meta(self) -> dict[str, str]:
        return {m.get("property") or m["name"]: m["content"] for m in self.all("meta") if "content" in m}


def test_a_clip_plays_here_and_elsewhere(stage: Stage) -> None:
    share = stage.share(stage.clip("Why the second draft is honest")).json()
    url, path = share["url"], stage.path(share["url"])
    answer = stage.get(path)
    page = _Page(answer.text)
    [video] = page.all("video")
    assert video["src"] == f"{path}/media"
    assert video["poster"] == f"{path}/poster.jpg"
    assert video["preload"] == "none"
    expected = {
        "og:title": "Why the second draft is honest",
        "og:type": "video.other",
        "og:url": url,
        "og:video": f"{url}/media",
        "og:video:url": f"{url}/media",
        "og:video:secure_url": f"{url}/media",
        "og:video:type": "video/mp4",
        "og:video:width": "1080",
        "og:video:height": "1920",
        "og:image": f"{url}/poster.jpg",
        "twitter:card": "player",
        "twitter:player": url,
        "twitter:player:stream": f"{url}/media",
        "twitter:player:width": "1080",
        "twitter:player:height": "1920",
    }
    assert {name: page.meta.get(name) for name in expected} == expected
    assert "0:21" in answer.text
    assert "1080 × 1920" in answer.text
    assert any(a["href"] == f"{path}/media?download=1" for a in page.all("a"))


def test_sound_gets_a_player_for_sound(stage: Stage) -> None:
    share = stage.shared(stage.recording("Episode 1", mime="audio/mpeg", width=0, height=0, has_video=False))
    page = _Page(stage.get(share).text)
    assert [audio["src"] for audio in page.all("audio")] == [f"{share}/media"]
    assert page.all("video") == []
    assert "og:video" not in page.meta
    assert page.meta["og:audio"].endswith("/media")


@pytest.mark.parametrize(
    "title",
    [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "' autofocus onfocus='alert(1)",
        "{{ 7 * 7 }}{% raw %}",
        "</title><script>",
        "&lt;b&gt;",
        "javascript:alert(1)",
    ],
)
def test_a_title_is_text_and_nothing_else(stage: Stage, title: str) -> None:
    answer = stage.get(stage.shared(stage.clip(title)))
    page = _Page(answer.text)
    assert page.all("script") == page.all("img") == []
    assert page.meta["og:title"] == title
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)


def test_a_page_loads_nothing_from_elsewhere_and_runs_nothing(stage: Stage) -> None:
    share = stage.shared(stage.clip())
    for path in (share, "/s/nothing"):
        answer = stage.get(path)
        page = _Page(answer.text)
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none';")
        assert "unsafe" not in policy
        assert "script-src" not in policy
        assert page.all("script") == []
        loaded = [a.get("src", "") for _, a in page.elements] + [a["href"] for a in page.all("link")]
        assert all(address.startswith("/s/") for address in loaded if address)
        for style in page.all("style"):
            assert f"'nonce-{style['nonce']}'" in policy
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "private, no-store"


def test_each_page_has_a_nonce_of_its_own(stage: Stage) -> None:
    share = stage.shared(stage.clip())
    assert stage.get(share).headers["Content-Security-Policy"] != stage.get(share).headers["Content-Security-Policy"]


def test_looks_come_from_this_server_and_may_be_kept(stage: Stage) -> None:
    [link] = re.findall(r'href="(/s/static/share\.css\?v=\w+)"', stage.get("/s/nothing").text)
    styles = stage.get(link)
    assert styles.headers["Content-Type"].startswith("text/css")
    assert "immutable" in styles.headers["Cache-Control"]
    assert "prefers-color-scheme: dark" in styles.text
    assert stage.get("/s/static/icon.svg").headers["Content-Type"] == "image/svg+xml"
    assert stage.get("/s/static/pages.py").status_code == stage.get("/s/static/..%2fpages.py").status_code == 404


@pytest.mark.parametrize("path", ["/s/x", "/s/" + "A" * 76, "/s/%00", "/s/<b>", "/s/..%2f..%2fetc", "/s/static"])
def test_an_address_that_leads_nowhere_says_so_kindly(stage: Stage, path: str) -> None:
    answer = stage.get(path)
    assert answer.status_code == 404
    if path != "/s/..%2f..%2fetc":
        assert "There is nothing at this address" in answer.text


def test_the_head_of_a_page(stage: Stage) -> None:
    share = stage.shared(stage.clip())
    head = stage.get(share, "HEAD")
    assert (head.status_code, head.content) == (200, b"")
