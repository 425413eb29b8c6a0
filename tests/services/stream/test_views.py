"""A view is somebody pressing play, counted once."""

from __future__ import annotations

import pytest

from libs.contracts.events import ShareViewed
from tests.services.stream.conftest import Stage


def views(stage: Stage) -> int:
    return int(stage.service.rows("SELECT sum(views) FROM shares")[0][0])


def test_one_viewer_is_one_view(stage: Stage) -> None:
    clip = stage.clip()
    share = stage.share(clip).json()
    path = stage.path(share["url"])
    page = stage.get(path)
    cookie = page.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "Secure" in cookie
    assert f"Path={path};" in cookie
    assert "samesite=lax" in cookie.lower()
    assert views(stage) == 0  # looking is not playing

    name = cookie.partition(";")[0]
    for header in ("bytes=0-", "bytes=0-", "bytes=100000-", "bytes=0-499"):
        answer = stage.get(f"{path}/media", Range=header, Cookie=name)
        assert answer.status_code == 206
        assert "Set-Cookie" not in answer.headers
    assert views(stage) == 1
    assert stage.service.told(ShareViewed) == [ShareViewed(share_id=share["id"], media_id=clip)]


def test_another_viewer_is_another_view(stage: Stage) -> None:
    path = f"{stage.shared(stage.clip())}/media"
    for _ in range(3):
        assert "clipstead_viewer" in stage.get(path, Range="bytes=0-").headers["Set-Cookie"]
    assert views(stage) == 3


def test_the_same_viewer_counts_again_another_day(stage: Stage) -> None:
    path = f"{stage.shared(stage.clip())}/media"
    stage.get(path, Cookie="clipstead_viewer=me")
    stage.service.execute("UPDATE plays SET expires_at = clock_timestamp() - interval '1 second'")
    stage.get(path, Cookie="clipstead_viewer=me")
    assert views(stage) == 2


def test_playing_the_copy_that_the_browser_kept_is_a_play(stage: Stage) -> None:
    path = f"{stage.shared(stage.clip())}/media"
    etag = stage.get(path, "HEAD").headers["ETag"]
    assert stage.get(path, If_None_Match=etag, Range="bytes=0-").status_code == 304
    assert views(stage) == 1


def test_what_is_no_play(stage: Stage) -> None:
    path = stage.shared(stage.clip())
    stage.get(path)
    stage.get(path, "HEAD")
    stage.get(f"{path}/poster.jpg")
    stage.get(f"{path}/media", Range="bytes=0-1")
    stage.get(f"{path}/media", Range="bytes=500-")
    stage.get(f"{path}/media", Range="bytes=9999999-")
    stage.get(f"{path}/media", If_Match='"older"')
    stage.get(f"{path}/media?download=1")
    assert views(stage) == 0


@pytest.mark.parametrize("name", ["x" * 5000, "'; DROP TABLE plays", ""])
def test_a_cookie_of_ones_own_making_does_no_harm(stage: Stage, name: str) -> None:
    path = f"{stage.shared(stage.clip())}/media"
    assert stage.get(path, Cookie=f"clipstead_viewer={name}").status_code in (200, 422)
    assert stage.get(path).status_code == 200
