"""People who use the platform while it is being hurt: each acts in a thread of their own, and remembers what they were told.

They are stubborn: whatever was left open is asked for again in the end, with the same Idempotency-Key, so that an effect
that happened twice, or an acknowledgement that was not kept, can't hide.
"""

from __future__ import annotations

import hashlib
import json
import queue
import secrets
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.faults.history import History, Outcome
from tests.faults.origin import Origin

__all__ = ["Clip", "Person", "Recording", "Share"]

PATIENCE = 6.0  # seconds for one answer
TUS = {"Tus-Resumable": "1.0.0"}
OPEN = {408, 423, 425, 429, 500, 502, 503, 504, 507}  # not now; the effect, if any, is not known


class Lost(AssertionError):
    """Something that was acknowledged is not there."""


@dataclass
class Recording:
    """A recording that somebody wants in the library, and what they were told of it."""

    key: str
    name: str
    data: bytes
    url: str = ""  # of an import
    media_id: str | None = None
    offset: int = 0  # acknowledged bytes
    whole: bool = False  # acknowledged to the last byte
    refused: str = ""
    title: str | None = None  # the last one that was acknowledged
    open_titles: set[str] = field(default_factory=set)  # left open; each may still arrive, and late
    liked: bool = False
    open_likes: bool = False  # some like was left open, so either may be true in the end
    deleting: bool = False
    deleted: bool = False
    clips: list[Clip] = field(default_factory=list)
    shares: list[Share] = field(default_factory=list)

    @property
    def sha256(self) -> str:
        """Of its bytes."""
        return hashlib.sha256(self.data).hexdigest()


@dataclass
class Clip:
    """A clip that somebody asked for by hand."""

    key: str
    start: float
    end: float
    clip_id: str | None = None
    refused: str = ""


@dataclass
class Share:
    """A link that somebody gave away."""

    key: str
    share_id: str | None = None
    url: str = ""
    refused: str = ""
    revoking: bool = False
    revoked: bool = False


