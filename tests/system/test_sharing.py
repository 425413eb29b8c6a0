"""Links that friends can open, for as long as their owner wants."""

from __future__ import annotations

import httpx
import pytest

from tests.factories.platform import Platform, wait_until

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]


def test_share_link_plays_signed_out_and_stops_when_revoked(platform: Platform, short_speech: bytes) -> None:
    person = platform.person()
    media_id = person.upload("talk.flac", short_speech, count=1, min_duration=4)
    assert person.until_ended(media_id)["status"] == "ready"
    (clip,) = person.clips(media_id)

    def shared() -> httpx.Response:
        return person.http.post("/api/v1/shares", json={"media_id": clip["id"]}, headers={"Idempotency-Key": "one"})

    # The library may know of a clip a moment before the service that delivers it does.
    wait_until(lambda: shared().status_code == 201, 30)
    share = shared().json()
    with httpx.Client(trust_env=False) as friend:
        page = friend.get(share["url"])
        assert page.status_code == 200
        assert "og:video" in page.text
        media = friend.get(share["url"] + "/media", headers={"Range": "bytes=0-99"})
        assert (media.status_code, len(media.content)) == (206, 100)
        assert media.headers["Content-Range"] == f"bytes 0-99/{clip['files'][0]['size']}"
        friend.get(share["url"])
        friend.get(share["url"] + "/media")
        friend.get(share["url"] + "/media", headers={"Range": "bytes=0-"})
        shares = person.http.get("/api/v1/shares", params={"media_id": clip["id"]}).json()
        shares = shares["items"] if isinstance(shares, dict) else shares
        assert [entry["views"] for entry in shares] == [1], "one viewer, however often the player asks"
        assert "clipstead=" not in page.headers.get("Set-Cookie", "")
        assert person.http.delete(f"/api/v1/shares/{share['id']}").status_code == 204
        assert friend.get(share["url"] + "/media").status_code in (404, 410)
        assert friend.get(share["url"]).status_code in (404, 410)
