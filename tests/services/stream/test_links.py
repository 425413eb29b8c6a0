"""A token says what it says, and nobody else can make one say anything."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from services.stream.links import LENGTH, Forged, Kind, Link, read, sign

SECRET, OLDER = b"a secret of this very server", b"the secret before that one"
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def a_link(kind: Kind = Kind.SHARE) -> Link:
    return Link(kind, uuid4(), uuid4(), datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC))


@pytest.mark.parametrize("kind", Kind)
def test_what_is_signed_is_read_back(kind: Kind) -> None:
    link = a_link(kind)
    token = sign(link, SECRET)
    assert len(token) == LENGTH
    assert read(token, kind, [SECRET]) == link
    assert sign(link, SECRET) == token


def test_a_share_is_no_grant() -> None:
    with pytest.raises(Forged):
        read(sign(a_link(Kind.SHARE), SECRET), Kind.GRANT, [SECRET])


def test_a_retired_secret_is_believed_until_it_is_taken_away() -> None:
    token = sign(a_link(), OLDER)
    assert read(token, Kind.SHARE, [SECRET, OLDER])
    with pytest.raises(Forged):
        read(token, Kind.SHARE, [SECRET])


def test_changing_any_one_character_makes_it_void() -> None:
    token = sign(a_link(), SECRET)
    for place, there in enumerate(token):
        other = ALPHABET[(ALPHABET.index(there) + 1) % 64]
        with pytest.raises(Forged):
            read(token[:place] + other + token[place + 1 :], Kind.SHARE, [SECRET])


def test_a_tag_fits_one_body_only() -> None:
    """Neither another recording's id nor a later expiry can be put under a tag that was given out."""
    link = a_link()
    tag = sign(link, SECRET)[-22:]
    for other in (
        Link(link.kind, uuid4(), link.id, link.expires_at),
        Link(link.kind, link.media_id, uuid4(), link.expires_at),
        Link(link.kind, link.media_id, link.id, link.expires_at + timedelta(days=1)),
    ):
        with pytest.raises(Forged):
            read(sign(other, b"a guess")[:-22] + tag, Kind.SHARE, [SECRET])


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "A" * 75,
        "A" * 76,
        "A" * 77,
        "=" * 76,
        "é" * 76,
        "\ud800" * 76,
        " " * 76,
        "../" * 25 + ".",
        "A" * 1_000_000,
    ],
    ids=["empty", "short", "75", "zeros", "77", "padding", "letters", "surrogates", "spaces", "path", "megabyte"],
)
def test_nonsense_is_no_token(token: str) -> None:
    with pytest.raises(Forged):
        read(token, Kind.SHARE, [SECRET])