class Person:
    """Somebody signed in at the public API. ``do`` queues an action; ``idle`` waits until all are done."""

    def __init__(self, name: str, url: str, origin: Origin, history: History, schedule: int) -> None:
        self.name = name
        self._origin = origin
        self.recordings: list[Recording] = []
        self.lost: list[str] = []
        self._history = history
        self._schedule = schedule
        self._http = httpx.Client(base_url=url, timeout=PATIENCE, trust_env=False)
        self.user_id = self._sign_up()
        self._actions: queue.Queue[Callable[[], None] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._act, name=name, daemon=True)
        self._thread.start()

    def do(self, action: Callable[[], None]) -> None:
        """Do something after what is queued already."""
        self._actions.put(action)

    def idle(self) -> None:
        """Wait until everything queued is done."""
        self._actions.join()

    def close(self) -> None:
        """Leave."""
        self._actions.put(None)
        self._thread.join()
        self._http.close()

    # what people do ------------------------------------------------------------------------------------------------

    def upload(self, data: bytes, pieces: int, *, cut: bool) -> None:
        """Begin a recording and send it in pieces; ``cut`` breaks the connection in the middle of the first one."""
        recording = Recording(secrets.token_hex(8), f"{self.name} {len(self.recordings)}.wav", data)
        self.recordings.append(recording)
        self._create_upload(recording)
        step = -(-len(data) // pieces)
        if cut and recording.media_id:
            self._send(recording, step, broken=True)
        for _ in range(pieces + 2):
            if recording.media_id and not recording.whole:
                self._send(recording, step)

    def fetch(self, data: bytes) -> None:
        """Import a recording from a site that offers it."""
        url = self._origin.publish(data)
        recording = Recording(secrets.token_hex(8), url.rpartition("/")[2], data, url=url)
        self.recordings.append(recording)
        self._create_import(recording)

    def clip(self, number: int, start: float, end: float) -> None:
        """Ask for a clip of one of one's recordings."""
        recording = self._known(number)
        if recording is not None:
            clip = Clip(secrets.token_hex(8), start, end)
            recording.clips.append(clip)
            self._create_clip(recording, clip)

    def share(self, number: int) -> None:
        """Give a recording away."""
        recording = self._known(number)
        if recording is not None:
            share = Share(secrets.token_hex(8))
            recording.shares.append(share)
            self._create_share(recording, share)

    def revoke(self, number: int) -> None:
        """Take the last link to a recording back."""
        recording = self._known(number)
        given = [share for share in recording.shares if share.share_id] if recording else []
        if given:
            given[-1].revoking = True
            self._revoke(given[-1])

    def rename(self, number: int, title: str) -> None:
        """Give a recording another title."""
        recording = self._known(number)
        if recording is not None:
            self._rename(recording, title)

    def like(self, number: int, *, liked: bool) -> None:
        """Like a recording, or no longer."""
        recording = self._known(number)
        if recording is not None:
            self._like(recording, liked=liked)

    def delete(self, number: int) -> None:
        """Delete a recording for good."""
        recording = self._known(number)
        if recording is not None:
            recording.deleting = True
            self._delete(recording)

    def insist(self) -> None:
        """Ask again for all that was left open. Everything works again by now, so each gets a clear answer."""
        for recording in self.recordings:
            self._insist_on(recording)

    def insist_on_deletions(self) -> None:
        """Delete what may be deleted already, once the library has heard of everything."""
        for recording in self.recordings:
            if recording.deleting and not recording.deleted and recording.media_id:
                self._until(lambda r=recording: r.deleted, self._delete_again, recording)

    # seeing --------------------------------------------------------------------------------------------------------

    def look(self, path: str, **params: Any) -> httpx.Response:
        """A plain GET, as oneself."""
        return self._http.get(path, params=params)

    def listed(self, **params: Any) -> list[dict[str, Any]]:
        """Everything in one's library."""
        found: list[dict[str, Any]] = []
        cursor: str | None = ""
        while cursor is not None:
            answer = self.look("/api/v1/library", limit=100, **({"cursor": cursor} if cursor else {}), **params)
            answer.raise_for_status()
            found += answer.json()["items"]
            cursor = answer.json()["next_cursor"]
        return [view for view in found if view["owner_id"] == self.user_id]

    # how -----------------------------------------------------------------------------------------------------------

    def _act(self) -> None:
        while (action := self._actions.get()) is not None:
            try:
                action()
            except Lost as loss:
                self.lost.append(str(loss))
            except Exception as error:  # a fault of the suite itself must be seen, not end the thread in silence
                self.lost.append(f"{self.name} could not go on: {error!r}")
            finally:
                self._actions.task_done()

    def _sign_up(self) -> str:
        email = f"{secrets.token_hex(6)}@example.org"
        answer = self._http.post(
            "/api/v1/auth/sign-up", json={"email": email, "password": secrets.token_urlsafe(16)}, timeout=30
        )
        answer.raise_for_status()
        session = self._http.get("/api/v1/session", timeout=30).json()
        self._http.headers["X-CSRF-Token"] = session["csrf_token"]
        return str(session["user"]["id"])

    def _known(self, number: int) -> Recording | None:
        known = [one for one in self.recordings if one.media_id and not one.deleting]
        return known[number % len(known)] if known else None

    def _ask(self, what: str, method: str, path: str, **request: Any) -> tuple[Outcome, httpx.Response | None]:
        """Ask once, and note the outcome."""
        about = {"path": path, "key": request.get("headers", {}).get("Idempotency-Key", "")}
        try:
            answer = self._http.request(method, path, **request)
        except httpx.HTTPError as error:
            self._history.did(self._schedule, self.name, what, Outcome.UNKNOWN, repr(error), **about)
            return Outcome.UNKNOWN, None
        if answer.is_success:
            outcome = Outcome.DONE
        elif answer.status_code in OPEN or (answer.status_code == 409 and "in_progress" in answer.text):
            outcome = Outcome.UNKNOWN
        else:
            outcome = Outcome.REFUSED
        said = f"{answer.status_code} {'' if answer.is_success else answer.text[:160]}"
        self._history.did(self._schedule, self.name, what, outcome, said, **about)
        return outcome, answer

    def _create_upload(self, recording: Recording) -> None:
        wishes = json.dumps({"count": 1, "min_duration": 3, "max_duration": 5})
        fields = {"filename": recording.name, "wishes": wishes}
        metadata = ",".join(f"{name} {b64encode(value.encode()).decode()}" for name, value in fields.items())
        outcome, answer = self._ask(
            "upload",
            "POST",
            "/api/v1/uploads",
            headers={
                **TUS,
                "Upload-Length": str(len(recording.data)),
                "Upload-Metadata": metadata,
                "Idempotency-Key": recording.key,
            },
        )
        self._born(recording, outcome, answer, lambda done: done.headers["Location"].rpartition("/")[2])

    def _create_import(self, recording: Recording) -> None:
        outcome, answer = self._ask(
            "import",
            "POST",
            "/api/v1/imports",
            json={"url": recording.url, "wishes": {"count": 1, "min_duration": 3, "max_duration": 5}},
            headers={"Idempotency-Key": recording.key},
        )
        self._born(recording, outcome, answer, lambda done: done.json()["id"])
        recording.whole = recording.media_id is not None

    def _born(
        self, recording: Recording, outcome: Outcome, answer: httpx.Response | None, id_of: Callable[[Any], str]
    ) -> None:
        if outcome is Outcome.DONE:
            media_id = str(id_of(answer))
            if recording.media_id not in {None, media_id}:
                raise Lost(f"the same key gave two recordings: {recording.media_id} and {media_id}")
            recording.media_id = media_id
        elif outcome is Outcome.REFUSED and answer is not None:
            recording.refused = answer.text

    def _send(self, recording: Recording, size: int, *, broken: bool = False) -> None:
        """Send the next piece, from where the server says that it stands."""
        path = f"/api/v1/uploads/{recording.media_id}"
        outcome, answer = self._ask("offset", "HEAD", path, headers=TUS)
        if outcome is not Outcome.DONE or answer is None:
            if outcome is Outcome.REFUSED:
                raise Lost(f"an upload under way is gone: {recording.media_id} ({recording.offset} bytes were safe)")
            return
        offset = int(answer.headers["Upload-Offset"])
        if offset < recording.offset:
            raise Lost(f"{recording.offset} bytes of {recording.media_id} were acknowledged, {offset} are there")
        recording.offset = offset
        if offset == len(recording.data):
            recording.whole = True
            return
        piece = recording.data[offset : offset + size]
        headers = {
            **TUS,
            "Upload-Offset": str(offset),
            "Content-Type": "application/offset+octet-stream",
            "Content-Length": str(len(piece)),
        }
        content = _half(piece) if broken else piece
        outcome, answer = self._ask("bytes", "PATCH", path, headers=headers, content=content)
        if outcome is Outcome.DONE and answer is not None:
            recording.offset = int(answer.headers["Upload-Offset"])
            recording.whole = recording.offset == len(recording.data)

    def _create_clip(self, recording: Recording, clip: Clip) -> None:
        outcome, answer = self._ask(
            "clip",
            "POST",
            "/api/v1/clips",
            json={"media_id": recording.media_id, "start": clip.start, "end": clip.end, "preset": "square"},
            headers={"Idempotency-Key": clip.key},
        )
        if answer is None or outcome is Outcome.UNKNOWN:
            return
        if outcome is Outcome.REFUSED:
            clip.refused = answer.text
            return
        clip_id = str(answer.json()["id"])
        if clip.clip_id not in {None, clip_id}:
            raise Lost(f"the same key gave two clips: {clip.clip_id} and {clip_id}")
        clip.clip_id = clip_id

    def _create_share(self, recording: Recording, share: Share) -> None:
        outcome, answer = self._ask(
            "share",
            "POST",
            "/api/v1/shares",
            json={"media_id": recording.media_id},
            headers={"Idempotency-Key": share.key},
        )
        if answer is None or outcome is Outcome.UNKNOWN:
            return
        if outcome is Outcome.REFUSED:
            share.refused = answer.text
            return
        share_id = str(answer.json()["id"])
        if share.share_id not in {None, share_id}:
            raise Lost(f"the same key gave two links: {share.share_id} and {share_id}")
        share.share_id, share.url = share_id, answer.json()["url"]

    def _revoke(self, share: Share) -> None:
        outcome, _ = self._ask("revoke", "DELETE", f"/api/v1/shares/{share.share_id}")
        # Refused: its recording was deleted meanwhile, and the link with it.
        share.revoked = share.revoked or outcome in {Outcome.DONE, Outcome.REFUSED}

    def _rename(self, recording: Recording, title: str) -> None:
        outcome, _ = self._ask(
            "rename",
            "PATCH",
            f"/api/v1/library/{recording.media_id}",
            json={"title": title},
            headers={"If-Match": "*"},
        )
        if outcome is Outcome.DONE:
            recording.title = title
        elif outcome is Outcome.UNKNOWN:
            recording.open_titles.add(title)

    def _like(self, recording: Recording, *, liked: bool) -> None:
        outcome, _ = self._ask("like", "PUT" if liked else "DELETE", f"/api/v1/library/{recording.media_id}/like")
        if outcome is Outcome.DONE:
            recording.liked = liked
        elif outcome is Outcome.UNKNOWN:
            recording.open_likes = True

    def _delete(self, recording: Recording) -> None:
        outcome, _ = self._ask("delete", "DELETE", f"/api/v1/library/{recording.media_id}")
        recording.deleted = outcome is Outcome.DONE
        # The library may not have heard of it yet; then nothing was deleted.
        recording.deleting = outcome is not Outcome.REFUSED

    def _insist_on(self, recording: Recording) -> None:
        if recording.media_id is None and not recording.refused:
            self._until(lambda: recording.media_id is not None or bool(recording.refused), self._create, recording)
        if recording.media_id is None or recording.deleting:
            return
        if not recording.whole:
            self._until(lambda: recording.whole, self._send, recording, len(recording.data))
        for clip in recording.clips:
            if clip.clip_id is None and not clip.refused:
                self._until(lambda c=clip: bool(c.clip_id or c.refused), self._create_clip, recording, clip)
        for share in recording.shares:
            if share.share_id is None and not share.refused:
                self._until(lambda s=share: bool(s.share_id or s.refused), self._create_share, recording, share)
            if share.revoking and not share.revoked:
                self._until(lambda s=share: s.revoked, self._revoke, share)

    def _create(self, recording: Recording) -> None:
        (self._create_import if recording.url else self._create_upload)(recording)

    def _delete_again(self, recording: Recording) -> None:
        """Delete what may be deleted already: then a 404 is the answer."""
        outcome, answer = self._ask("delete", "DELETE", f"/api/v1/library/{recording.media_id}")
        recording.deleted = outcome is Outcome.DONE or (answer is not None and answer.status_code == 404)

    def _until(self, done: Callable[[], bool], again: Callable[..., None], *arguments: Any) -> None:
        limit = time.monotonic() + 30
        pause = 0.05
        while not done():
            again(*arguments)
            if time.monotonic() > limit:
                raise Lost(f"no clear answer within 30 s of everything being well again: {again.__name__}")
            if not done():
                threading.Event().wait(pause)  # as a client backs off
                pause = min(1.0, pause * 2)


def _half(piece: bytes) -> Iterator[bytes]:
    """Half of a piece, and then the connection breaks."""
    yield piece[: len(piece) // 2]
    raise httpx.WriteError("the client's connection was cut")
