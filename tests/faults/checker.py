"""The judge: what was acknowledged, against PostgreSQL, the store, the public API and the process table."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import psutil
from psycopg import sql

from libs.contracts.subscriptions import SERVICES
from libs.storage import NotStored
from tests.faults.people import Clip, Person, Recording, Share
from tests.faults.world import World

__all__ = ["violations"]

ENDED = {"ready", "failed", "rejected"}
OBJECTS = (
    "SELECT object_key, sha256, media_id FROM ingest.originals "
    "UNION ALL SELECT r.object_key, r.sha256, c.media_id FROM render.renditions r JOIN render.clips c ON c.id = r.clip_id "
    "WHERE r.object_key IS NOT NULL"
)
POSTERS = "SELECT poster_key FROM render.renditions WHERE poster_key IS NOT NULL"


def violations(world: World, people: Sequence[Person]) -> list[str]:
    """Everything that is not as it was promised. All faults are over, and no work is left."""
    found: list[str] = []
    for person in people:
        views = {view["id"]: view for view in person.listed()}
        for recording in person.recordings:
            found += [f"{person.name}: {what}" for what in _of_recording(world, person, recording, views)]
        found += [f"{person.name}: {what}" for what in _strangers(person, views)]
    return [*found, *_jobs(world), *_repeated(world), *_objects(world), *_processes(world)]


def _of_recording(world: World, person: Person, recording: Recording, views: dict[str, Any]) -> Iterable[str]:
    if recording.media_id is None:
        return
    if recording.deleting:
        yield from _traces(world, recording, views)
        return
    view = views.get(recording.media_id)
    if view is None:
        yield f"the recording {recording.media_id} was acknowledged and is not in the library"
        return
    yield from _result(world, recording, view)
    allowed = recording.open_titles | {recording.title}
    if recording.title and view["title"] not in allowed:
        yield f"{recording.media_id} was renamed to {recording.title!r} and is called {view['title']!r}"
    if not recording.open_likes and view["liked"] != recording.liked:
        yield f"liked is {view['liked']} for {recording.media_id}, and {recording.liked} was acknowledged"
    for clip in recording.clips:
        yield from _of_clip(recording, clip, views)
    for share in recording.shares:
        yield from _of_share(person, share)


def _result(world: World, recording: Recording, view: dict[str, Any]) -> Iterable[str]:
    """A recording ends ready, or quarantined after three interruptions; its bytes are those that were sent."""
    if view["status"] not in ENDED:
        yield f"{recording.media_id} stands at {view['status']} for ever"
    if view["status"] in {"failed", "rejected"} and not _excused(view["problem"]):
        yield f"{recording.media_id} {view['status']}: {view['problem']}"
    with world.database() as connection:
        row = connection.execute(
            "SELECT sha256 FROM ingest.originals WHERE media_id = %s", (recording.media_id,)
        ).fetchone()
    if row is None or row[0] != recording.sha256:
        yield f"other bytes were received of {recording.media_id} than were sent: {row}"


def _excused(problem: dict[str, Any] | None) -> bool:
    """Whether a failure is a promised one: three interruptions, each of them ours, or too little speech for a clip."""
    return problem is not None and problem["code"] in {"interrupted", "no_moments", "no_speech"}


def _of_clip(recording: Recording, clip: Clip, views: dict[str, Any]) -> Iterable[str]:
    if clip.clip_id is None:
        return
    view = views.get(clip.clip_id)
    if view is None:
        yield f"the clip {clip.clip_id} of {recording.media_id} was acknowledged and is not in the library"
    elif view["status"] != "ready" and (view["problem"] or {}).get("code") != "interrupted":
        yield f"the clip {clip.clip_id} is {view['status']}: {view['problem']}"


def _of_share(person: Person, share: Share) -> Iterable[str]:
    if share.share_id is None:
        return
    answer = person.look(share.url)
    if share.revoking and answer.status_code < 400:
        yield f"the link {share.share_id} was revoked and still opens"
    if not share.revoking and answer.status_code >= 400:
        yield f"the link {share.share_id} was acknowledged and answers {answer.status_code}"


def _traces(world: World, recording: Recording, views: dict[str, Any]) -> Iterable[str]:
    """What is left of a deleted recording."""
    if recording.media_id in views:
        yield f"the deleted recording {recording.media_id} is in the library"
    parts = [view["id"] for view in views.values() if view["parent_id"] == recording.media_id]
    if parts:
        yield f"clips of the deleted recording {recording.media_id} are in the library: {parts}"
    looks = (
        ("catalog", "SELECT count(*) FROM catalog.media WHERE id = %(id)s OR parent_id = %(id)s"),
        ("ingest", "SELECT count(*) FROM ingest.originals WHERE media_id = %(id)s"),
        ("transcription", "SELECT count(*) FROM transcription.transcripts WHERE media_id = %(id)s"),
        ("highlight", "SELECT count(*) FROM highlight.moments WHERE media_id = %(id)s"),
        ("render", "SELECT count(*) FROM render.clips WHERE media_id = %(id)s"),
        ("stream", "SELECT count(*) FROM stream.deliverables WHERE media_id = %(id)s"),
    )
    with world.database() as connection:
        for service, look in looks:
            row = connection.execute(look, {"id": recording.media_id}).fetchone()
            if row and row[0]:
                yield f"{service} still has {row[0]} rows of the deleted recording {recording.media_id}"
    for share in recording.shares:
        if share.share_id:
            yield from _open_link(world, share)


def _open_link(world: World, share: Share) -> Iterable[str]:
    with world.database() as connection:
        row = connection.execute(
            "SELECT count(*) FROM stream.shares WHERE id = %s AND revoked_at IS NULL", (share.share_id,)
        ).fetchone()
    if row and row[0]:
        yield f"the link {share.share_id} outlived its recording"


def _strangers(person: Person, views: dict[str, Any]) -> Iterable[str]:
    """Recordings in the library that this person did not bring, or brought once and sees twice."""
    known = {recording.media_id for recording in person.recordings}
    for view in views.values():
        if view["kind"] == "recording" and view["id"] not in known:
            yield f"the library has a recording that came of no acknowledged request: {view['id']} {view['title']!r}"


def _jobs(world: World) -> Iterable[str]:
    """Every job has ended; one that failed did so because what it worked on was deleted under it."""
    with world.database() as connection:
        deleted = {row[0] for row in connection.execute("SELECT media_id FROM catalog.tombstones")}
        clips = {row[0] for row in connection.execute("SELECT id FROM render.clips")}
        for service in SERVICES:
            rows = connection.execute(
                sql.SQL(
                    "SELECT id, subject, kind, state, attempt, failures, interruptions, problem_code, problem_detail "
                    "FROM {} WHERE state NOT IN ('done', 'cancelled') AND NOT (state = 'quarantined' AND interruptions >= 3)"
                ).format(sql.Identifier(service, "jobs"))
            ).fetchall()
            for row in rows:
                # A clip that was ordered a moment before its recording was deleted: catalog buried the recording without
                # ever having heard of the clip, and render dropped its row.
                orphaned = row[7] == "original_gone" and row[1] not in clips
                gone = row[3] == "failed" and (row[1] in deleted or row[7] == "deleted" or orphaned)
                if not gone and row[0] not in world.reported:
                    world.reported.add(row[0])
                    yield f"{service}'s job {[str(value) for value in row]} has no good end"


def _repeated(world: World) -> Iterable[str]:
    """Effects that may happen once happened once."""
    looks = {
        "transcripts of one recording": "SELECT media_id::text, count(*) FROM transcription.transcripts GROUP BY 1",
        "files of one clip": "SELECT clip_id::text, count(*) FROM render.renditions GROUP BY 1",
        "clips of one span": "SELECT media_id || ' ' || \"start\" || '-' || \"end\", count(*) FROM render.clips "
        "WHERE score IS NULL GROUP BY 1",
        "jobs done for one subject": "SELECT subject || ' ' || kind, count(*) FROM transcription.jobs "
        "WHERE state = 'done' GROUP BY 1",
    }
    with world.database() as connection:
        for what, look in looks.items():
            for subject, count in connection.execute(f"SELECT * FROM ({look}) AS seen WHERE count > 1"):
                yield f"{count} {what}: {subject}"


def _objects(world: World) -> Iterable[str]:
    """After a sweep the store holds exactly what rows refer to, and each object has the bytes that its row says."""
    world.sweep()
    with world.database() as connection:
        rows = connection.execute(OBJECTS).fetchall()
        posters = {row[0] for row in connection.execute(POSTERS)}
    wanted = {key: digest for key, digest, _ in rows}
    there = set(world.store.keys())
    for key in sorted(there - set(wanted) - posters):
        yield f"an object that nothing refers to stays after the sweep: {key}"
    for key in sorted((set(wanted) | posters) - there):
        yield f"a row refers to an object that is not there: {key}"
    for key in sorted(there & set(wanted) - world.verified):
        if _digest(world, key) != wanted[key]:
            yield f"the object {key} has other bytes than its row says"
        world.verified.add(key)


def _digest(world: World, key: str) -> str:
    digest = hashlib.sha256()
    try:
        for chunk in world.store.read(key):
            digest.update(chunk)
    except NotStored:
        return ""
    return digest.hexdigest()


def _processes(world: World) -> Iterable[str]:
    """Every process of the platform belongs to somebody: a supervisor's child, or a child of one at work."""
    processes = world.processes()
    state = Counter(process.pid for process in processes.values())
    if max(state.values(), default=0) > 1:
        yield f"one process twice in the supervisor's state: {state}"
    for name, process in processes.items():
        if name.endswith("-worker"):
            yield from _left_over(name, process)
    home = str(world.place.home)
    for process in psutil.process_iter(["ppid", "cmdline"]):
        line = " ".join(process.info["cmdline"] or [])
        if process.info["ppid"] == 1 and home in line and "postgres" not in line:
            yield f"an orphan process: {process.pid} {line[:120]}"


def _left_over(name: str, worker: psutil.Process) -> Iterable[str]:
    try:
        children = worker.children(recursive=True)
    except psutil.NoSuchProcess:
        return
    for child in children:
        yield f"{name} has no work and still runs {child.pid} {' '.join(child.cmdline())[:120]}"
