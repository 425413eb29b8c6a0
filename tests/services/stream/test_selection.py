"""Ranges and conditions by RFC 9110: the table of edges."""

from __future__ import annotations

import time

import pytest

from services.stream.selection import Selection, Span, select

ETAG, SIZE = '"0123abcd"', 1000
WHOLE, REFUSED = Selection(200), Selection(416)


def part(first: int, last: int) -> Selection:
    return Selection(206, Span(first, last))


@pytest.mark.parametrize(
    ("header", "answer"),
    [
        ("bytes=0-0", part(0, 0)),
        ("bytes=0-", part(0, 999)),
        ("bytes=0-999", part(0, 999)),
        ("bytes=0-1000", part(0, 999)),
        ("bytes=500-99999999999999", part(500, 999)),
        ("bytes=999-", part(999, 999)),
        ("bytes=-1", part(999, 999)),
        ("bytes=-1000", part(0, 999)),
        ("bytes=-5000", part(0, 999)),
        ("Bytes=1-2", part(1, 2)),
        ("bytes = 1-2 ", part(1, 2)),
        ("bytes=1-2,", part(1, 2)),
        ("bytes=1000-", REFUSED),
        ("bytes=1000-2000", REFUSED),
        ("bytes=-0", REFUSED),
        ("bytes=5-4", REFUSED),
        ("bytes=-", REFUSED),
        ("bytes=", REFUSED),
        ("bytes=,", REFUSED),
        ("bytes", REFUSED),
        ("", REFUSED),
        ("bytes=a-b", REFUSED),
        ("bytes=1", REFUSED),
        ("bytes=--1", REFUSED),
        ("bytes=0x1-2", REFUSED),
        ("bytes=1.5-2", REFUSED),
        ("bytes=+1-2", REFUSED),
        ("bytes=1_0-20", REFUSED),
        ("bytes=\u0661-\u0662", REFUSED),  # digits, but not those of the grammar
        ("bytes=0-0,oops", REFUSED),
        ("bytes=99999999999999999999-", REFUSED),
        ("bytes=0-0,-1", WHOLE),  # several: the whole file is an allowed answer
        ("bytes=0-1, 5-6, 8-", WHOLE),
        ("seconds=1-2", WHOLE),  # another unit is not for us
        ("bytes=" + "0-0," * 10_000, REFUSED),
        ("bytes=" + " " * 100_000 + "0-0", REFUSED),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else "",
)
def test_a_range(header: str, answer: Selection) -> None:
    assert select("GET", {"range": header}, ETAG, SIZE) == answer


def test_absurd_headers_cost_nothing() -> None:
    header = "bytes=" + ",".join(f"{n}-{n}" for n in range(200_000))
    start = time.perf_counter()
    for _ in range(1000):
        assert select("GET", {"range": header}, ETAG, SIZE) == REFUSED
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize("header", ["bytes=0-", "bytes=-1", "bytes=0-0"])
def test_an_empty_file_has_no_ranges(header: str) -> None:
    assert select("GET", {"range": header}, ETAG, 0) == REFUSED


def test_only_get_has_ranges() -> None:
    assert select("HEAD", {"range": "bytes=0-1"}, ETAG, SIZE) == WHOLE
    assert select("HEAD", {"range": "bytes=9000-"}, ETAG, SIZE) == WHOLE


@pytest.mark.parametrize(
    ("if_range", "answer"),
    [
        (ETAG, part(0, 1)),
        ('"other"', WHOLE),
        (f"W/{ETAG}", WHOLE),  # compared strongly
        ("0123abcd", WHOLE),
        ("*", WHOLE),
        ("Wed, 21 Oct 2026 07:28:00 GMT", WHOLE),
        ("", WHOLE),
    ],
)
def test_if_range(if_range: str, answer: Selection) -> None:
    assert select("GET", {"range": "bytes=0-1", "if-range": if_range}, ETAG, SIZE) == answer


def test_if_range_that_fails_hides_a_bad_range() -> None:
    assert select("GET", {"range": "bytes=9000-", "if-range": '"other"'}, ETAG, SIZE) == WHOLE


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"if-none-match": ETAG}, 304),
        ({"if-none-match": f"W/{ETAG}"}, 304),  # compared weakly
        ({"if-none-match": f'"a", W/"b,c" , {ETAG}'}, 304),
        ({"if-none-match": "*"}, 304),
        ({"if-none-match": '"other"'}, 200),
        ({"if-none-match": "0123abcd"}, 200),
        ({"if-none-match": ETAG, "range": "bytes=0-1"}, 304),
        ({"if-match": ETAG}, 200),
        ({"if-match": "*"}, 200),
        ({"if-match": f"W/{ETAG}"}, 412),
        ({"if-match": '"other"'}, 412),
        ({"if-match": '"other"', "range": "bytes=0-1"}, 412),
        ({"if-match": '"other"', "if-none-match": ETAG}, 412),
    ],
)
def test_conditions_come_first(headers: dict[str, str], status: int) -> None:
    assert select("GET", headers, ETAG, SIZE).status == status
