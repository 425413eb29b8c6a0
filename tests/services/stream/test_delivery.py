"""Bytes over real HTTP: ranges, conditions, and the headers around them."""

from __future__ import annotations

import gc
import socket
from urllib.parse import unquote, urlsplit

import httpx
import pytest

from libs import storage
from services.stream.models import Deliverable
from tests.services.stream.conftest import BYTES, Stage
from tests.services.stream.test_naming import HOSTILE

SIZE = len(BYTES)


@pytest.fixture
def media(stage: Stage) -> str:
    return f"{stage.shared(stage.clip())}/media"


@pytest.mark.parametrize(
    ("header", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=0-", 0, SIZE - 1),
        (f"bytes={SIZE - 1}-", SIZE - 1, SIZE - 1),
        ("bytes=262143-262145", 262143, 262145),  # across a chunk's edge
        ("bytes=-70000", SIZE - 70000, SIZE - 1),
        ("bytes=599000-99999999", 599000, SIZE - 1),
    ],
)
def test_a_part(stage: Stage, media: str, header: str, first: int, last: int) -> None:
    answer = stage.get(media, Range=header)
    assert answer.status_code == 206
    assert answer.content == BYTES[first : last + 1]
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{SIZE}"
    assert answer.headers["Content-Length"] == str(last - first + 1)


@pytest.mark.parametrize("header", [f"bytes={SIZE}-", "bytes=-0", "bytes=9-8", "bytes=x", "bytes=" + "0-0," * 10_000])
def test_no_such_part(stage: Stage, media: str, header: str) -> None:
    answer = stage.get(media, Range=header)
    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == f"bytes */{SIZE}"
    assert answer.json()["code"] == "range_not_satisfiable"


def test_several_parts_at_once_are_the_whole(stage: Stage, media: str) -> None:
    answer = stage.get(media, Range="bytes=0-1,5-6")
    assert (answer.status_code, len(answer.content)) == (200, SIZE)
    assert "Content-Range" not in answer.headers


def test_two_range_headers_are_no_range(stage: Stage, media: str) -> None:
    with httpx.Client(base_url=stage.service.url, trust_env=False) as client:
        answer = client.get(media, headers=[("Range", "bytes=0-1"), ("Range", "bytes=4-5")])
    assert answer.status_code == 416


def test_the_headers_alone(stage: Stage, media: str) -> None:
    whole, head = stage.get(media), stage.get(media, "HEAD", Range="bytes=0-1")
    assert (head.status_code, head.content) == (200, b"")
    differing = {"date", "x-correlation-id", "set-cookie"}
    assert {n: v for n, v in head.headers.items() if n not in differing} == {
        n: v for n, v in whole.headers.items() if n not in differing
    }
    assert head.headers["Content-Length"] == str(SIZE)


def test_what_is_said_around_the_bytes(stage: Stage, media: str) -> None:
    headers = stage.get(media).headers
    assert headers["Content-Type"] == "video/mp4"
    assert headers["Accept-Ranges"] == "bytes"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"].startswith("private")
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["Content-Security-Policy"].endswith("sandbox allow-same-origin")
    assert "Content-Disposition" not in headers


def test_a_copy_is_asked_about_and_kept(stage: Stage, media: str) -> None:
    etag = stage.get(media).headers["ETag"]
    assert etag.startswith('"')
    kept = stage.get(media, If_None_Match=etag)
    assert (kept.status_code, kept.content, kept.headers["ETag"]) == (304, b"", etag)
    assert stage.get(media, Range="bytes=0-9", If_Range=etag).status_code == 206
    assert stage.get(media, Range="bytes=0-9", If_Range='"older"').status_code == 200
    assert stage.get(media, If_Match='"older"').status_code == 412


def test_a_new_rendering_is_never_mixed_with_the_old_one(stage: Stage) -> None:
    clip = stage.clip()
    media = f"{stage.shared(clip)}/media"
    etag = stage.get(media, Range="bytes=0-9").headers["ETag"]
    stage.service.tell(stage.rendition(clip, content=b"other bytes"))
    resumed = stage.get(media, Range="bytes=10-", If_Range=etag)
    assert (resumed.status_code, resumed.content) == (200, b"other bytes")


# No event and no table can hold a null character or half a surrogate pair.
@pytest.mark.parametrize("title", [title for title in HOSTILE if not {"\x00", "\ud800"} & set(title)])
def test_a_download_is_named_safely(stage: Stage, title: str) -> None:
    answer = stage.get(f"{stage.shared(stage.clip(title))}/media?download=1", Range="bytes=0-3")
    disposition = answer.headers["Content-Disposition"]
    assert answer.status_code == 206
    assert disposition.startswith('attachment; filename="')
    assert unquote(disposition.rpartition("''")[2]).endswith(".mp4")
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("mime", ["text/html", "image/svg+xml", "video/mp4; x=<script>", "VIDEO/mp4\r\nX: y", ""])
def test_nothing_is_sent_as_a_page(stage: Stage, mime: str) -> None:
    answer = stage.get(stage.granted(stage.recording(mime=mime)))
    assert answer.headers["Content-Type"] == "application/octet-stream"


def test_bytes_that_are_gone_are_not_found(stage: Stage) -> None:
    media = f"{stage.shared(stage.clip())}/media"
    [(key,)] = stage.service.rows(f"SELECT object_key FROM {Deliverable.__tablename__}")
    storage.store().delete(key)
    assert stage.get(media).status_code == 404


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")  # an open file left behind
def test_a_viewer_who_leaves_half_way_is_no_trouble(stage: Stage, media: str) -> None:
    where = urlsplit(stage.service.url)
    for _ in range(5):
        with socket.create_connection((str(where.hostname), where.port or 80)) as connection:
            connection.sendall(f"GET {media} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert connection.recv(1000).startswith(b"HTTP/1.1 200")
    assert stage.get(media).content == BYTES
    gc.collect()


def test_only_reading_is_possible(stage: Stage, media: str) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert stage.get(media, method).status_code == 405
